package stream

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestParseCursor(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]Cursor{
		"1-0":                   {1, 0},
		"1-18342":               {1, 18342},
		"1795454321-9":          {1795454321, 9},
		"1-9223372036854775807": {1, 1<<63 - 1},
		"9223372036854775807-1": {1<<63 - 1, 1},
	} {
		got, err := ParseCursor(text)
		if err != nil || got != want {
			t.Errorf("ParseCursor(%q) = %v, %v; want %v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("ParseCursor(%q).String() = %q", text, got)
		}
	}
	for _, text := range []string{
		"", "1", "-", "1-", "-1", "0-1", "01-1", "1-01", "1--1", "+1-1", "1-+1", "1-1 ", " 1-1", "1-1\n", "1-1-1",
		"1-9223372036854775808", "１-1", "now", "a-b", "1-1\x00", strings.Repeat("1", 300),
	} {
		if got, err := ParseCursor(text); !errors.Is(err, ErrCursor) {
			t.Errorf("ParseCursor(%q) = %v, %v; want ErrCursor", text, got, err)
		}
	}
}

func TestParseStart(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]Start{
		"": Now, "now": Now, "earliest": Earliest, "2-5": At(Cursor{2, 5}),
	} {
		if got, err := ParseStart(text); err != nil || got != want {
			t.Errorf("ParseStart(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := ParseStart("Now"); !errors.Is(err, ErrCursor) {
		t.Errorf("ParseStart(Now): %v, want ErrCursor", err)
	}
}

func TestStartBehind(t *testing.T) {
	t.Parallel()

	head := Cursor{2, 500}
	for _, c := range []struct {
		name  string
		start Start
		head  Cursor
		want  int64
	}{
		{"now", Now, head, 0},
		{"a cursor of this epoch", At(Cursor{2, 480}), head, 20},
		{"a cursor of another epoch", At(Cursor{1, 480}), head, math.MaxInt64},
		{"the earliest event", Earliest, head, math.MaxInt64},
		{"a cursor, before the hub has read the log", At(Cursor{2, 480}), Cursor{}, 0},
	} {
		streamtest.Want(t, "the distance of "+c.name, c.start.Behind(c.head), c.want)
	}
}

func TestParseTopic(t *testing.T) {
	t.Parallel()

	for _, text := range []string{
		"post:42", "user:auth0|5f", "post:https://example.org/a,b=c+d@e~f", "site:moderation", "a-1:x",
		"post:" + strings.Repeat("x", MaxPostIDBytes), "user:" + strings.Repeat("x", MaxIDBytes), strings.Repeat("k", 32) + ":1", "post:...",
		"post:a%2Fb", "post:/?p=12#c", "user:o'brien@x.org", "post:[]!$&()*;%|", "room:--",
	} {
		topic, err := ParseTopic(text)
		if err != nil || topic.String() != text || topic.Kind()+":"+topic.ID() != text {
			t.Errorf("ParseTopic(%q) = %v, %v", text, topic, err)
		}
	}
	for _, text := range []string{
		"", "post", "post:", ":42", "Post:42", "1post:42", "post:.", "post:..", "post:a b", "post:a\nb", "post:\x00",
		"post:ü", "post:*", "post:\u202e", "post:" + strings.Repeat("x", MaxPostIDBytes+1), "user:" + strings.Repeat("x", MaxIDBytes+1), "post:-", strings.Repeat("k", 33) + ":1",
		"po_st:1", `post:a"b`, `post:a\b`, "post:a<b", "post:a^b", "post:a`b", "post:a{b",
	} {
		if topic, err := ParseTopic(text); !errors.Is(err, ErrTopic) {
			t.Errorf("ParseTopic(%q) = %v, %v; want ErrTopic", text, topic, err)
		}
	}
}

func TestParseName(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"new-comment", "stream.ready", "a", strings.Repeat("n", 64)} {
		if name, err := ParseName(text); err != nil || name.String() != text {
			t.Errorf("ParseName(%q) = %v, %v", text, name, err)
		}
	}
	for _, text := range []string{"", "New", "a b", "a:b", "a\nb", "a\rb", "a\x00", "ä", strings.Repeat("n", 65)} {
		if name, err := ParseName(text); !errors.Is(err, ErrName) {
			t.Errorf("ParseName(%q) = %v, %v; want ErrName", text, name, err)
		}
	}
}

func TestNewData(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		`{"a": 1, "b": [1, 2]}`:     `{"a":1,"b":[1,2]}`,
		"{\n\t\"a\" : \"x y\"\r\n}": `{"a":"x y"}`,
		"\"\u2028\u2029\u0085\"":    `"\u2028\u2029\u0085"`,
		`"\n\r\u000b\f"`:            `"\n\r\u000b\f"`,
		"\"\xff\"":                  `"\ufffd"`,
		` null `:                    `null`,
	} {
		if got, err := NewData([]byte(text)); err != nil || got.String() != want {
			t.Errorf("NewData(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "{", "{} {}", "\ufeff{}", "a", "\"a\nb\""} {
		if got, err := NewData([]byte(text)); !errors.Is(err, ErrData) {
			t.Errorf("NewData(%q) = %q, %v; want ErrData", text, got, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"1-18342", "now", "0-0", "01-1", "1-9223372036854775808"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCursor(text)
		if err != nil {
			if !errors.Is(err, ErrCursor) {
				t.Fatalf("ParseCursor(%q): %v is no ErrCursor", text, err)
			}
			return
		}
		if c.String() != text || len(text) > 39 {
			t.Fatalf("ParseCursor(%q) = %v", text, c)
		}
	})
}

func FuzzParseTopic(f *testing.F) {
	for _, seed := range []string{"post:42", "user:auth0|5f", "post:a\nb", "post:..", ":", "post:%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		topic, err := ParseTopic(text)
		if err != nil {
			if !errors.Is(err, ErrTopic) {
				t.Fatalf("ParseTopic(%q): %v is no ErrTopic", text, err)
			}
			return
		}
		if topic.String() != text || strings.ContainsAny(text, " \r\n\x00\"\\") || len(text) > 32+1+MaxPostIDBytes {
			t.Fatalf("ParseTopic(%q) = %v", text, topic)
		}
	})
}
