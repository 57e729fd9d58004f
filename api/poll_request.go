package api

import (
	"bytes"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/repeat"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// A pollRequest is a parsed and authorized request for a poll, without its cursor and its id.
// It does not change, and all requests that repeat it share it.
type pollRequest struct {
	topics     []stream.Topic
	posts      []stream.Topic // those of topics that are posts
	who        auth.Identity
	presence   bool // the poll gets presence events
	ticket     bool // who comes from a ticket, which opens one poll only
	most       int  // events in the answer
	wait       time.Duration
	address    netip.Addr  // that limits count
	line       requestLine // without the id
	header     []byte      // lines of the answer that do not depend on its result
	user       []byte      // end of the JSON of the answer
	generation uint64      // of the server's table of requests, before the authorization
}

// newPollRequest returns the request of a context. The wait is the longest one.
func newPollRequest(c echo.Context, r reading, wait time.Duration, most int, generation uint64) *pollRequest {
	q := &pollRequest{
		topics: r.topics, posts: postsOf(r.topics), who: r.who, presence: r.presence, ticket: r.ticket != "", most: most, wait: wait,
		address: addressOf(c), line: lineOf(c), user: endOfPoll(r.who), generation: generation,
	}
	q.line.id = ""
	var lines bytes.Buffer
	_ = c.Response().Header().WriteSubset(&lines, map[string]bool{echo.HeaderXRequestID: true}) // a buffer accepts everything
	q.header = lines.Bytes()
	return q
}

// reader is the reader that a poll from a cursor counts as; the zero cursor is none.
func (q *pollRequest) reader(at stream.Cursor) awareness.Reader {
	return awareness.Reader{Posts: q.posts, User: viewerOf(q.who), Asks: q.presence, Poll: true, At: at}
}

// size is about how many bytes of memory the request takes.
func (q *pollRequest) size() int {
	size := 512 + len(q.header) + 2*len(q.user) + len(q.who.Name) + len(q.line.path)
	for _, topic := range q.topics {
		size += 64 + 2*len(topic.String())
	}
	for _, text := range append(q.who.Roles, q.who.Topics...) {
		size += 32 + len(text)
	}
	return size
}

// pollKey is the key of a repeat.Key in the context of a request: it stands for the bytes of
// the request.
type pollKey struct{}

// remember has repetitions of a request answered without net/http, if a worker has read the
// request and computed its key. It does not for one with a body, or one that is not the
// last of HTTP/1.1 that its connection may bring: its bytes do not say all of it.
func (s *Server) remember(c echo.Context, q *pollRequest) {
	r := c.Request()
	key, ok := r.Context().Value(pollKey{}).(repeat.Key)
	if !ok || q.ticket || q.line.method != http.MethodGet || r.Proto != "HTTP/1.1" || r.Close || r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return
	}
	s.polls.Add(key, q, q.size(), q.generation)
}

// ForgetRequests has the server authorize each request again, also those for polls that
// repeat an earlier one. It must be called when a change of the rights of users may have been
// missed, as after a time without the LISTEN connection.
func (s *Server) ForgetRequests() { s.polls.Forget() }
