package api

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"runtime/pprof"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/auth/authtest"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/api/markdown"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// secret signs the tokens of tests.
var secret = authtest.Secret

// page is the origin that a rig allows.
const page = "https://app.example"

// A rig is a whole instance with a database of its own, wired as cmd does it.
type rig struct {
	*Server
	addr    string
	scheme  string
	sql     *pgxpool.Pool // as another program that uses the database
	client  *http.Client
	db      *store.Store
	logs    *logs
	busy    atomic.Int64 // requests that are being answered by handlers
	handled atomic.Int64 // requests that handlers have begun to answer
}

// A setup has the parts of a rig that a test may change before the rig starts.
type setup struct {
	url    string // of the database
	scheme string
	client *http.Transport
	api    Config
	hub    stream.HubConfig
	store  store.Config
	tokens auth.Config
	before func(s *Server) // the first request
	http   func(s *http.Server)
	tls    *tls.Config // passed to Serve
	below  *tls.Config // of a TLS listener that is passed to Serve

	inGoroutines bool // connections are not taken over
	repeated     bool // polls repeat a request that the server knows; on Linux
}

func newRig(t testing.TB, edits ...func(*setup)) *rig {
	t.Helper()
	set := setup{
		api:    Config{AllowedOrigins: []string{page}, PublicKinds: []string{"room"}},
		store:  store.Config{AutoPosts: true, HTML: markdown.New(markdown.Options{}).HTML},
		tokens: auth.Config{Secret: secret},
		before: func(*Server) {},
		http:   func(*http.Server) {},
	}
	for _, edit := range edits {
		edit(&set)
	}
	if set.api.Limits.Writes == (WriteRates{}) { // the default is for people
		most := limit.Rate{PerSecond: 1e6, Burst: 1e6}
		set.api.Limits.Writes = WriteRates{Comments: most, Likes: most, Tickets: most}
	}
	r := &rig{scheme: "http", logs: &logs{}, client: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
	t.Cleanup(r.client.CloseIdleConnections)
	if set.url == "" {
		r.sql, set.url = storetest.Pool(t)
	} else {
		r.sql = client(t, set.url)
	}
	r.build(t, set)
	if set.scheme != "" {
		r.scheme = set.scheme
	}
	if set.client != nil {
		r.client.Transport = set.client
	}
	if set.repeated {
		r.client.Transport = r.repeating(t, r.client.Transport)
	}
	r.serve(t, set)
	streamtest.Eventually(t, "ready", func() bool { return r.do(t, "GET", "/readyz").status == http.StatusOK })
	return r
}

// inEveryWay runs a test twice: with connections that are taken over, and with a goroutine
// for each reader, as on systems where connections cannot be taken over.
func inEveryWay(t *testing.T, test func(t *testing.T, way func(*setup))) {
	t.Run("TakenOver", func(t *testing.T) {
		t.Parallel()
		test(t, func(*setup) {})
	})
	t.Run("InGoroutines", func(t *testing.T) {
		t.Parallel()
		test(t, func(s *setup) { s.inGoroutines = true })
	})
}

// client returns the pool of another program that uses a database.
func client(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	streamtest.Must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// unconnected returns a configuration whose parts are not running.
func unconnected(t testing.TB) Config {
	t.Helper()
	verifier, err := auth.NewVerifier(auth.Config{Secret: secret})
	streamtest.Must(t, err)
	hub := stream.NewHub(nil, stream.HubConfig{})
	return Config{Store: &store.Store{}, Hub: hub, Listener: &store.Listener{}, Verifier: verifier}
}

// build wires the parts together and runs those that run.
func (r *rig) build(t testing.TB, set setup) {
	t.Helper()
	set.store.URL = set.url + "&pool_max_conns=2" // a new backend costs 50 ms of CPU
	db, err := store.Open(t.Context(), set.store)
	streamtest.Must(t, err)
	t.Cleanup(db.Close)
	hub := stream.NewHub(db, set.hub)
	typing := awareness.NewTyping(hub)
	presence := awareness.NewPresence(awareness.PresenceConfig{Out: hub, Board: db, Logger: r.logs.logger()})
	listener := db.NewListener(store.ListenerConfig{
		Wake: hub.Wake, Connected: func() { r.ForgetRequests() }, Event: hub.Broadcast, Signal: func(s store.Signal) { receive(typing, s) },
		Lease: presence.Lease, Presence: presence.Ring,
	})
	verifier, err := auth.NewVerifier(set.tokens)
	streamtest.Must(t, err)

	r.db = db
	set.api.Store, set.api.Hub, set.api.Listener, set.api.Verifier = db, hub, listener, verifier
	set.api.Typing, set.api.Presence = typing, presence
	set.api.Logger = r.logs.logger()
	r.Server, err = New(set.api)
	streamtest.Must(t, err)
	set.before(r.Server)
	run(t, db.Run)
	run(t, hub.Run)
	run(t, typing.Run)
	run(t, presence.Run)
	run(t, listener.Run)
}

// serve answers requests until the test ends. It reports requests that do not end.
func (r *rig) serve(t testing.TB, set setup) {
	t.Helper()
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	streamtest.Must(t, err)
	r.addr = socket.Addr().String()
	if set.below != nil {
		socket = tls.NewListener(socket, set.below)
	}
	srv := r.Server.http
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.handled.Add(1)
		r.busy.Add(1)
		defer r.busy.Add(-1)
		pprof.Do(req.Context(), pprof.Labels("rig", r.addr), func(context.Context) { r.ServeHTTP(w, req) })
	})
	if set.inGoroutines {
		srv.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
			streamtest.Must(t, tune(conn))
			return ctx // without the connection, so that handlers cannot take it over
		}
	}
	set.http(srv)
	served := make(chan error, 1)
	go func() { served <- r.Serve(socket, set.tls) }()
	t.Cleanup(func() {
		r.hub.Close()
		ctx, cancel := context.WithTimeout(context.Background(), streamtest.Patience)
		defer cancel()
		if err := errors.Join(r.Shutdown(ctx), <-served); err != nil {
			t.Error(err)
		}
	})
}

// receive applies a signal to the typing state, as cmd does.
func receive(typing *awareness.Typing, s store.Signal) {
	if s.Stop {
		typing.Stop(s.Topic, s.User.ID)
		return
	}
	typing.Signal(s.Topic, s.User)
}

// run calls a function in a goroutine until the test ends, and reports its error.
func run(t testing.TB, what func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := what(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// publish puts an event into the log, as SQL does.
func (r *rig) publish(t testing.TB, topic, name, data string) {
	t.Helper()
	_, err := r.sql.Exec(t.Context(), `select tidings.publish($1, $2, $3)`, topic, name, data)
	streamtest.Must(t, err)
}

// exec runs SQL.
func (r *rig) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := r.sql.Exec(t.Context(), sql, args...)
	streamtest.Must(t, err)
}

// head is the cursor of the log's end, once the hub has read up to it.
func (r *rig) head(t testing.TB) string {
	t.Helper()
	batch, err := r.db.Read(t.Context(), stream.Query{Limit: 1})
	streamtest.Must(t, err)
	head := batch.State.HeadCursor()
	streamtest.Eventually(t, "the hub reads "+head.String(), func() bool { return r.hub.Head() == head })
	return head.String()
}

// idle waits until nothing is answered and nobody reads.
func (r *rig) idle(t *testing.T) {
	t.Helper()
	streamtest.Eventually(t, "no request left", func() bool { return r.busy.Load() == 0 })
	r.reading(t, 0)
	r.waiting(t, 0)
}

// reading waits until so many streams are open.
func (r *rig) reading(t *testing.T, n int64) {
	t.Helper()
	streamtest.Eventually(t, "streams are open", func() bool { return r.hub.Stats().Readers[stream.SSE] == n })
}

// waiting waits until so many polls wait.
func (r *rig) waiting(t *testing.T, n int64) {
	t.Helper()
	streamtest.Eventually(t, "polls wait", func() bool { return r.hub.Stats().Readers[stream.Poll] == n })
}
