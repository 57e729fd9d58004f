package api

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidings-live/tidings/stream"
)

const (
	readHeaderTimeout = 10 * time.Second // RFC 9112 knows no limit; slow headers hold a connection
	readTimeout       = 30 * time.Second // and so do bodies. Over once a request is read: streams go on
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 16 << 10

	// A silent HTTP/2 peer is asked after pingAfter whether it is there, and dropped
	// after pingTimeout more; one that takes no bytes is dropped after byteTimeout.
	pingAfter     = 15 * time.Second
	pingTimeout   = 15 * time.Second
	byteTimeout   = 30 * time.Second
	streamsOfConn = 250

	// sendBuffer bounds what the kernel holds for a reader that doesn't read: by
	// default it would be some 4 MiB.
	sendBuffer = 64 << 10
	// userTimeout is how long a peer may leave our bytes unacknowledged. Heartbeats
	// keep a dead peer alive for a quarter of an hour without it.
	userTimeout = 30 * time.Second
)

// NewHTTPServer makes the server that streams need: no deadline on whole responses,
// and each accepted connection set so that a dead or slow peer is found. It speaks
// HTTP/1.1, and HTTP/2 after ALPN, if its listener does TLS, or by prior knowledge.
func NewHTTPServer(handler http.Handler, logger *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streamsOfConn,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     byteTimeout,
		},
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(complaints{logger}, "", 0),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if err := tune(conn); err != nil {
				logger.LogAttrs(ctx, slog.LevelDebug, "connection not tuned", slog.Any("err", err))
			}
			return withConn(ctx, conn)
		},
	}
}

// complaints are what net/http has to say: of single clients, and nobody's business, but
// for connections that it cannot accept, because there are no descriptors left.
type complaints struct{ logger *slog.Logger }

func (c complaints) Write(line []byte) (int, error) {
	level, text := slog.LevelDebug, strings.TrimSpace(string(line))
	if strings.HasPrefix(text, "http: Accept error") {
		level = slog.LevelWarn
	}
	c.logger.Log(context.Background(), level, text)
	return len(line), nil
}

// Serve answers the requests that come in over a listener, until the HTTP server is shut
// down or closed; then it returns http.ErrServerClosed. Connections that were taken over
// come back to it when they are free again.
func (s *Server) Serve(server *http.Server, l net.Listener) error {
	server.ConnState, s.returns.server = s.returns.follow, server
	var returning sync.WaitGroup
	returning.Go(func() {
		if err := server.Serve(s.returns); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.logger.LogAttrs(context.Background(), slog.LevelError, "connections do not come back", slog.Any("err", err))
		}
	})
	defer returning.Wait()
	defer s.returns.Close()
	return server.Serve(l)
}

// tune sets one accepted connection: the listener's settings are not inherited.
func tune(conn net.Conn) error {
	tcp, ok := stream.TCP(conn)
	if !ok {
		return nil
	}
	if err := tcp.SetWriteBuffer(sendBuffer); err != nil {
		return err
	}
	return setUserTimeout(tcp, userTimeout)
}
