package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/internal/takeover"
	"github.com/tidings-live/tidings/stream"
)

// Timeouts and sizes of requests. There is no timeout of whole responses, because a
// stream is one.
const (
	readHeaderTimeout = 10 * time.Second  // from the first byte to the end of a header
	readTimeout       = 30 * time.Second  // the same to the end of the body
	idleTimeout       = 120 * time.Second // between two requests
	maxHeaderBytes    = 16 << 10
)

// Timeouts and sizes of HTTP/2 connections (RFC 9113).
const (
	pingAfter    = 15 * time.Second // without a frame of the peer, a PING is sent
	pingTimeout  = 15 * time.Second // without its answer, the connection is closed
	byteTimeout  = 30 * time.Second // without a byte taken by the peer, it is closed
	maxH2Streams = 250              // concurrent streams of one connection
)

const (
	// sendBuffer is the size of the kernel's send buffer of a connection. The default
	// grows to about 4 MB for a reader that does not read.
	sendBuffer = 64 << 10
	// userTimeout is how long sent bytes may stay unacknowledged until the kernel closes
	// the connection. Without it, a dead peer is found after 15 minutes, because
	// heartbeats defeat TCP keep-alive.
	userTimeout = 15 * time.Second
)

// keepAlive finds a peer that vanishes while its connection is quiet, after 20 s: the first
// probe is sent after 15 s, and userTimeout has passed at the second one. Bytes that are sent
// until then are given up userTimeout later, so each dead peer is found within 35 s.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// newHTTPServer makes the http.Server that s owns. It speaks HTTP/1.1 and HTTP/2: over
// TLS by ALPN, without TLS by prior knowledge.
func (s *Server) newHTTPServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxH2Streams,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     byteTimeout,
		},
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(errorLog{s.logger}, "", 0),
		ConnContext:       s.accepted,
	}
}

// Serve answers the requests of a listener until [Server.Shutdown] is called; then it
// returns nil. Another error means that the listener failed. If config is not nil, the
// connections speak TLS.
//
// The listener should accept plain TCP connections. Then HTTP/1.1 readers are taken over
// from net/http and cost no goroutine, with and without TLS. Connections of another type,
// such as those of [tls.NewListener], are served too, by a goroutine for each reader;
// Serve logs a warning about them. Serve must be called only once.
func (s *Server) Serve(l net.Listener, config *tls.Config) error {
	if config != nil {
		l = tls.NewListener(stream.Gate(l), config)
	}
	var returning sync.WaitGroup
	returning.Go(func() {
		if err := s.http.Serve(s.returned); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.logger.LogAttrs(context.Background(), slog.LevelError, "connections cannot be returned", slog.Any("err", err))
		}
	})
	defer returning.Wait()
	defer s.returned.Close()
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// Shutdown closes the listener and waits until all requests have ended. When ctx ends
// first, it closes the remaining connections and returns an error. End the streams
// before, with [stream.Hub.Drain]: a stream over HTTP/2 is a request that does not end.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, conn := range s.conns.Kept() {
		endRequests(conn)
	}
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests did not end in time: %w", err), s.http.Close())
	}
	return nil
}

// connState is the ConnState hook.
func (s *Server) connState(conn net.Conn, state http.ConnState) {
	s.returned.ConnState(conn, state)
	if over, why := s.conns.Note(conn, state); over != nil {
		s.requests.Refused(why)
		endRequests(over)
	}
	if state == http.StateIdle {
		if err := clearDeadline(conn); err != nil {
			s.logger.LogAttrs(context.Background(), slog.LevelDebug, "connection kept its deadline", slog.Any("err", err))
		}
	}
}

// endRequests has net/http close a connection when it has answered what it has received.
// The connection may be in use meanwhile, and Close of a TLS connection may block, so only
// the receiving half of the socket is closed.
func endRequests(conn net.Conn) {
	if tcp, ok := stream.TCP(takeover.Original(conn)); ok {
		_ = tcp.CloseRead() // fails if the connection is closed already
	}
}

// accepted is the ConnContext hook: it tunes a connection and notes it for takeOver.
func (s *Server) accepted(ctx context.Context, conn net.Conn) context.Context {
	if err := tune(conn); err != nil {
		s.logger.LogAttrs(ctx, slog.LevelDebug, "connection not tuned", slog.Any("err", err))
	}
	if !stream.CanTakeOver(takeover.Original(conn)) {
		s.warnOnce.Do(func() {
			s.logger.LogAttrs(ctx, slog.LevelWarn, "each reader costs a goroutine: connections of this type cannot be taken over",
				slog.String("type", fmt.Sprintf("%T", conn)))
		})
	}
	return takeover.WithConn(ctx, conn)
}

// takeOver takes the connection of a request from net/http: see [takeover.Take]. The
// mark Committed stops Echo from writing a response of its own afterwards.
func takeOver(c echo.Context) (conn net.Conn, reusable bool, err error) {
	conn, reusable, err = takeover.Take(c.Response().Writer, c.Request())
	if conn != nil {
		c.Response().Committed = true
	}
	return conn, reusable, err
}

// notTakenOver closes a connection that was taken from net/http and that the hub has not
// accepted. Its client gets no answer, so the error is logged, unless the hub stops.
func (s *Server) notTakenOver(c echo.Context, conn net.Conn, err error) error {
	s.logFailure(err, lineOf(c))
	_ = conn.Close() // no more can be done for the client
	return nil
}

// tune sets the options of an accepted connection, which does not inherit those of the
// listener. It ignores connections that are not TCP.
func tune(conn net.Conn) error {
	tcp, ok := stream.TCP(conn)
	if !ok {
		return nil
	}
	if err := tcp.SetWriteBuffer(sendBuffer); err != nil {
		return err
	}
	if err := tcp.SetKeepAliveConfig(keepAlive); err != nil {
		return err
	}
	return setUserTimeout(tcp, userTimeout)
}

// An errorLog receives the messages of net/http. Most are about single clients, so they
// are logged at debug. A failed Accept concerns all clients (no file descriptors are
// left), so it is logged as a warning.
type errorLog struct{ logger *slog.Logger }

// Write implements [io.Writer].
func (e errorLog) Write(line []byte) (int, error) {
	level, text := slog.LevelDebug, strings.TrimSpace(string(line))
	if strings.HasPrefix(text, "http: Accept error") {
		level = slog.LevelWarn
	}
	e.logger.Log(context.Background(), level, text)
	return len(line), nil
}
