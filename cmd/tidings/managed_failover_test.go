package main

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A provider's address of a cluster leads to the primary. After a failover the address
// leads to the standby that was promoted.
type clusterAddress struct {
	*tcpproxy.Proxy
	primary atomic.Pointer[localpg.Server]
}

// addressOf returns the address of a primary.
func addressOf(t *testing.T, primary *localpg.Server) *clusterAddress {
	t.Helper()
	a := &clusterAddress{}
	a.primary.Store(primary)
	p, err := tcpproxy.Listen(func(ctx context.Context) (net.Conn, error) {
		cfg, err := pgx.ParseConfig(a.primary.Load().DSN("postgres"))
		if err != nil {
			return nil, err
		}
		network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	})
	streamtest.Must(t, err)
	t.Cleanup(func() { streamtest.Must(t, p.Close()) })
	a.Proxy = p
	return a
}

// DSN is the address of a database, for the superuser.
func (a *clusterAddress) DSN(database string) string {
	return "postgres://tidings@" + a.Addr() + "/" + database + "?sslmode=disable"
}

// fail crashes the primary, and promotes the standby in its place.
func (a *clusterAddress) fail(t *testing.T, standby *storetest.Replica) {
	t.Helper()
	streamtest.Must(t, a.primary.Load().Crash(t.Context()))
	standby.Promote(t)
	a.primary.Store(standby.Server)
	a.Cut()
}

// A failover to a synchronous standby loses nothing, and no reader or writer notices more
// than a pause. One to an asynchronous standby loses what that had not received, and each
// reader of it gets a gap.
func TestHosted_Failover(t *testing.T) {
	t.Parallel()
	first := privateServer(t, nil)
	address := addressOf(t, first)
	h := newHosted(t, first)
	siteAt(t, first.DSN("postgres")).exec(t, `create database app`)
	h.prepare(t, address.DSN("app"))
	h.migrate(t)
	second := storetest.NewReplica(t, first)
	servers := []*server{h.start(t), h.start(t)}

	t.Run("Synchronous", func(t *testing.T) {
		h.admin.exec(t, `alter system set synchronous_standby_names = '*'`)
		h.admin.exec(t, `select pg_reload_conf()`)
		streamtest.Eventually(t, "the standby is synchronous", func() bool {
			return value[bool](t, h.admin, `select count(*) > 0 from pg_stat_replication where sync_state = 'sync'`)
		})
		l := h.load(t, servers...)
		l.awaitWritten(t, 20)
		// No value of a role makes others wait until the standby has applied its commits.
		standby := siteAt(t, second.DSN("postgres"))
		standby.exec(t, `select pg_wal_replay_pause()`)
		for _, value := range []string{"off", "local", "remote_write", "on", "remote_apply"} {
			h.write(t, `select set_config('synchronous_commit', $2, false) || tidings.publish($1, 'custom', '{}')::text`, "post:"+value, value)
			l.awaitWritten(t, 2)
		}
		standby.exec(t, `select pg_wal_replay_resume()`)
		h.programs.Reset()
		address.fail(t, second)
		l.awaitWritten(t, 20)
		l.end(t)
		h.check(t, servers...)
	})
	t.Run("Asynchronous", func(t *testing.T) {
		third := storetest.NewReplica(t, second.Server)
		post, topic := "lost", "post:lost"
		ann := servers[0].as(t, "ann")
		comment(t, ann, post, "kept")
		third.Cut(t)
		taps := tapsOn(t, "now", []string{topic}, servers...)
		comment(t, ann, post, "lost")
		for _, x := range taps {
			x.await(t, "a comment", saying("lost"))
			x.await(t, "its count", named("comment-count"))
		}
		gaps := inParallel(taps, (*tap).untilGap)
		address.fail(t, third)
		told, err := gaps()
		streamtest.Must(t, err)
		for i, g := range told {
			streamtest.Want(t, taps[i].name+": reason", g.Reason, "restored")
		}
		for _, srv := range servers {
			srv.awaitReady(t)
		}
		h.reset()
		streamtest.Want(t, "comments", bodies(h.logged(t, topic)), []string{"kept"})
		h.check(t, servers...)
	})
}
