package client

import (
	"encoding/json"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestOptional(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   PostInput
		want string
	}{
		{PostInput{}, `{}`},
		{PostInput{Title: Value("T"), Locked: Value(false)}, `{"title":"T","locked":false}`},
		{PostInput{Title: Null[string](), Locked: Null[bool]()}, `{"title":null,"locked":null}`},
		{PostInput{Title: Value("")}, `{"title":""}`},
	} {
		text, err := json.Marshal(c.in)
		streamtest.Must(t, err)
		streamtest.Want(t, "the body", string(text), c.want)
	}
}
