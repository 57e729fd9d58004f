package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// hardTexts are bodies that a wrong encoding changes, or cannot represent.
var hardTexts = []string{"café", "5 €", "🎉 👩‍💻", `back\slash 'quote'`, "Grüße, мир, 日本"}

// everySetting returns a statement part for each setting that any role may make and whose
// values are known: those with on and off, and those with a list of values.
func (d database) everySetting(t *testing.T) []string {
	t.Helper()
	return strings.Split(value[string](t, d, `
		select string_agg(format('%s = %L', name, other), e'\n' order by name, other)
		from pg_settings
		cross join lateral (
			select case setting when 'on' then 'off' else 'on' end as other
			where vartype = 'bool'
			union all
			select unnest(array_remove(enumvals, boot_val))
			where vartype = 'enum'
		) as others
		where context = 'user'
			and name not in ('default_transaction_read_only', 'transaction_read_only', 'transaction_deferrable', 'transaction_isolation', 'client_min_messages')
			and name !~ '^(debug_|log_|trace_)'`), "\n")
}

// A settingsWay is a way to the database whose sessions have the settings of the site.
type settingsWay struct {
	name   string
	target string // of ALTER … SET
	pooled bool   // through PgBouncer
	groups int    // of the settings of storetest.SiteSettings, each of them checked, too
}

// What the site sets on its database or role does not change text, events, lists or the
// log, in the sessions of the store and the listener, directly or through a pooler.
func TestSiteSettings_ChangeNothing(t *testing.T) {
	t.Parallel()

	for _, way := range []settingsWay{
		{name: "OnTheDatabase", target: "database %2$I", groups: 4},
		{name: "OnTheRole", target: "role %1$I in database %2$I"},
		{name: "OnTheDatabaseThroughAPooler", target: "database %2$I", pooled: true, groups: 4},
		{name: "OnTheRoleThroughAPooler", target: "role %1$I in database %2$I", pooled: true},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			d := database{dsn: storetest.Database(t)}
			d.sql = siteClient(t, d.dsn)
			d.exec(t, storetest.Trap)
			check := d.checkDirectly
			if way.pooled {
				pooled := storetest.NewPooler(t, d.dsn, 4) + "&default_query_exec_mode=cache_describe"
				check = func(t *testing.T, post string) { d.checkPooled(t, pooled, post) }
			}
			// idle_session_timeout ends the sessions of the pooler itself.
			idle := func(setting string) bool { return way.pooled && strings.HasPrefix(setting, "idle_session_timeout") }
			settings := slices.DeleteFunc(slices.Clone(storetest.SiteSettings), idle)
			for n := range way.groups {
				var group []string // neighbors, which may set the same, are in different groups
				for i := n; i < len(settings); i += way.groups {
					d.set(t, way.target, "set "+settings[i])
					group = append(group, settings[i])
				}
				t.Run(strings.Join(group, ", "), func(t *testing.T) { check(t, fmt.Sprint("post", n)) })
				d.set(t, way.target, "reset all")
			}
			for _, setting := range append(d.everySetting(t), settings...) {
				d.set(t, way.target, "set "+setting)
			}
			t.Run("AllTogether", func(t *testing.T) { check(t, "all") })
		})
	}
	t.Run("InTheDSN", func(t *testing.T) {
		t.Parallel()
		d := database{dsn: storetest.Database(t)}
		d.sql = siteClient(t, d.dsn)
		d.dsn += "&client_encoding=LATIN1&datestyle=German&timezone=Asia/Tokyo&standard_conforming_strings=off"
		d.checkDirectly(t, "42")
	})
}

// checkDirectly checks a store whose connections lead to Postgres itself.
func (d database) checkDirectly(t *testing.T, post string) {
	t.Helper()
	d.Store = open(t, d.dsn)
	checkTexts(t, d, post)
}

// checkPooled checks a store whose connections lead through a pooler. The connections of
// the pooler are closed first, because they have the settings of the time when they began.
func (d database) checkPooled(t *testing.T, pooled, post string) {
	t.Helper()
	d.exec(t, `
		select pg_terminate_backend(pid)
		from pg_stat_activity
		where datname = current_database() and application_name <> 'site'`)
	d.Store = open(t, pooled, func(cfg *store.Config) { cfg.ListenURL = d.dsn })
	streamtest.Eventually(t, "the pooler has connected again", func() bool { return d.Ping(t.Context()) == nil })
	checkTexts(t, d, post)
}

// set makes or resets a setting for new sessions of the database, or of its role.
func (d database) set(t *testing.T, target, action string) {
	t.Helper()
	d.exec(t, `do $do$ begin execute format($s$alter `+target+` `+action+`$s$, current_user, current_database()); end $do$`)
}

// siteClient is a program of the site that makes the settings which its own statements need.
func siteClient(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	streamtest.Must(t, err)
	for name, value := range map[string]string{
		"application_name": "site", "client_encoding": "UTF8", "default_transaction_isolation": "read committed", "search_path": "public",
		"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0",
		"row_security": "on", "standard_conforming_strings": "on",
	} {
		cfg.ConnConfig.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	streamtest.Must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// checkTexts writes hardTexts on a post with the store and with SQL, and reads them in all
// ways.
func checkTexts(t *testing.T, d database, post string) {
	t.Helper()
	_, got := listen(t, d.Store)
	topic := "post:" + post
	var want []string
	for i, text := range hardTexts {
		author := store.User{ID: fmt.Sprint("u", i), Name: text}
		made := d.comment(t, store.NewComment{PostID: post, Author: author, Body: text, IdempotencyKey: []string{"", "key " + post}[i%2]})
		streamtest.Want(t, "the answer's body", made.Body, text)
		before := got.wakes.Load()
		d.exec(t, `insert into tidings.comments (post_id, author_id, body) values ($1, 'sql', $2)`, post, "SQL "+text)
		got.waitForWake(t, before)
		streamtest.Must(t, d.Publish(t.Context(), topic, "news", fmt.Appendf(nil, `{"text":%q}`, text)))
		want = append(want, text, "SQL "+text)
	}
	var listed, told []string
	for _, c := range d.list(t, post).Comments {
		listed = append(listed, c.Body)
	}
	slices.Reverse(listed)
	streamtest.Want(t, "the list", listed, want)
	events := d.events(t, 0, topic)
	for _, e := range named(events, "new-comment") {
		told = append(told, decode[struct{ Body string }](t, e).Body)
	}
	streamtest.Want(t, "the events", told, want)
	streamtest.Want(t, "published events", len(named(events, "news")), len(hardTexts))
	likes, err := d.Like(t.Context(), post, ann)
	streamtest.Must(t, err)
	streamtest.Want(t, "likes", likes, store.Likes{Count: 1, Liked: true})
	signals := len(got.allSignals())
	eachMethod(t, d.Store, func(name string, err error) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	streamtest.Eventually(t, "the signal arrives", func() bool { return len(got.allSignals()) > signals })
	streamtest.Must(t, d.CheckSchema(t.Context()))
	_, err = d.Trim(t.Context(), store.Retention{Age: store.MinimumAge, Rows: 1})
	streamtest.Must(t, err)
}
