package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api"
	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/markdown"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// An instance has the settings of one server. serve and dev make it from their flags.
type instance struct {
	databaseFlags
	serverFlags
	addr   string
	secret string
	demo   *api.Demo
	// localOnly refuses requests for other hosts than localhost, 127.0.0.1 and [::1].
	localOnly bool
	logger    *slog.Logger
	// prepare is called until it succeeds, before anything reads the database. Meanwhile
	// the server is alive and not ready. Optional.
	prepare func(ctx context.Context) error
	// listening is called with the address when requests are answered. Optional.
	listening func(addr net.Addr)
	// tick is the hub's time between two reads of the log without a notification. Zero
	// is the hub's default. Tests set it.
	tick time.Duration
}

// parts are the parts of a running instance.
type parts struct {
	store    *store.Store
	hub      *stream.Hub
	typing   *awareness.Typing   // nil: switched off
	presence *awareness.Presence // nil: switched off
	listener *store.Listener
	api      *api.Server
	secured  *tls.Config // nil: connections are not encrypted
}

// build makes the parts and connects them to each other. It starts no goroutine and
// does not connect to the database. The caller closes the store.
func (i instance) build(ctx context.Context) (*parts, error) {
	publicKey, err := i.publicKey()
	if err != nil {
		return nil, err
	}
	verifier, err := auth.NewVerifier(auth.Config{
		Secret: i.secret, PublicKey: publicKey, Issuer: i.JWTIssuer, Audience: i.JWTAudience, Leeway: i.Leeway,
	})
	if err != nil {
		return nil, err
	}
	editWindow, err := parseEditWindow(i.EditWindow)
	if err != nil {
		return nil, err
	}
	certificate, secured, err := i.certificate()
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Config{
		URL: i.DatabaseURL, ListenURL: i.ListenURL, AutoPosts: i.AutoPosts, GroupCommit: i.GroupCommit != off,
		HTML: markdown.New(markdown.Options{Images: i.MarkdownImages}).HTML, Logger: i.logger,
	})
	if err != nil {
		return nil, err
	}
	hub := stream.NewHub(db, stream.HubConfig{RingEvents: i.RingEvents, RingBytes: i.RingBytes, Tick: i.tick, Logger: i.logger})
	p := &parts{store: db, hub: hub, secured: secured}
	listening := store.ListenerConfig{Wake: hub.Wake, Event: hub.Broadcast}
	if i.Typing != off {
		p.typing = awareness.NewTyping(hub)
		listening.Signal = func(s store.Signal) { receive(p.typing, s) }
	}
	if i.Presence != off {
		p.presence = awareness.NewPresence(awareness.PresenceConfig{Out: hub, Board: db, Logger: i.logger})
		listening.Lease, listening.Presence = p.presence.Lease, p.presence.Ring
	}
	listening.Connected = func() { p.api.ForgetRequests() }
	p.listener = db.NewListener(listening)
	p.api, err = api.New(api.Config{
		Store: db, Hub: hub, Typing: p.typing, Presence: p.presence, Listener: p.listener, Verifier: verifier,
		AllowedOrigins: i.AllowedOrigins, PublicURL: i.PublicURL, LocalOnly: i.localOnly, PublicKinds: i.PublicKinds,
		Heartbeat: i.Heartbeat, MaxAge: i.MaxAge, EditWindow: editWindow, HTMLVersion: fmt.Sprint(markdown.Version, i.MarkdownImages), Demo: i.demo, Certificate: certificate, Limits: i.limits(), Build: buildVersion(), Logger: i.logger,
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return p, nil
}

// receive applies a signal of any instance to the typing state of this one.
func receive(typing *awareness.Typing, s store.Signal) {
	if s.Stop {
		typing.Stop(s.Topic, s.User.ID)
		return
	}
	typing.Signal(s.Topic, s.User)
}

// run serves until ctx ends or a part fails. Then it stops the parts in this order:
//
//  1. /readyz answers 503, so that no new readers come.
//  2. The hub ends all streams and waiting polls.
//  3. Requests end, at most after the drain time.
//  4. The goroutines of all parts end. Nothing uses them any more.
//  5. The pool closes its connections.
//
// It returns nil if ctx ended and all requests ended within the drain time.
func run(ctx context.Context, i instance) error {
	p, err := i.build(ctx)
	if err != nil {
		return err
	}
	defer p.store.Close()
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", i.addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}

	// The goroutines do not end with ctx, but with stop below.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return p.store.Run(running) })
	if p.typing != nil {
		group.Go(func() error { return p.typing.Run(running) })
	}
	if p.presence != nil {
		group.Go(func() error { return p.presence.Run(running) })
	}
	group.Go(func() error { return p.api.Serve(socket, p.secured) })
	group.Go(func() error {
		if err := i.prepareWaiting(running); err != nil || running.Err() != nil {
			return err
		}
		group.Go(func() error { return p.store.Retain(running, i.retention()) })
		group.Go(func() error { return p.hub.Run(running) })
		group.Go(func() error { return p.listener.Run(running) })
		return nil
	})
	i.logger.InfoContext(ctx, "listening", "addr", socket.Addr().String())
	if i.listening != nil {
		i.listening(socket.Addr())
	}

	select {
	case <-ctx.Done():
		i.logger.InfoContext(ctx, "stopping", "drain", i.Drain)
	case <-running.Done(): // a part failed
	}
	p.api.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.Drain)
	defer cancel()
	p.hub.Drain(drain, i.Drain/2) // before Shutdown, which waits for streams over HTTP/2
	err = p.api.Shutdown(drain)
	stop()
	return errors.Join(group.Wait(), err)
}

// prepareEvery is the time between two attempts to prepare the database.
const prepareEvery = time.Second

// prepareWaiting calls prepare until it succeeds or ctx ends; then it returns nil. It tries
// again while the database cannot be reached, takes no writes or is not migrated, and logs
// the first failure of each kind. Another error ends it.
func (i instance) prepareWaiting(ctx context.Context) error {
	if i.prepare == nil {
		return nil
	}
	logged := ""
	for {
		err := i.prepare(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if !store.IsPassing(err) && !errors.Is(err, migrations.ErrNotMigrated) {
			return err
		}
		if text := err.Error(); text != logged {
			logged = text
			i.logger.WarnContext(ctx, "waiting for the database", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(prepareEvery):
		}
	}
}

// certificate returns the key pair of --tls-cert and --tls-key and its configuration; nil if
// they are not set.
func (i instance) certificate() (*api.Certificate, *tls.Config, error) {
	if i.TLSCert == "" {
		return nil, nil, nil
	}
	certificate, err := api.LoadCertificate(i.TLSCert, i.TLSKey, i.logger)
	if err != nil {
		return nil, nil, err
	}
	return certificate, certificate.TLSConfig(), nil
}
