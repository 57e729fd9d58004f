package store_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A role that is not the owner, that lacks rights, or that has no connection left, is told
// so by name, and each method is unavailable.
func TestRole_ProblemsAreNamed(t *testing.T) {
	t.Parallel()
	dsn := storetest.Database(t)
	admin := client(t, dsn)
	role := admin.Config().ConnConfig.Database + "_other"
	run := func(sql string) {
		t.Helper()
		_, err := admin.Exec(context.WithoutCancel(t.Context()), sql)
		streamtest.Must(t, err)
	}
	run(`create role ` + role + ` login`)
	t.Cleanup(func() {
		run(`drop owned by ` + role)
		run(`drop role ` + role)
	})
	s := open(t, roleDSN(t, dsn, role))

	if err := s.CheckOwner(t.Context()); err == nil || !strings.Contains(err.Error(), "owner of the schema") {
		t.Errorf("CheckOwner: %v", err)
	}
	eachMethod(t, s, func(name string, err error) {
		if name != "Ping" {
			streamtest.WantErr(t, err, store.ErrNoRights)
			streamtest.WantErr(t, err, store.ErrUnavailable)
		}
	})
	run(`alter role ` + role + ` connection limit 0`)
	none := open(t, roleDSN(t, dsn, role))
	eachMethod(t, none, func(name string, err error) {
		streamtest.WantErr(t, err, store.ErrNoConnection)
		streamtest.WantErr(t, err, store.ErrUnavailable)
	})
}

// Triggers of the schema do not fire in sessions whose session_replication_role is replica.
func TestCheckTriggers(t *testing.T) {
	t.Parallel()
	dsn := storetest.Database(t)
	streamtest.Must(t, open(t, dsn).CheckTriggers(t.Context()))
	err := open(t, dsn+"&session_replication_role=replica").CheckTriggers(t.Context())
	if err == nil || !strings.Contains(err.Error(), "session_replication_role") {
		t.Errorf("got %v", err)
	}
}

// A pool that cannot grow, because the role has no other connection, serves all calls with
// the connections that it has.
func TestPool_ServesWithFewerConnectionsThanItAsksFor(t *testing.T) {
	t.Parallel()
	dsn := storetest.Database(t)
	admin := client(t, dsn)
	role := admin.Config().ConnConfig.Database + "_few"
	run := func(sql string) {
		t.Helper()
		_, err := admin.Exec(context.WithoutCancel(t.Context()), sql)
		streamtest.Must(t, err)
	}
	run(`create role ` + role + ` login in role tidings connection limit 2`) // a superuser has no limit
	t.Cleanup(func() { run(`drop role ` + role) })
	s := open(t, roleDSN(t, dsn, role))
	streamtest.Must(t, s.Ping(t.Context()))
	var calls errgroup.Group
	for n := range 8 {
		calls.Go(func() error {
			for range 20 {
				if _, err := s.Counts(t.Context(), []string{"42"}); err != nil {
					return err
				}
				if _, err := s.Like(t.Context(), fmt.Sprint(n), ann); err != nil {
					return err
				}
			}
			return s.Ping(t.Context())
		})
	}
	streamtest.Must(t, calls.Wait())
}

// roleDSN is a DSN for another user.
func roleDSN(t *testing.T, dsn, role string) string {
	t.Helper()
	address, err := url.Parse(dsn)
	streamtest.Must(t, err)
	address.User = url.User(role)
	return address.String()
}
