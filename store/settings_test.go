package store_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// hardTexts are bodies that a wrong encoding changes, or cannot represent.
var hardTexts = []string{"café", "5 €", "🎉 👩‍💻", `back\slash 'quote'`, "Grüße, мир, 日本"}

// What the site sets on its database or role does not change text, events, lists or the
// log, in the sessions of the store, the listener and the migrations.
func TestSiteSettings_ChangeNothing(t *testing.T) {
	t.Parallel()

	for _, setting := range storetest.SiteSettings {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			d := database{dsn: storetest.Database(t)}
			d.sql = utf8Client(t, d.dsn)
			d.exec(t, storetest.Trap)
			d.set(t, "database %2$I", setting)
			checkTexts(t, d)
		})
	}
	t.Run("AllTogether", func(t *testing.T) {
		t.Parallel()
		d := database{dsn: storetest.Database(t)}
		d.sql = utf8Client(t, d.dsn)
		d.exec(t, storetest.Trap)
		for _, setting := range storetest.SiteSettings {
			d.set(t, "database %2$I", setting)
		}
		checkTexts(t, d)
	})
	t.Run("AllOnTheRole", func(t *testing.T) {
		t.Parallel()
		d := database{dsn: storetest.Database(t)}
		d.sql = utf8Client(t, d.dsn)
		d.exec(t, storetest.Trap)
		for _, setting := range storetest.SiteSettings {
			d.set(t, "role %1$I in database %2$I", setting)
		}
		checkTexts(t, d)
	})
	t.Run("InTheDSN", func(t *testing.T) {
		t.Parallel()
		d := database{dsn: storetest.Database(t)}
		d.sql = utf8Client(t, d.dsn)
		d.dsn += "&client_encoding=LATIN1&datestyle=German&timezone=Asia/Tokyo&standard_conforming_strings=off"
		checkTexts(t, d)
	})
}

// set makes a setting for new sessions of the database, or of its role.
func (d database) set(t *testing.T, target, setting string) {
	t.Helper()
	d.exec(t, `do $do$ begin execute format($s$alter `+target+` set `+setting+`$s$, current_user, current_database()); end $do$`)
}

// utf8Client is a program of the site that knows its encoding. All other settings are
// those of the site.
func utf8Client(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	streamtest.Must(t, err)
	cfg.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	streamtest.Must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// checkTexts opens a store, writes hardTexts over it and with SQL, and reads them on all ways.
func checkTexts(t *testing.T, d database) {
	t.Helper()
	// The site's program writes with the settings that it had before the change.
	d.Store = open(t, d.dsn)
	_, got := listen(t, d.Store)
	var want []string
	for i, text := range hardTexts {
		author := store.User{ID: fmt.Sprint("u", i), Name: text}
		made := d.comment(t, store.NewComment{PostID: "42", Author: author, Body: text, IdempotencyKey: []string{"", "key"}[i%2]})
		streamtest.Want(t, "the answer's body", made.Body, text)
		before := got.wakes.Load()
		d.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('42', 'sql', $1)`, "SQL "+text)
		got.waitForWake(t, before)
		streamtest.Must(t, d.Publish(t.Context(), "post:42", "news", fmt.Appendf(nil, `{"text":%q}`, text)))
		want = append(want, text, "SQL "+text)
	}
	var bodies []string
	for _, c := range d.list(t, "42").Comments {
		bodies = append([]string{c.Body}, bodies...)
	}
	streamtest.Want(t, "the list", bodies, want)
	bodies = nil
	for _, e := range named(d.events(t, 0, "post:42"), "new-comment") {
		bodies = append(bodies, decode[struct{ Body string }](t, e).Body)
	}
	streamtest.Want(t, "the events", bodies, want)
	streamtest.Want(t, "published events", len(named(d.events(t, 0), "news")), len(hardTexts))
	likes, err := d.Like(t.Context(), "42", ann)
	streamtest.Must(t, err)
	streamtest.Want(t, "likes", likes, store.Likes{Count: 1, Liked: true})
	eachMethod(t, d.Store, func(name string, err error) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	_, err = d.Trim(t.Context(), store.Retention{Age: store.MinimumAge, Rows: 1})
	streamtest.Must(t, err)
}
