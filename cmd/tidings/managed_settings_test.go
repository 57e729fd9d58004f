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
// migration: without a pooler, and with a pooler in each of its modes.
func TestHosted_Settings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pooler []string // settings of PgBouncer; nil for none
		direct bool     // LISTEN and migrations do not use the pooler
	}{
		"WithoutAPooler":  {},
		"TransactionMode": {pooler: []string{"pool_mode = transaction"}, direct: true},
		"DiscardAll":      {pooler: []string{"server_reset_query = DISCARD ALL", "server_reset_query_always = 1"}, direct: true},
		"SessionMode":     {pooler: []string{"pool_mode = session", "default_pool_size = 60"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := host(t)
			h.admin.exec(t, storetest.Trap)
			for i, setting := range storetest.SiteSettings {
				h.set(t, i%2 == 0, setting)
			}
			use := func(*instance) {}
			if c.pooler != nil {
				h.set(t, true, patientSettings...)
				pooled := storetest.NewPooler(t, h.dsn, poolSize, c.pooler...)
				use = func(i *instance) { i.DatabaseURL = pooled }
				if c.direct {
					use = func(i *instance) { i.DatabaseURL, i.ListenURL = inMode(pooled, "cache_describe"), h.dsn }
				}
			}
			h.migrate(t)
			h.check(t, h.start(t, use), h.start(t, use))
		})
	}
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
