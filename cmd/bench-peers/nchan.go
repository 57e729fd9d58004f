package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

// nchan is nginx with Debian's module Nchan. It has one worker: on two cores a second
// worker would compete with the readers, and messages would have to be passed between the
// workers.
type nchan struct {
	nginx  string // path of the program
	module string // path of the module
}

// findNchan returns an error if the module is not installed.
func findNchan() (n nchan, err error) {
	if n.nginx, err = exec.LookPath("nginx"); err != nil {
		n.nginx = "/usr/sbin/nginx" // /usr/sbin is not in the PATH of every user
	}
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"} {
		path := filepath.Join(dir, "ngx_nchan_module.so")
		if _, err := os.Stat(path); err == nil {
			n.module = path
			return n, nil
		}
	}
	return n, errors.New("nginx's module Nchan is not installed: run .ci/install nchan")
}

// name implements [peer].
func (nchan) name() string { return "Nchan" }

// about implements [peer]. The version of the module is known on Debian only.
func (n nchan) about(ctx context.Context) string {
	module := outputOf(ctx, "dpkg-query", "--show", "libnginx-mod-nchan")
	return fmt.Sprintf("%s, %s; one worker; messages are kept in memory only; events are published by POST to its publisher location", outputOf(ctx, n.nginx, "-v"), module)
}

// nginxConf is the format of nginx.conf, for the module, user, folder and address. Messages
// are kept in memory for 10 minutes, at most 10,000 for each topic, so that readers can
// resume as they can with Tidings. Logs of requests are off, as in Tidings.
const nginxConf = `
daemon off;
load_module %[1]s;
user %[2]s;
worker_processes 1;
worker_rlimit_nofile 20000;
pid %[3]s/nginx.pid;
error_log stderr error;
events { worker_connections 19000; }
http {
	access_log off;
	client_body_temp_path %[3]s/body;
	proxy_temp_path %[3]s/proxy;
	fastcgi_temp_path %[3]s/fastcgi;
	uwsgi_temp_path %[3]s/uwsgi;
	scgi_temp_path %[3]s/scgi;
	keepalive_requests 1000000;
	server {
		listen %[4]s backlog=4096;
		location = /sub {
			nchan_subscriber eventsource;
			nchan_channel_id $arg_id;
			nchan_subscriber_first_message newest;
		}
		location = /poll {
			nchan_subscriber longpoll;
			nchan_channel_id $arg_id;
			nchan_subscriber_first_message newest;
		}
		location = /pub {
			nchan_publisher;
			nchan_channel_id $arg_id;
			nchan_message_buffer_length 10000;
			nchan_message_timeout 10m;
		}
	}
}
`

// withServer implements [peer]. nginx runs as the user of this process, with all of its files
// in a temporary folder.
func (n nchan) withServer(ctx context.Context, _, topics int, fn func(peerServer) error) error {
	conf := func(p place) string { return fmt.Sprintf(nginxConf, n.module, p.user, p.dir, p.addr) }
	command := func(p place) *exec.Cmd { return exec.Command(n.nginx, "-p", p.dir, "-e", "stderr", "-c", p.conf) }
	return runConfigured(ctx, conf, command, func(pid int, url string) error {
		return fn(peerServer{
			stream:  bench.Stream{URL: url, Paths: pathsOf("/sub?id=%d", topics), Event: eventName, PID: pid, IncludeChildren: true},
			poll:    bench.Stream{URL: url, Paths: pathsOf("/poll?id=%d", topics), Protocol: bench.NchanPoll, Event: eventName, PID: pid, IncludeChildren: true},
			publish: poster(pathsOf(url+"/pub?id=%d", topics)...),
		})
	})
}
