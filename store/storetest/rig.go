package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
)

// template is the migrated database that is copied for each test.
const template = "tidings_template"

// connections allows for many parallel tests with one or two pools each.
var connections = map[string]string{"max_connections": "300"}

// hasty are settings of a server that may lose its data.
var hasty = map[string]string{
	"autovacuum":         "off", // DROP DATABASE would wait for its workers
	"fsync":              "off",
	"full_page_writes":   "off",
	"max_wal_senders":    "0",     // wal_level asks for that
	"max_wal_size":       "256MB", // the WAL may be in memory
	"synchronous_commit": "off",
	"wal_level":          "minimal",
}

// rig is the shared server and the connection that creates databases on it.
type rig struct {
	dir    string
	server *localpg.Server

	mu    sync.Mutex // guards admin, which runs one statement at a time, and count
	admin *pgx.Conn
	count int
}

func startRig() (*rig, error) {
	used = true
	sweep()
	dir, err := makeDir(quick())
	if err != nil {
		return nil, err
	}
	settings := maps.Clone(hasty)
	maps.Copy(settings, connections)
	ctx := context.Background()
	server, err := localpg.Start(ctx, localpg.Config{Dir: dir, Settings: settings})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	r := &rig{dir: dir, server: server}
	if err := r.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make the template: %w", err), r.stop(ctx))
	}
	return r, nil
}

// migrate makes the template, and then forbids connections to it: CREATE DATABASE
// cannot copy a database that has connections. The last session leaves the file with which
// Postgres starts sessions faster: a migration removes it.
func (r *rig) migrate(ctx context.Context) (err error) {
	if r.admin, err = pgx.Connect(ctx, r.server.DSN("postgres")); err != nil {
		return err
	}
	if _, err := r.admin.Exec(ctx, `create database `+template); err != nil {
		return err
	}
	if err := migrations.Up(ctx, r.server.DSN(template), slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	last, err := pgx.Connect(ctx, r.server.DSN(template))
	if err != nil {
		return err
	}
	if err := last.Close(ctx); err != nil {
		return err
	}
	_, err = r.admin.Exec(ctx, `alter database `+template+` allow_connections false`)
	return err
}

// create copies a database file by file. That is a third faster than a copy through the
// WAL, and the checkpoint before it is cheap without fsync.
func (r *rig) create(from string) (name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.count++
	name = "test_" + strconv.Itoa(r.count)
	_, err = r.admin.Exec(context.Background(), `create database `+name+` template `+from+` strategy file_copy`)
	if err != nil {
		return "", fmt.Errorf("create database: %w", err)
	}
	return name, nil
}

func (r *rig) drop(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()

	if _, err := r.admin.Exec(context.Background(), `drop database `+name+` with (force)`); err != nil {
		return fmt.Errorf("drop database: %w", err)
	}
	return nil
}

func (r *rig) stop(ctx context.Context) error {
	if r.admin != nil {
		r.admin.Close(ctx)
	}
	return discard(r.server, r.dir)
}

// stopRig stops the rig if it was started. A rig that failed to start has no processes,
// and each test that asked for it has reported the error.
func stopRig() error {
	if !used {
		return nil
	}
	r, err := started()
	if err != nil {
		return nil
	}
	return r.stop(context.Background())
}
