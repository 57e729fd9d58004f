package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/tidings-live/tidings/stream"
)

// memoryLog is a log in memory that never changes. A real one is in Postgres.
type memoryLog []stream.Event

// Read implements [stream.Log].
func (l memoryLog) Read(_ context.Context, q stream.Query) (stream.Batch, error) {
	head := int64(len(l))
	batch := stream.Batch{
		Through: head,
		State:   stream.State{Head: head, Epochs: []stream.Epoch{{Number: 1}}},
	}
	for _, e := range l {
		if e.Cursor.Position > q.After {
			batch.Events = append(batch.Events, e)
		}
	}
	return batch, nil
}

// A hub follows a log. A subscription gets the events of its topics, past ones first.
func Example() {
	topic, err := stream.ParseTopic("post:42")
	if err != nil {
		log.Fatal(err)
	}
	var events memoryLog
	for i, text := range []string{"hello", "world"} {
		events = append(events, stream.Event{
			Cursor: stream.Cursor{Epoch: 1, Position: int64(i) + 1},
			Topic:  topic,
			Name:   stream.NewCommentName,
			Data:   stream.MustData(map[string]string{"body": text}),
		})
	}

	hub := stream.NewHub(events, stream.HubConfig{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- hub.Run(ctx) }()

	sub := subscribe(hub, topic)
	frames, err := sub.Next(ctx, stream.Unlimited)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range frames {
		fmt.Println(f.Cursor, f.Name, f.Data())
	}
	fmt.Println("next:", sub.Cursor())

	sub.Close()
	stop()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1-1 new-comment {"body":"hello"}
	// 1-2 new-comment {"body":"world"}
	// next: 1-2
}

// subscribe tries until the hub has read the log.
func subscribe(hub *stream.Hub, topic stream.Topic) *stream.Subscription {
	for {
		sub, err := hub.Subscribe([]stream.Topic{topic}, stream.Earliest)
		if err == nil {
			return sub
		}
		if !errors.Is(err, stream.ErrNotReady) {
			log.Fatal(err)
		}
		<-time.After(time.Millisecond)
	}
}

// A server reads the cursor of a client and judges it against the state of the log.
func ExampleState_Judge() {
	state := stream.State{Head: 500, Floor: 100, Epochs: []stream.Epoch{{Number: 1}}}
	for _, text := range []string{"1-300", "1-50", "1-900", "01-5"} {
		cursor, err := stream.ParseCursor(text)
		if err != nil {
			fmt.Println(text, "is no cursor:", err)
			continue
		}
		if gap := state.Judge(cursor); gap != nil {
			fmt.Println(gap)
			continue
		}
		fmt.Println(cursor, "resumes exactly")
	}
	// Output:
	// 1-300 resumes exactly
	// cursor 1-50 is gone (expired), resumed at 1-500
	// cursor 1-900 is gone (restored), resumed at 1-500
	// 01-5 is no cursor: invalid cursor: the epoch is not a number from 1
}

// ParseStart reads the cursor parameter of a request.
func ExampleParseStart() {
	head := stream.Cursor{Epoch: 1, Position: 500}
	for _, text := range []string{"now", "1-480"} {
		start, err := stream.ParseStart(text)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(text, start.IsNow(), start.Behind(head))
	}
	// Output:
	// now true 0
	// 1-480 false 20
}
