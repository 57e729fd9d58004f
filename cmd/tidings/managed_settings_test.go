package main

import (
	"testing"

	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// patientSettings replace limits that end a session of a pooler, or a statement of it
// before Tidings can set its own limits in the transaction.
var patientSettings = []string{
	"statement_timeout = '5s'", "idle_in_transaction_session_timeout = '5s'", "idle_session_timeout = '1h'",
}

// Settings of the database and of the role change nothing, made all together before the
// migration: without a pooler, and with poolers in each of their modes.
func TestHosted_Settings(t *testing.T) {
	t.Parallel()
	t.Run("WithoutAPooler", func(t *testing.T) {
		t.Parallel()
		h := hostWithSettings(t)
		h.migrate(t)
		h.check(t, h.start(t), h.start(t))
	})
	t.Run("WithPoolers", func(t *testing.T) {
		t.Parallel()
		h := hostWithSettings(t)
		h.set(t, true, patientSettings...)
		h.migrate(t)
		through := func(settings ...string) string { return storetest.NewPooler(t, h.dsn, poolSize, settings...) }
		// LISTEN does not use a pooler that gives each transaction another session.
		direct := func(pooled string) *server {
			return h.start(t, func(i *instance) { i.DatabaseURL, i.ListenURL = inMode(pooled, "cache_describe"), h.dsn })
		}
		h.check(t,
			direct(through("pool_mode = transaction")),
			direct(through("server_reset_query = DISCARD ALL", "server_reset_query_always = 1")),
			h.start(t, at(through("pool_mode = session", "default_pool_size = 60"))))
	})
}

// hostWithSettings makes a hosted database with all of SiteSettings, each for the database or
// for the role.
func hostWithSettings(t *testing.T) *hosted {
	t.Helper()
	h := host(t)
	h.admin.exec(t, storetest.Trap)
	for i, setting := range storetest.SiteSettings {
		h.set(t, i%2 == 0, setting)
	}
	return h
}

// The role may not wait for locks, run statements or stay connected for longer than a second.
// Tidings does all of these.
func TestHosted_TimeoutsOfTheRole(t *testing.T) {
	t.Parallel()
	h := host(t)
	h.set(t, true, "statement_timeout = '1s'", "lock_timeout = '1s'", "idle_in_transaction_session_timeout = '1s'", "idle_session_timeout = '1s'")
	if value[bool](t, h.admin, `select current_setting('transaction_timeout', true) is not null`) { // since Postgres 17
		h.set(t, true, "transaction_timeout = '1s'")
	}
	h.migrate(t)
	srv := h.start(t)
	ann := srv.as(t, "ann")
	held := comment(t, ann, "held", "first")
	connected := value[[]int](t, h.admin, `select array_agg(pid order by pid) `+ours)

	deleted := make(chan error, 1)
	streamtest.Must(t, h.hold(t, "0 s", `select from tidings.comments for update`, func() {
		go func() { deleted <- ann.DeleteComment(patient(t), held.ID) }()
		h.admin.exec(t, `select pg_sleep(2)`) // twice the timeouts
	}))
	streamtest.Must(t, <-deleted)
	streamtest.Want(t, "sessions that have ended", value[int](t, h.admin, `
		select count(*) from unnest($1::int[]) as pid where pid not in (select pid `+ours+`)`, connected), 0)
	h.check(t, srv)
}
