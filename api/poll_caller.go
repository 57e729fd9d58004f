package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/api/internal/repeat"
	"github.com/tidings-live/tidings/stream"
)

// A pollCaller answers a poll. If the connection was taken over, it also begins the polls
// that follow over the same connection and repeat a known request. It implements
// [stream.PollCaller].
type pollCaller struct {
	server  *Server
	request *pollRequest
	id      string // X-Request-Id; "": the answer gets a new one
	admission

	writer *pollWriter // nil if the connection was taken over
	conn   net.Conn    // that was taken over
	peer   netip.Addr  // at the other end of conn
	kept   *limit.Kept // nil: the connection waits for no request
	key    *repeat.Key // of the bytes that are returned with conn; nil: none
}

// Body implements [stream.PollCaller].
func (p *pollCaller) Body(result stream.PollResult) *stream.PollBody {
	body, next := eventsBody(result)
	return &stream.PollBody{Bytes: body, Cursor: next}
}

// Answer implements [stream.PollCaller]. A server that stops answers with no events, and the
// client goes on at another server.
func (p *pollCaller) Answer(b []byte, result stream.PollResult, body *stream.PollBody) (rest []byte, place int) {
	switch {
	case errors.Is(result.Err, stream.ErrClosed):
		whole, next := eventsBody(stream.PollResult{Cursor: result.Cursor, More: result.More})
		whole = append(whole, p.request.user...)
		p.answered(next)
		return append(p.begin(b, next, len(whole), false), whole...), 0
	case result.Err != nil:
		return p.problem(b, result.Err), 0
	}
	p.answered(body.Cursor)
	b = p.begin(b, body.Cursor, len(body.Bytes)+len(p.request.user), result.Keep)
	return append(b, p.request.user...), len(b)
}

// begin counts an answer with events, and appends its head. The body has size bytes.
func (p *pollCaller) begin(b []byte, next stream.Cursor, size int, keep bool) []byte {
	if p.writer != nil {
		p.writer.answer = reply{status: http.StatusOK, header: http.Header{
			echo.HeaderContentType: {echo.MIMEApplicationJSON}, echo.HeaderCacheControl: {"no-store"}, nextCursor: {next.String()},
		}}
		if !keep {
			p.writer.answer.header.Set("Connection", "close")
		}
		return b
	}
	p.server.requests.Answered(pollPath, p.request.line.method, http.StatusOK, false)
	b = appendStatus(b, p.request.line.minor, http.StatusOK)
	b = append(b, "Cache-Control: no-store\r\nContent-Type: application/json\r\nNext-Cursor: "...)
	b = next.Append(b)
	b = append(b, "\r\n"...)
	return p.end(b, size, keep)
}

// problem counts the answer to an error, and appends it. If the server is to blame, it logs
// the error.
func (p *pollCaller) problem(b []byte, err error) []byte {
	line := p.request.line
	line.id = p.requestID()
	p.server.logFailure(err, line)
	var gap *stream.GapError
	left := errors.Is(err, context.Canceled)
	switch {
	case errors.As(err, &gap):
		p.answered(gap.Resumed)
	case !left: // the client repeats the poll
		p.answered(p.start)
	}
	answer := problemReply(err, line)
	if p.writer != nil {
		p.writer.answer = answer
		if left {
			p.writer.left = err
		}
		return append(b, answer.body...)
	}
	p.server.requests.Answered(pollPath, line.method, answer.status, left)
	b = appendStatus(b, line.minor, answer.status)
	var header bytes.Buffer
	_ = answer.header.Write(&header) // a buffer accepts everything
	b = append(b, header.Bytes()...)
	return append(p.end(b, len(answer.body), false), answer.body...)
}

// appendStatus appends the status line of HTTP/1 (RFC 9112 section 4).
func appendStatus(b []byte, minor, status int) []byte {
	b = append(b, "HTTP/1."...)
	b = strconv.AppendInt(b, int64(min(1, minor)), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	return append(b, "\r\n"...)
}

// end appends the fields that every answer has, and the empty line.
func (p *pollCaller) end(b []byte, size int, keep bool) []byte {
	b = append(b, p.request.header...)
	if !keep {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(size), 10)
	b = append(b, "\r\nDate: "...)
	b = append(b, p.server.date.text(time.Now())...)
	b = append(b, "\r\nX-Request-Id: "...)
	b = append(b, p.requestID()...)
	return append(b, "\r\n\r\n"...)
}

func (p *pollCaller) requestID() string {
	if p.id == "" {
		p.id = rand.Text()
	}
	return p.id
}

// Reserve implements [stream.PollCaller].
func (p *pollCaller) Reserve(size int) (release func(), ok bool) {
	held, why := p.server.answers.TryReserve(p.request.address, size)
	if why != "" {
		p.server.requests.Refused(why)
		return nil, false
	}
	return held.Close, true
}

// Ended implements [stream.PollCaller].
func (p *pollCaller) Ended(stream.End) {
	p.admission.end()
	p.admission = admission{}
}

// Idle implements [stream.PollCaller].
func (p *pollCaller) Idle() time.Duration {
	kept, over, why := p.server.conns.Keep(p.conn, p.peer)
	p.kept = kept
	if over != nil {
		p.server.requests.Refused(why)
		endRequests(over)
	}
	return p.server.http.IdleTimeout
}

// Next implements [stream.PollCaller]. Of a request that is not known, it keeps the key, so
// that the handler can have the server remember it.
func (p *pollCaller) Next(read []byte) (cfg stream.PollConfig, ok bool) {
	s := p.server
	if !s.conns.Leave(p.kept) {
		return cfg, false
	}
	p.kept = nil
	head, ok := repeat.Scan(read)
	if !ok {
		return cfg, false
	}
	key := s.polls.Key(p.peer, head)
	q, ok := s.polls.Get(key)
	if !ok {
		p.key = &key
		return cfg, false
	}
	start := stream.At(head.Cursor)
	if s.stopping.Load() || s.clock.Ended(q.who, time.Now()) || start.Behind(s.hub.Head()) > oldCursor {
		return cfg, false
	}
	slot, why := s.limits.Take(q.address, q.who.Subject)
	if why != "" {
		return cfg, false
	}
	p.request, p.id = q, ""
	p.admission = admission{slot: slot, visit: s.attend(q.reader(head.Cursor)), start: head.Cursor}
	cfg = s.pollConfig(q, start)
	cfg.Caller = p
	return cfg, true
}

// Return implements [stream.PollCaller]. It gives the connection to the http.Server.
func (p *pollCaller) Return(conn net.Conn, read []byte) {
	p.Ended("")
	p.server.conns.Leave(p.kept)
	var note any
	if p.key != nil {
		note = *p.key
	}
	p.server.returned.Return(conn, bytes.Clone(read), note)
}

// peerOf returns the IP address at the other end of a TCP connection.
func peerOf(conn net.Conn) netip.Addr {
	tcp, _ := conn.RemoteAddr().(*net.TCPAddr)
	return tcp.AddrPort().Addr()
}

// A pollWriter writes the answer of a poll in the goroutine of its request.
type pollWriter struct {
	server *Server
	c      echo.Context
	held   *limit.Reservation // of the answer; nil: to be reserved
	answer reply              // without its body
	left   error              // the client left before the answer
}

// write writes the answer with its body. Without reserved memory it reserves what the answer
// needs: if there is no room, the answer is the problem unavailable.
func (w *pollWriter) write(body []byte) error {
	answer := w.answer
	answer.body = body
	if w.held != nil {
		w.held.Shrink(len(body))
	} else if held, err := w.server.reserve(w.c, len(body)); err != nil {
		answer = problemReply(err, lineOf(w.c))
	} else {
		w.held = held
	}
	answer.writeHead(w.c.Response())
	_, err := w.c.Response().Write(answer.body)
	return err
}

// close returns the reserved memory.
func (w *pollWriter) close() {
	if w.held != nil {
		w.held.Close()
	}
}
