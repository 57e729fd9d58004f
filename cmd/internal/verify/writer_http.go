package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

const (
	// answerLimit is how long a writer waits for an answer. After that the write may
	// or may not have happened.
	answerLimit = 10 * time.Second
	// mostOwn bounds the comments that a writer remembers, to delete them.
	mostOwn = 100
)

// An httpWriter writes over HTTP, each time to a random server.
type httpWriter struct {
	participants participants
	writes       *writeLog
	servers      []*client.Client // as a user
	service      []*client.Client // the same, as the site's backend
	random       *rand.Rand
	pace         time.Duration // average pause between writes
	progress     *progress
	acknowledged *acknowledgedState
	likePosts    *likePosts

	own []ownComment // comments that it wrote and has not deleted
}

// An ownComment is a comment of a writer.
type ownComment struct {
	id string
	n  int64 // number of the write
}

// run writes until ctx ends, and waits for the answer to the last write.
func (w *httpWriter) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.write(context.WithoutCancel(ctx))
		w.progress.writes.Add(1)
		pause(ctx, time.Duration(w.random.Int64N(int64(2*w.pace))))
	}
}

// write makes one write: 55 % comments, 20 % events, 15 % likes and unlikes, 5 % typing
// signals, 5 % deletes.
func (w *httpWriter) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	server := w.random.IntN(len(w.servers))
	switch percent := w.random.IntN(100); {
	case percent < 55:
		w.comment(ctx, w.servers[server])
	case percent < 75:
		w.publish(ctx, w.service[server])
	case percent < 90:
		w.like(ctx, server)
	case percent < 95:
		w.typing(ctx, w.servers[server])
	default:
		w.remove(ctx, w.servers[server])
	}
}

func (w *httpWriter) post() string {
	return w.participants.posts[w.random.IntN(len(w.participants.posts))]
}

func (w *httpWriter) comment(ctx context.Context, server *client.Client) {
	n := w.writes.add()
	created, err := server.CreateComment(ctx, w.post(), client.NewComment{Body: body(n)})
	w.writes.record(w.outcome(err), n)
	if err == nil && len(w.own) < mostOwn {
		w.own = append(w.own, ownComment{created.ID, n})
	}
}

func (w *httpWriter) publish(ctx context.Context, server *client.Client) {
	topics := w.participants.topics()
	topic := topics[w.random.IntN(len(topics))]
	n := w.writes.add()
	err := server.Publish(ctx, topic, nameNote, note{n, topic})
	w.writes.record(w.outcome(err), n)
}

// like likes or unlikes a post: one that is read or, in half of the calls, one of
// likePosts. The write has no number: see acknowledgedState.
func (w *httpWriter) like(ctx context.Context, server int) {
	act, liked := w.servers[server].LikePost, true
	if w.random.IntN(2) == 0 {
		act, liked = w.servers[server].UnlikePost, false
	}
	post, fresh := w.post(), false
	if w.random.IntN(2) == 0 {
		post, fresh = w.likePosts.next()
	}
	if fresh {
		author := w.participants.author(w.random.IntN(len(w.participants.posts)))
		if _, err := w.service[server].PutPost(ctx, post, client.PostInput{AuthorID: client.Value(author)}); err != nil {
			w.progress.problem(err) // if the server does not know the post, it refuses the likes
		}
	}
	_, err := act(ctx, post)
	o := w.outcome(err)
	w.acknowledged.like(post, liked, o)
	if o == acknowledged {
		w.progress.likes.Add(1)
	}
}

// typing sends a typing signal, which may be lost.
func (w *httpWriter) typing(ctx context.Context, server *client.Client) {
	if err := server.Typing(ctx, w.post()); err != nil {
		w.progress.problem(err)
	}
}

// remove deletes the last comment of the writer. The write has no number: see
// acknowledgedState.
func (w *httpWriter) remove(ctx context.Context, server *client.Client) {
	if len(w.own) == 0 {
		return
	}
	last := w.own[len(w.own)-1]
	w.own = w.own[:len(w.own)-1]
	w.writes.removes(last.id, last.n)
	err := server.DeleteComment(ctx, last.id)
	w.acknowledged.remove(last.id, w.outcome(err))
}

// outcome returns what an answer says about the write, and counts an error as a
// problem.
func (w *httpWriter) outcome(err error) outcome {
	if err != nil {
		w.progress.problem(err)
	}
	return httpOutcome(err)
}

// httpOutcome is refused for a status of 400 to 499. Any other error, such as 408, 503
// or a broken connection, leaves open whether the write happened.
func httpOutcome(err error) outcome {
	var p *client.Problem
	switch {
	case err == nil:
		return acknowledged
	case errors.As(err, &p) && p.Status >= 400 && p.Status < 500 && p.Status != http.StatusRequestTimeout:
		return refused
	}
	return unanswered
}
