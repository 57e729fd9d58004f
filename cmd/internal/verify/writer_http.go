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
	// mostOwn bounds the comments that a writer changes.
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
	recent       *recentComments
	moderators   []*client.Client // the same, as a moderator
}

// run writes until ctx ends, and waits for the answer to the last write.
func (w *httpWriter) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.write(context.WithoutCancel(ctx))
		w.progress.writes.Add(1)
		pause(ctx, time.Duration(w.random.Int64N(int64(2*w.pace))))
	}
}

// write makes one write: 45 % comments, 15 % events, 20 % likes and unlikes, 3 % typing
// signals, 2 % marks of notifications as read, 15 % changes of comments.
func (w *httpWriter) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	server := w.random.IntN(len(w.servers))
	switch percent := w.random.IntN(100); {
	case percent < 45:
		w.comment(ctx, w.servers[server])
	case percent < 60:
		w.publish(ctx, w.service[server])
	case percent < 72:
		w.like(ctx, server)
	case percent < 80:
		w.likeComment(ctx, w.servers[server])
	case percent < 83:
		w.typing(ctx, w.servers[server])
	case percent < 85:
		w.markRead(ctx, w.servers[server])
	default:
		w.change(ctx, server)
	}
}

func (w *httpWriter) post() string {
	return w.participants.posts[w.random.IntN(len(w.participants.posts))]
}

// comment writes a comment. A third of the comments are replies to recent ones.
func (w *httpWriter) comment(ctx context.Context, server *client.Client) {
	n := w.writes.add()
	post, in := w.post(), client.NewComment{Body: body(n)}
	if parent, ok := w.recent.any(w.random); ok && w.random.IntN(3) == 0 {
		post, in.ParentID = parent.post, &parent.id
	}
	created, err := server.CreateComment(ctx, post, in)
	w.writes.record(w.outcome(err), n)
	if err != nil {
		return
	}
	w.recent.add(post, created.ID)
	if a := w.acknowledged; len(a.comments) < mostOwn {
		a.comments = append(a.comments, &ownComment{
			id: created.ID, post: post, root: in.ParentID == nil, n: n,
			text: in.Body, status: created.Status, version: created.Version,
		})
	}
}

// change changes one of the writer's comments as its author or as a moderator. The write has no
// number: see acknowledgedState.
func (w *httpWriter) change(ctx context.Context, server int) {
	c := w.acknowledged.any(w.random)
	if c == nil {
		return
	}
	x := c.next(w.random)
	w.writes.changes(c.id, c.n)
	var after client.Comment
	var err error
	switch x.kind {
	case kindEdit:
		after, err = w.servers[server].EditComment(ctx, c.id, x.text, c.version)
	case kindStatus:
		after, err = w.moderators[server].SetStatus(ctx, c.id, x.status)
	case kindPin:
		act := w.moderators[server].UnpinComment
		if x.pin {
			act = w.moderators[server].PinComment
		}
		after, err = act(ctx, c.id)
	case kindDelete:
		if err = w.servers[server].DeleteComment(ctx, c.id); err == nil {
			after.Version = c.version + 1
		}
	}
	o := w.outcome(err)
	if o == refused && x.kind == kindEdit && c.lost != "" { // the edit without an answer may have come first
		w.observe(ctx, server, c)
		return
	}
	c.record(x, after.Version, o)
	w.progress.changed(x.kind, o)
}

// observe decides an edit without an answer, if the comment has another version by now.
func (w *httpWriter) observe(ctx context.Context, server int, c *ownComment) {
	now, err := w.moderators[server].Comment(ctx, c.id)
	if err != nil {
		w.progress.problem(err)
		return
	}
	if now.Version > c.version && now.Body == c.lost {
		c.text, c.lost, c.version = now.Body, "", now.Version
	}
}

// likeComment likes or unlikes a recent comment, which is refused if the comment is hidden.
func (w *httpWriter) likeComment(ctx context.Context, server *client.Client) {
	c, ok := w.recent.any(w.random)
	if !ok {
		return
	}
	act, liked := server.LikeComment, true
	if w.random.IntN(3) == 0 {
		act, liked = server.UnlikeComment, false
	}
	_, err := act(ctx, c.id)
	o := w.outcome(err)
	w.acknowledged.like(likeTarget{c.post, c.id}, liked, o)
	w.progress.changed(kindCommentLike, o)
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
	w.acknowledged.like(likeTarget{post: post}, liked, o)
	w.progress.changed(kindLike, o)
}

// markRead marks some or all notifications of the writer's user as read. The tables cannot judge it:
// a notification that is withdrawn meanwhile is not marked.
func (w *httpWriter) markRead(ctx context.Context, server *client.Client) {
	var err error
	if w.random.IntN(4) == 0 {
		_, err = server.MarkAllRead(ctx)
	} else {
		var list client.NotificationList
		if list, err = server.Notifications(ctx, client.NotificationOptions{Unread: true, Limit: 1 + w.random.IntN(5)}); err == nil {
			ids := make([]string, len(list.Data))
			for i, n := range list.Data {
				ids[i] = n.ID
			}
			_, err = server.MarkRead(ctx, ids...)
		}
	}
	if err != nil {
		w.progress.problem(err)
	}
}

// typing sends a typing signal, which may be lost.
func (w *httpWriter) typing(ctx context.Context, server *client.Client) {
	if err := server.Typing(ctx, w.post()); err != nil {
		w.progress.problem(err)
	}
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
