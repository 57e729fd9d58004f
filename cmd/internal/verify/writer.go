package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// answerLimit is how long a writer waits for its answer. After that the write may
// or may not have happened.
const answerLimit = 10 * time.Second

// A writer writes over HTTP, now at this server, now at that one.
type writer struct {
	cast    cast
	ledger  *ledger
	doors   []*client.Client // the servers, as a user
	service []*client.Client // the servers, as the site
	random  *rand.Rand
	pace    time.Duration // between writes, on average
	live    *counters

	claims *claims

	own []string // comments that it wrote and may delete
}

// run writes until ctx ends; the write that is under way then is finished.
func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.write(context.WithoutCancel(ctx))
		w.live.writes.Add(1)
		pause(ctx, time.Duration(w.random.Int64N(int64(2*w.pace))))
	}
}

func (w *writer) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	at := w.random.IntN(len(w.doors))
	switch die := w.random.IntN(100); {
	case die < 55:
		w.comment(ctx, w.doors[at])
	case die < 75:
		w.publish(ctx, w.service[at])
	case die < 90:
		w.like(ctx, w.doors[at])
	case die < 95:
		w.typing(ctx, w.doors[at])
	default:
		w.remove(ctx, w.doors[at])
	}
}

func (w *writer) post() string { return w.cast.posts[w.random.IntN(len(w.cast.posts))] }

func (w *writer) comment(ctx context.Context, door *client.Client) {
	n := w.ledger.begin()
	made, err := door.CreateComment(ctx, w.post(), client.NewComment{Body: body(n)})
	w.ledger.answered(w.fate(err), n)
	if err == nil && len(w.own) < 100 {
		w.own = append(w.own, made.ID)
	}
}

func (w *writer) publish(ctx context.Context, door *client.Client) {
	topics := w.cast.topics()
	topic := topics[w.random.IntN(len(topics))]
	n := w.ledger.begin()
	err := door.Publish(ctx, topic, nameNote, note{n, topic})
	w.ledger.answered(w.fate(err), n)
}

// like and the others below are in no ledger: what they cause is compared with the
// log, and with the counts and the tables at the end.
func (w *writer) like(ctx context.Context, door *client.Client) {
	act, liked := door.LikePost, true
	if w.random.IntN(2) == 0 {
		act, liked = door.UnlikePost, false
	}
	post := w.post()
	_, err := act(ctx, post)
	w.claims.like(post, liked, w.fate(err))
}

func (w *writer) typing(ctx context.Context, door *client.Client) {
	w.note(door.Typing(ctx, w.post()))
}

func (w *writer) remove(ctx context.Context, door *client.Client) {
	if len(w.own) == 0 {
		return
	}
	last := len(w.own) - 1
	err := door.DeleteComment(ctx, w.own[last])
	w.claims.remove(w.own[last], w.fate(err))
	w.own = w.own[:last]
}

func (w *writer) note(err error) {
	if err != nil {
		w.live.problem(err)
	}
}

// fate reads an answer: a refusal that says so is one, whatever else is not success
// may have happened.
func (w *writer) fate(err error) fate {
	w.note(err)
	return fateOf(err)
}

func fateOf(err error) fate {
	var p *client.Problem
	switch {
	case err == nil:
		return acknowledged
	case errors.As(err, &p) && p.Status >= 400 && p.Status < 500 && p.Status != http.StatusRequestTimeout:
		return refused
	}
	return unanswered
}
