package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store/localpg/child"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// remoteCommands are the commands that use a server or a database at an address.
var remoteCommands = map[string]func(address string) []string{
	"tail":     func(a string) []string { return []string{"tail", "post:p", "--url", "http://" + a} },
	"tailPoll": func(a string) []string { return []string{"tail", "post:p", "--poll", "--url", "http://" + a} },
	"bench": func(a string) []string {
		return []string{"bench", "--url", "http://" + a, "--secret", testSecret, "--duration", "1s"}
	},
	"doctor": func(a string) []string { return []string{"doctor", "--url", "http://" + a} },
	"health": func(a string) []string { return []string{"health", "--addr", a} },
	"verify": func(a string) []string {
		return []string{"verify", "--url", "http://" + a, "--secret", testSecret, "--duration", "1s"}
	},
	"migrate": func(a string) []string {
		return []string{"migrate", "--database-url", "postgres://u@" + a + "/d?sslmode=disable"}
	},
}

// silence accepts connections and never answers.
func silence(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	streamtest.Must(t, err)
	t.Cleanup(func() { listener.Close() })
	inBackground(t, func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { listener.Close() })()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return nil
			}
			defer conn.Close()
		}
	})
	return listener.Addr().String()
}

// Each command ends within half a minute with one message that names the address.
func TestCommands_EndIfTheServerIs(t *testing.T) {
	t.Parallel()
	dead, err := child.FreeAddress()
	streamtest.Must(t, err)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<html>"))
	}))
	t.Cleanup(page.Close)
	for situation, address := range map[string]string{
		"Dead": dead, "Silent": silence(t), "AnotherServer": other.Listener.Addr().String(), "AWebSite": page.Listener.Addr().String(),
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			var all sync.WaitGroup // the waits of a silent server overlap
			defer all.Wait()
			for name, args := range remoteCommands {
				if situation == "AWebSite" && name == "health" {
					continue // any answer with status 200 is a sign of life
				}
				all.Go(func() { wantsMessage(t, name, args(address), address) })
			}
		})
	}
}

// The server answers, and its database does not answer the command.
func TestCommands_EndIfTheDatabaseIs(t *testing.T) {
	t.Parallel()
	dead, err := child.FreeAddress()
	streamtest.Must(t, err)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	srv := newSite(t).start(t)
	var all sync.WaitGroup
	defer all.Wait()
	for _, address := range []string{dead, silence(t), other.Listener.Addr().String()} {
		for name, args := range map[string]string{
			"bench": "--duration 1s", "verify": "--duration 1s", "doctor": "--idle 0s --poll 0s",
		} {
			command := append([]string{name, "--url", srv.url, "--secret", testSecret, "--database-url", "postgres://u:hidden@" + address + "/d?sslmode=disable"},
				strings.Fields(args)...)
			all.Go(func() { wantsMessage(t, name, command, address) })
		}
	}
}

// wantsMessage runs a command that must fail by itself and name the address.
func wantsMessage(t *testing.T, name string, args []string, address string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, said strings.Builder
	status := execute(ctx, args, streams{&out, &said})
	if status != 1 && status != 3 || ctx.Err() != nil {
		t.Errorf("%s: the exit status is %d, %v", name, status, ctx.Err())
	}
	if strings.Contains(out.String()+said.String(), "hidden") {
		t.Errorf("%s shows the password:\n%s%s", name, out.String(), said.String())
	}
	if !strings.Contains(out.String()+said.String(), address) {
		t.Errorf("%s: no %s in\n%s%s", name, address, out.String(), said.String())
	}
}

// Ctrl-C ends a command that waits for a silent server. That it ended because of its own
// limits would be another message.
func TestCommands_EndWhenTheyAreStopped(t *testing.T) {
	t.Parallel()
	address := silence(t)
	var all sync.WaitGroup
	defer all.Wait()
	for name, args := range remoteCommands {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(100*time.Millisecond, cancel).Stop() // any time is right
			var out, said strings.Builder
			status := execute(ctx, args(address), streams{&out, &said})
			if strings.HasPrefix(name, "tail") {
				streamtest.Want(t, "the exit status of "+name, status, 0) // tail ends by a signal only
			} else if status != 3 || !strings.Contains(said.String(), "stopped before") {
				t.Errorf("%s: the exit status is %d, the message %q", name, status, said.String())
			}
		})
	}
}
