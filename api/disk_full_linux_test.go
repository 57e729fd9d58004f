package api

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// smallDisk mounts a disk of 8 MB until the test ends, and returns its folder.
func smallDisk(t *testing.T) string {
	t.Helper()
	mount := filepath.Join(storetest.Dir(t), "small")
	streamtest.Must(t, os.Chmod(filepath.Dir(mount), 0o755))
	streamtest.Must(t, os.Mkdir(mount, 0o755))
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=8m,mode=755"); err != nil {
		t.Skipf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() { streamtest.Must(t, syscall.Unmount(mount, syscall.MNT_DETACH)) })
	return mount
}

// folderOf makes a folder that belongs to the owner of another one.
func folderOf(t *testing.T, path, other string) {
	t.Helper()
	streamtest.Must(t, os.Mkdir(path, 0o700))
	info, err := os.Stat(other)
	streamtest.Must(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	streamtest.Must(t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
}

// A write that fails because the disk is full is answered, logged and seen in /readyz with
// that reason, until a write succeeds again. Reading goes on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t) // before the server, which must end before the disk
	postgres := storetest.NewServer(t)
	url := postgres.DSN("tidings")
	at, err := pgx.ParseConfig(url)
	streamtest.Must(t, err)
	location := filepath.Join(disk, "tables")
	folderOf(t, location, at.Host)
	streamtest.Must(t, migrations.Up(t.Context(), url, (&logs{}).logger()))
	r := newRig(t, func(s *setup) { s.url = url })
	post := func() answer {
		return r.do(t, "POST", "/v1/posts/1/comments", as(t, "ann"), sends(`{"body":"Hello"}`))
	}
	for _, sql := range []string{
		fmt.Sprintf(`create tablespace small location '%s'`, location),
		`alter table tidings.comments set tablespace small`,
		`create table filler (text text) tablespace small`,
		`alter table filler alter text set storage plain`,
		`do $$
		begin
			loop
				begin
					insert into filler values (repeat('x', 8000));
				exception when disk_full then
					exit;
				end;
			end loop;
		end
		$$`,
	} {
		r.exec(t, sql)
	}
	p := post().isProblem(t, http.StatusServiceUnavailable, "unavailable")
	streamtest.Want(t, "the detail", p.Detail, diskFullDetail)
	r.wantLogged(t, p.RequestID, "level=WARN", "sqlstate=53100", "could not extend file")
	p = r.do(t, "GET", "/readyz").isProblem(t, http.StatusServiceUnavailable, "unavailable")
	streamtest.Want(t, "the detail", p.Detail, diskFullDetail)
	r.wantLogged(t, p.RequestID, "level=WARN", "sqlstate=53100")
	streamtest.Want(t, "status of a list", r.do(t, "GET", "/v1/posts/1/comments").status, http.StatusOK)

	r.exec(t, `drop table filler`)
	streamtest.Want(t, "status", post().status, http.StatusCreated)
	streamtest.Want(t, "status of readyz", r.do(t, "GET", "/readyz").status, http.StatusOK)
}
