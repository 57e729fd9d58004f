package sse

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// FuzzParser holds the parser against the standard's own words, at any split of
// the bytes.
func FuzzParser(f *testing.F) {
	for _, tt := range parserTests {
		f.Add([]byte(tt.in), uint8(3))
	}
	f.Add([]byte("\xef\xbb\xbfretry: 5\r\nevent:x\rtopic: post:1\ndata: {}\nid: 1-2\n\n"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		want := byTheStandard(in)
		expect(t, "whole", parse(bytes.NewReader(in), defaultMax), want)
		expect(t, "in pieces", parse(pieces(in, size), defaultMax), want)
		expect(t, "byte by byte", parse(iotest.OneByteReader(bytes.NewReader(in)), defaultMax), want)
		for _, ev := range want.events {
			if strings.ContainsAny(ev.id+ev.name+ev.topic, "\r\n") {
				t.Errorf("a line end in %+v", ev)
			}
		}
	})
}

// FuzzParserLimit checks that where a block is too large does not depend on how
// its bytes arrive.
func FuzzParserLimit(f *testing.F) {
	f.Add([]byte("data: 1\n\ndata: 123456789012345\n\n"), uint8(3), uint8(12))
	f.Fuzz(func(t *testing.T, in []byte, size, limit uint8) {
		want := parse(bytes.NewReader(in), int(limit))
		got := parse(pieces(in, size), int(limit))
		got.err, want.err = bare(got.err), bare(want.err)
		expect(t, "in pieces", got, want)
	})
}

// bare is err without what fmt.Errorf added, which DeepEqual tells apart.
func bare(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = inner.Unwrap()
	}
}

// pieces reads in by size bytes, or by one.
func pieces(in []byte, size uint8) io.Reader {
	var readers []io.Reader
	for len(in) > 0 {
		n := min(len(in), max(1, int(size)))
		readers = append(readers, bytes.NewReader(in[:n]))
		in = in[n:]
	}
	return io.MultiReader(readers...)
}

// byTheStandard reads a whole stream the slow way: section 9.2.6, sentence by
// sentence, with no thought for how its bytes arrive.
func byTheStandard(in []byte) outcome {
	text := strings.TrimPrefix(string(in), "\xef\xbb\xbf")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(text, "\n")
	whole, rest := lines[:len(lines)-1], lines[len(lines)-1]

	got := outcome{err: io.EOF}
	block := map[string]string{}
	var data []string
	for _, line := range whole {
		if line == "" {
			got.end(block, data)
			block, data = map[string]string{}, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "":
			continue
		case field == "data":
			data = append(data, value)
		case field == "id" && strings.Contains(value, "\x00"):
		case field == "retry" && strings.Trim(value, "0123456789") == "" && value != "":
			block[field], got.retry = value, milliseconds(value)
		case field == "event", field == "topic", field == "id":
			block[field] = value
		}
		block["open"] = "yes"
	}
	if rest != "" || block["open"] != "" {
		got.err = io.ErrUnexpectedEOF
	}
	return got
}

// end dispatches the block.
func (o *outcome) end(block map[string]string, data []string) {
	if id, ok := block["id"]; ok {
		o.lastID = id
	}
	if data == nil {
		return
	}
	ev := named(block["id"], block["event"], block["topic"], strings.Join(data, "\n"))
	ev.retry = milliseconds(block["retry"])
	o.events = append(o.events, ev)
}

func milliseconds(digits string) time.Duration {
	digits = strings.TrimLeft(digits, "0")
	if len(digits) > 10 {
		return maxRetry * time.Millisecond
	}
	d, _ := time.ParseDuration("0" + digits + "ms")
	return min(d, maxRetry*time.Millisecond)
}
