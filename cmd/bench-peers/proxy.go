package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// A proxy is a program between the readers and a server. Its pool has room for a connection
// to the server for each waiting poll. It has one thread or process, as Nchan has.
type proxy struct {
	about   string   // for the page
	program string   // its name
	args    []string // before the path of the file with its configuration
	// conf is the format of the configuration, for the addresses of the proxy and of the
	// server, the folder, and the user.
	conf string
}

var haproxy = proxy{
	about:   "Between readers and server is HAProxy, which keeps its connections to the server for other requests. The CPU time and memory are those of the server alone.",
	program: "haproxy", args: []string{"-db", "-f"},
	conf: `
global
	maxconn 9500
	nbthread 1
defaults
	mode http
	option http-no-delay
	option abortonclose
	option forwardfor
	timeout connect 10s
	timeout client 120s
	timeout server 120s
frontend all
	bind %[1]s backlog 4096
	default_backend servers
backend servers
	http-reuse safe
	server one %[2]s pool-max-conn 9500 # %[3]s %[4]s
`,
}

var nginx = proxy{
	about:   "As above, with nginx and `keepalive 9500`.",
	program: "nginx", args: []string{"-e", "stderr", "-c"},
	conf: `
daemon off;
user %[4]s;
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
	upstream server {
		server %[2]s;
		keepalive 9500;
		keepalive_requests 1000000;
	}
	server {
		listen %[1]s backlog=4096;
		location / {
			proxy_pass http://server;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_buffering off;
			proxy_read_timeout 120s;
		}
	}
}
`,
}

// inFrontOf runs the proxy in front of the server at a URL, and calls fn with its own URL.
// The nil proxy calls fn with the URL of the server.
func (p *proxy) inFrontOf(ctx context.Context, url string, fn func(url string) error) error {
	if p == nil {
		return fn(url)
	}
	program, err := exec.LookPath(p.program)
	if err != nil {
		program = "/usr/sbin/" + p.program // /usr/sbin is not in the PATH of every user
	}
	conf := func(at place) string {
		return fmt.Sprintf(p.conf, at.addr, strings.TrimPrefix(url, "http://"), at.dir, at.user)
	}
	command := func(at place) *exec.Cmd { return exec.Command(program, append(p.args, at.conf)...) }
	return runConfigured(ctx, conf, command, func(_ int, url string) error { return fn(url) })
}
