package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// serve binds its address first. Until the database is up the server is alive, and not
// ready.
func TestServe_WaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	postgres := storetest.NewServer(t)
	dsn := postgres.DSN("tidings")
	streamtest.Must(t, postgres.Stop(t.Context()))

	said := serveAt(t, dsn)
	srv := newServer(t, "http://"+said.await(t, loggedAddress))
	srv.awaitStatus(t, "/healthz", 200)
	srv.awaitStatus(t, "/readyz", 503)
	_, err := srv.as(t, "ann").LikePost(t.Context(), "a")
	wantProblem(t, err, 503, "unavailable")

	streamtest.Must(t, postgres.Restart(t.Context()))
	srv.awaitReady(t)
	comment(t, srv.as(t, "ann"), "a", "hello")
}

// serve also waits while a pooler is up and its Postgres is not.
func TestServe_WaitsForTheDatabaseOfAPooler(t *testing.T) {
	t.Parallel()
	postgres := storetest.NewServer(t)
	dsn := postgres.DSN("tidings")
	pooled := inMode(storetest.NewPooler(t, dsn, poolSize, "server_login_retry = 1", "query_wait_timeout = 1"), "cache_describe")
	streamtest.Must(t, postgres.Stop(t.Context()))

	said := serveAt(t, pooled, "--listen-url", dsn)
	srv := newServer(t, "http://"+said.await(t, loggedAddress))
	said.await(t, regexp.MustCompile(`waiting for the (database)`))
	srv.awaitStatus(t, "/healthz", 200)
	streamtest.Must(t, postgres.Restart(t.Context()))
	srv.awaitReady(t)
	comment(t, srv.as(t, "ann"), "a", "hello")
}

// serve also waits while a database takes no connections, which providers set for a copy.
func TestServe_WaitsForADatabaseThatTakesNoConnections(t *testing.T) {
	t.Parallel()
	dsn := storetest.Database(t)
	config, err := pgx.ParseConfig(dsn)
	streamtest.Must(t, err)
	admin := config.Copy()
	admin.Database = "postgres"
	conn, err := pgx.ConnectConfig(t.Context(), admin)
	streamtest.Must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	allow := func(yes bool) {
		_, err := conn.Exec(t.Context(), fmt.Sprintf(`alter database %s allow_connections %t`, pgx.Identifier{config.Database}.Sanitize(), yes))
		streamtest.Must(t, err)
	}
	allow(false)
	said := serveAt(t, dsn)
	srv := newServer(t, "http://"+said.await(t, loggedAddress))
	said.await(t, regexp.MustCompile(`waiting for the database.*not currently (accepting)`))
	allow(true)
	srv.awaitReady(t)
}

// A database that is read-only is read, and writes are refused with that reason.
func TestServe_ReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', 'before')`)
	s.exec(t, `do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`)
	srv := newServer(t, "http://"+serveAt(t, s.dsn).await(t, loggedAddress))
	srv.awaitReady(t)
	x := sse(t, srv.Client, "earliest", "post:a")
	x.await(t, "the comment", saying("before"))
	_, err := srv.as(t, "ann").LikePost(t.Context(), "a")
	if p := wantProblem(t, err, 503, "unavailable"); !strings.Contains(p.Detail, "read-only") {
		t.Errorf("the detail is %q", p.Detail)
	}
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', 'meanwhile')`)
	x.await(t, "the comment", saying("meanwhile"))
	srv.awaitReady(t)
}

// A listen URL of another database is refused before anything is migrated.
func TestServe_ListenURLOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	one, other := storetest.Empty(t), storetest.Empty(t)
	for _, name := range []string{"serve", "migrate"} {
		args := []string{name, "--database-url", one, "--listen-url", other}
		if name == "serve" {
			args = append(args, "--addr", "127.0.0.1:0")
		}
		command(t, args...).wants(t, 1, "TIDINGS_LISTEN_URL leads to another database")
	}
	for _, dsn := range []string{one, other} {
		streamtest.Want(t, "the schema is there", value[bool](t, siteAt(t, dsn), `select to_regnamespace('tidings') is not null`), false)
	}
	streamtest.Must(t, migrations.Up(t.Context(), one, discard))
	command(t, "migrate", "--database-url", one, "--listen-url", one+"&application_name=other").wants(t, 0, "")
}

// A variable that no command has is named, also if it only lacks a letter. The test is not
// parallel, because the environment is that of all tests.
func TestSettings_MisspeltVariableIsReported(t *testing.T) {
	t.Setenv("TIDINGS_ALOWED_ORIGINS", "https://example.org")
	command(t, "version").wants(t, 0, "there is no setting TIDINGS_ALOWED_ORIGINS")
	command(t, "serve", "--database-url", "postgres:///x", "--alowed-origins", "x").wants(t, 2, "--alowed-origins")
}

func TestSettings_MistakesAreReported(t *testing.T) {
	t.Parallel()

	t.Run("UnknownVariables", func(t *testing.T) {
		t.Parallel()
		got := unknownSettings(model(t).Node, []string{"TIDINGS_ALOWED_ORIGINS=x", "TIDINGS_ALLOWED_ORIGINS=x", "TIDINGS_ADDR=x", "DATABASE_URL=x", "HOME=x", "tidings_addr=x"})
		streamtest.Want(t, "unknown", strings.Join(got, " "), "TIDINGS_ALOWED_ORIGINS tidings_addr")
	})
	t.Run("UnknownRole", func(t *testing.T) {
		t.Parallel()
		command(t, "token", "--secret", testSecret, "--sub", "ann", "--role", "nobody").wants(t, 1, `"nobody"`)
	})
	t.Run("PublicKeyIsAPath", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "key.pem")
		const pem = "-----BEGIN PUBLIC KEY-----\n"
		streamtest.Must(t, os.WriteFile(file, []byte(pem), 0o600))
		got, err := serverFlags{JWTPublicKey: file}.publicKey()
		streamtest.Must(t, err)
		streamtest.Want(t, "the key", got, pem)
		if _, err = (serverFlags{JWTPublicKey: file + "x"}).publicKey(); err == nil || !strings.Contains(err.Error(), "TIDINGS_JWT_PUBLIC_KEY") {
			t.Errorf("got %v, want an error that names the setting", err)
		}
	})
	t.Run("AddressInUse", func(t *testing.T) {
		t.Parallel()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		streamtest.Must(t, err)
		defer l.Close()
		command(t, "serve", "--database-url", "postgres:///?host=/nowhere", "--addr", l.Addr().String()).wants(t, 1, "address already in use")
	})
}
