package api

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A question to Postgres that takes long makes only the caller that asks wait.
func TestNotifyQueue_AnswersWhileItAsks(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	q := newNotifyQueue(func(context.Context) (float64, error) {
		close(asked)
		<-release
		return 0.5, nil
	}, slog.New(slog.DiscardHandler))
	first := make(chan float64)
	go func() {
		full, _ := q.usage()
		first <- full
	}()
	<-asked
	_, err := q.usage()
	streamtest.Want(t, "an answer during the first question", errors.Is(err, errNotAsked), true)
	close(release)
	streamtest.Want(t, "the answer to the first", <-first, 0.5)
	full, err := q.usage()
	streamtest.Must(t, err)
	streamtest.Want(t, "the answer after it", full, 0.5)
}
