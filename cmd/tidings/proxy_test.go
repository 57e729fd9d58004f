package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store/localpg/child"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

const (
	proxiesPage = "../../docs/proxies.md"
	// proxiedName is the host name of the site in docs/proxies.md. No resolver is asked:
	// the tests dial the proxy.
	proxiedName = "comments.example.com"
	// proxiedServer is the address of the server in docs/proxies.md.
	proxiedServer = "127.0.0.1:8080"
)

// A proxyKind is how one program runs a configuration of docs/proxies.md.
type proxyKind struct {
	program string // also the name for .ci/install
	secure  bool   // the configuration listens with TLS
	// replace has pairs of texts in the page and what the test has instead.
	replace func(p *proxy) []string
	// around returns the whole file of the program, given the text of the page.
	around func(p *proxy, text string) string
	// args returns the arguments of the program.
	args func(p *proxy) []string
	// leaves is a pattern of the files outside of its directory that the program leaves when it is
	// killed; nil for none.
	leaves func(p *proxy) string
}

// A proxy is a running proxy in front of a server.
type proxy struct {
	kind              proxyKind
	dir, file         string
	address           string // where it listens
	upstream          string // where it sends requests
	process           *child.Process
	authority         *x509.CertPool // of its certificate, if it has one
	certFile, keyFile string
}

func (p *proxy) port() string         { return portOf(p.address) }
func (p *proxy) upstreamPort() string { return portOf(p.upstream) }

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// pageConfig returns the block of docs/proxies.md with a name, the second word after the
// fence.
func pageConfig(t *testing.T, name string) string {
	t.Helper()
	block := regexp.MustCompile("(?ms)^```\\w+ " + regexp.QuoteMeta(name) + "\n(.*?)^```$")
	found := block.FindStringSubmatch(readText(t, proxiesPage))
	if found == nil {
		t.Fatalf("docs/proxies.md has no block %q", name)
	}
	return found[1]
}

// startProxy runs a program with a configuration in front of the server at upstream, until
// the test ends. It skips the test if the program is not installed.
func startProxy(t *testing.T, kind proxyKind, config, upstream string) *proxy {
	t.Helper()
	program := findProxy(t, kind.program)
	address, err := child.FreeAddress()
	streamtest.Must(t, err)
	dir := storetest.Dir(t)
	p := &proxy{kind: kind, dir: dir, file: filepath.Join(dir, "config"), address: address, upstream: upstream}
	if kind.secure {
		p.certify(t)
	}
	for pairs := kind.replace(p); len(pairs) > 0; pairs = pairs[2:] {
		if !strings.Contains(config, pairs[0]) {
			t.Fatalf("the configuration for %s has no %q", kind.program, pairs[0])
		}
		config = strings.ReplaceAll(config, pairs[0], pairs[1])
	}
	if kind.around != nil {
		config = kind.around(p, config)
	}
	streamtest.Must(t, os.WriteFile(p.file, []byte(config), 0o644))
	streamtest.Must(t, os.Chmod(dir, 0o777)) // as root, some proxies run as another user
	cmd := exec.Command(program, kind.args(p)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, t.Output(), t.Output()
	cmd.Env = append(os.Environ(), "HOME="+dir) // Caddy keeps files there
	p.process, err = child.Start(cmd, syscall.SIGKILL)
	streamtest.Must(t, err)
	t.Cleanup(func() {
		_ = p.process.Stop(syscall.SIGTERM, 2*time.Second) // kills a proxy that waits for streams
		p.removeLeft(t)
	})
	streamtest.Must(t, p.process.Await(patient(t), func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}))
	return p
}

// removeLeft removes the files that the program has left.
func (p *proxy) removeLeft(t *testing.T) {
	t.Helper()
	if p.kind.leaves == nil {
		return
	}
	left, err := filepath.Glob(p.kind.leaves(p))
	streamtest.Must(t, err)
	for _, file := range left {
		streamtest.Must(t, os.Remove(file))
	}
}

// findProxy returns the path of a program. It also looks in /usr/sbin, which may not be in
// PATH.
func findProxy(t *testing.T, program string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: .ci/install %s", program, program)
	return ""
}

// url is the address that browsers know.
func (p *proxy) url() string {
	scheme := "http"
	if p.kind.secure {
		scheme = "https"
	}
	return scheme + "://" + proxiedName + ":" + p.port()
}

// client makes requests to the proxy from an address of this machine.
func (p *proxy) client(t *testing.T, from string) *http.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, p.address)
		},
		TLSClientConfig:     &tls.Config{RootCAs: p.authority},
		ForceAttemptHTTP2:   p.kind.secure,
		MaxIdleConnsPerHost: 64,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// certify makes a certificate for proxiedName.
func (p *proxy) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	streamtest.Must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{proxiedName}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	streamtest.Must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	streamtest.Must(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.certFile, p.keyFile = filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem")
	streamtest.Must(t, os.WriteFile(p.certFile, cert, 0o644))
	streamtest.Must(t, os.WriteFile(p.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o644))
	p.authority = x509.NewCertPool()
	p.authority.AppendCertsFromPEM(cert)
}

// asRoot returns a line for a configuration if root runs the tests.
func asRoot(line string) string {
	if os.Geteuid() == 0 {
		return line + "\n"
	}
	return ""
}

// nginxAround is the file that a configuration for conf.d is included in.
func nginxAround(p *proxy, text string) string {
	return asRoot("user root;") + fmt.Sprintf(`
daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
%[2]s}
`, p.dir, text)
}

func nginxArgs(p *proxy) []string { return []string{"-p", p.dir, "-e", "stderr", "-c", p.file} }

// proxyKinds are the programs of docs/proxies.md.
var proxyKinds = map[string]proxyKind{
	"nginx": {
		program: "nginx", around: nginxAround, args: nginxArgs,
		replace: func(p *proxy) []string {
			return []string{proxiedServer, p.upstream, "listen 80;", "listen " + p.address + ";"}
		},
	},
	"nginx over TLS": {
		program: "nginx", secure: true, around: nginxAround, args: nginxArgs,
		replace: func(p *proxy) []string {
			return []string{
				proxiedServer, p.upstream, "listen 443 ", "listen " + p.address + " ",
				"/etc/ssl/comments.pem", p.certFile, "/etc/ssl/comments.key", p.keyFile,
			}
		},
	},
	"haproxy": {
		program: "haproxy",
		args:    func(p *proxy) []string { return []string{"-db", "-f", p.file} },
		replace: func(p *proxy) []string {
			return []string{proxiedServer, p.upstream, "bind :80", "bind " + p.address}
		},
	},
	"caddy": {
		program: "caddy",
		args:    func(p *proxy) []string { return []string{"run", "--adapter", "caddyfile", "--config", p.file} },
		around: func(_ *proxy, text string) string {
			return "{\n\tadmin off\n\tauto_https off\n}\n" + text
		},
		replace: func(p *proxy) []string {
			return []string{proxiedServer, p.upstream, "http://" + proxiedName, "http://" + proxiedName + ":" + p.port()}
		},
	},
	"apache": {
		program: "apache2",
		args:    func(p *proxy) []string { return []string{"-D", "FOREGROUND", "-f", p.file} },
		around: func(p *proxy, text string) string {
			var modules strings.Builder
			for _, name := range []string{"mpm_event", "authz_core", "proxy", "proxy_http"} {
				fmt.Fprintf(&modules, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
			}
			return modules.String() + asRoot("User www-data\nGroup www-data") + fmt.Sprintf(
				"ServerRoot %[1]s\nDefaultRuntimeDir %[1]s\nPidFile %[1]s/pid\nErrorLog /dev/stderr\nServerName localhost\nListen %[2]s\n%[3]s",
				p.dir, p.address, text)
		},
		replace: func(p *proxy) []string {
			return []string{proxiedServer, p.upstream, "*:80", "*:" + p.port()}
		},
	},
	"varnish": {
		program: "varnishd",
		args: func(p *proxy) []string {
			return []string{"-F", "-n", p.dir + "/varnish", "-a", p.address, "-f", p.file, "-s", "malloc,16m"}
		},
		replace: func(p *proxy) []string { return []string{`"8080"`, `"` + p.upstreamPort() + `"`} },
	},
	"squid": {
		program: "squid",
		args:    func(p *proxy) []string { return []string{"-N", "-n", "tidings" + p.port(), "-d", "1", "-f", p.file} },
		around: func(p *proxy, text string) string {
			return text + "visible_hostname localhost\npid_filename none\ncache_log /dev/null\naccess_log none\n" +
				"netdb_filename none\nshutdown_lifetime 1 second\n"
		},
		replace: func(p *proxy) []string {
			return []string{" 8080 ", " " + p.upstreamPort() + " ", "http_port 80", "http_port " + p.address}
		},
		leaves: func(p *proxy) string { return "/dev/shm/tidings" + p.port() + "-*.shm" },
	},
	"lighttpd": {
		program: "lighttpd",
		args:    func(p *proxy) []string { return []string{"-D", "-f", p.file} },
		around: func(p *proxy, text string) string {
			return "server.bind = \"127.0.0.1\"\nserver.upload-dirs = ( \"" + p.dir + "\" )\n" + text
		},
		replace: func(p *proxy) []string {
			return []string{"8080", p.upstreamPort(), "server.port = 80", "server.port = " + p.port(), "/var/www/html", p.dir}
		},
	},
	"h2o": {
		program: "h2o",
		args:    func(p *proxy) []string { return []string{"-c", p.file} },
		around:  func(_ *proxy, text string) string { return asRoot("user: root") + text },
		replace: func(p *proxy) []string {
			return []string{proxiedServer, p.upstream, "port: 80", "host: 127.0.0.1\n  port: " + p.port()}
		},
	},
}
