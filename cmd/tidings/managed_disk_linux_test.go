package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// diskSize is the size in bytes of the disk that becomes full. An empty database has 10 MB.
const diskSize = 32 << 20

// While the disk of the database is full, reading goes on, writes are refused with that
// reason, and the readiness names it. When there is space again, writing goes on.
func TestHosted_FullDisk(t *testing.T) {
	t.Parallel()
	h := newHosted(t, storetest.Server())
	disk := smallDisk(t)
	h.prepare(t, onDisk(t, disk))
	h.migrate(t)
	servers := []*server{h.start(t), h.start(t)}
	l := h.load(t, servers...)
	l.awaitWritten(t, 10)

	free := fill(t, disk)
	l.awaitRefused(t, "no space left")
	for _, srv := range servers {
		_, err := srv.Comments(t.Context(), l.post, client.ListOptions{})
		streamtest.Must(t, err)
	}
	l.awaitReadiness(t, "the database has no space left")
	free()
	l.awaitWritten(t, 20)
	for _, srv := range servers {
		srv.awaitReady(t)
	}
	l.end(t)
	h.check(t, servers...)
}

// smallDisk mounts a file system of diskSize that the user of Postgres owns.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a file system of limited size")
	}
	dir = storetest.Dir(t)
	owner, err := os.Stat(filepath.Join(storetest.Server().Dir(), "data"))
	streamtest.Must(t, err)
	uid := owner.Sys().(*syscall.Stat_t).Uid
	err = syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,uid=%d,mode=0700", diskSize, uid))
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this container may not mount a file system of limited size")
	}
	streamtest.Must(t, err)
	t.Cleanup(func() { streamtest.Must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// onDisk makes a database whose files are in a directory, and returns its DSN.
func onDisk(t *testing.T, dir string) (dsn string) {
	t.Helper()
	space := fmt.Sprint("small_", hostings.Add(1))
	all := siteAt(t, storetest.Server().DSN("postgres"))
	all.exec(t, fmt.Sprintf(`create tablespace %s location '%s'`, space, dir))
	t.Cleanup(func() { // after the database is dropped
		_, err := all.sql.Exec(afterwards(t), `drop tablespace `+space)
		streamtest.Must(t, err)
	})
	dsn = storetest.Empty(t)
	cfg, err := pgx.ParseConfig(dsn)
	streamtest.Must(t, err)
	all.exec(t, fmt.Sprintf(`alter database %s set tablespace %s`, cfg.Database, space))
	return dsn
}

// fill writes a file until the file system is full. The file is removed by free.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "filler"))
	streamtest.Must(t, err)
	defer file.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	streamtest.WantErr(t, err, syscall.ENOSPC)
	return func() { streamtest.Must(t, os.Remove(file.Name())) }
}
