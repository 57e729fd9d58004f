package sse_test

import (
	"fmt"
	"io"
	"strings"

	"github.com/tidings-live/tidings/api/client/sse"
)

// A program that reads sockets itself feeds the parser with each piece that arrives.
func ExampleParser() {
	parser := sse.NewParser(1 << 20)
	for _, piece := range []string{"event: new-com", "ment\ndata: {}\nid: 1-5\n", "\nevent: typing\n"} {
		parser.Feed([]byte(piece))
		for event, ok := parser.Next(); ok; event, ok = parser.Next() {
			fmt.Printf("%s %s %s\n", event.ID, event.Name, event.Data)
		}
	}
	fmt.Println("unfinished:", parser.Unfinished())
	// Output:
	// 1-5 new-comment {}
	// unfinished: true
}

func ExampleReader() {
	stream := strings.NewReader(":\n\nevent: new-comment\ntopic: post:42\ndata: {}\nid: 1-5\n\n")
	events := sse.NewReader(stream, 1<<20)
	for {
		event, err := events.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s in %s\n", event.Name, event.Topic)
	}
	// Output: new-comment in post:42
}
