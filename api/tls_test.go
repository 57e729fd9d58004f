package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// writePair makes a self-signed certificate with a serial number.
func writePair(t *testing.T, dir string, serial int64, modified time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	streamtest.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	streamtest.Must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	streamtest.Must(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		streamtest.Must(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
		streamtest.Must(t, os.Chtimes(name, modified, modified))
	}
	return cert, key
}

// speaking makes a rig's server and client speak one protocol.
func speaking(t *testing.T, secure bool, set func(*http.Protocols)) func(*setup) {
	t.Helper()
	protocols := new(http.Protocols)
	set(protocols)
	return func(s *setup) {
		s.client = &http.Transport{DisableCompression: true, Protocols: protocols}
		if !secure {
			return
		}
		cert, key := writePair(t, t.TempDir(), 1, time.Now())
		certificate, err := LoadCertificate(cert, key, slog.New(slog.DiscardHandler))
		streamtest.Must(t, err)
		s.scheme = "https"
		s.tls = certificate.TLSConfig()
		s.client.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		secure bool
		set    func(*http.Protocols)
		proto  string
	}{
		{"HTTP1OverTLS", true, func(p *http.Protocols) { p.SetHTTP1(true) }, "HTTP/1.1"},
		{"HTTP2OverTLS", true, func(p *http.Protocols) { p.SetHTTP2(true) }, "HTTP/2.0"},
		{"HTTP2WithoutTLS", false, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, "HTTP/2.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			timeouts := make(chan time.Duration, 100)
			r := newRig(t, speaking(t, c.secure, c.set), func(s *setup) {
				s.hub.Patience = 700 * time.Millisecond
				s.http = func(srv *http.Server) {
					tuned := srv.ConnContext
					srv.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
						ctx = tuned(ctx, conn)
						tcp, _ := stream.TCP(conn)
						timeouts <- userTimeoutOf(t, tcp)
						return ctx
					}
				}
			})
			res, err := r.client.Do(r.request(t, "GET", "/healthz"))
			streamtest.Must(t, err)
			res.Body.Close()
			streamtest.Want(t, "protocol", res.Proto, c.proto)

			f := r.follow(t, "topic=post:1")
			f.event("stream.ready")
			cursor := r.head(t)
			r.publish(t, "post:1", "x", `1`)
			f.event("x")
			streamtest.Want(t, "poll", r.do(t, "GET", "/v1/poll?topic=post:1&cursor="+cursor).status, 200)
			// It comes long after the patience with one write: the deadline was taken away.
			r.publish(t, "post:2", "elsewhere", `2`)
			f.event("stream.checkpoint")
			streamtest.Want(t, "user timeout of the connection below", <-timeouts, userTimeout)
			f.leave()
			r.idle(t)
		})
	}
}

// h2 is a peer that writes its frames itself.
func (r *rig) h2(t *testing.T, settings ...http2.Setting) (*http2.Framer, *wire) {
	t.Helper()
	w := r.dial(t)
	_, err := io.WriteString(w, http2.ClientPreface)
	streamtest.Must(t, err)
	framer := http2.NewFramer(w, w.r)
	streamtest.Must(t, framer.WriteSettings(settings...))
	return framer, w
}

func TestHTTP2_FreesAReaderWhoseWindowIsShut(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) { s.hub.Patience = 100 * time.Millisecond })
	framer, _ := r.h2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	var block writer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "tidings.example"}, {":path", "/v1/events?topic=post:1"}} {
		streamtest.Must(t, encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	streamtest.Must(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true, EndStream: true}))
	for {
		frame, err := framer.ReadFrame() // the deadline is the wire's
		streamtest.Must(t, err)
		if reset, ok := frame.(*http2.RSTStreamFrame); ok {
			streamtest.Want(t, "stream", reset.StreamID, uint32(1))
			break
		}
	}
	r.idle(t)
	streamtest.Want(t, "the number of slots taken", r.limits.Taken(), 0)
}

func TestHTTP2_DropsASilentPeer(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) {
		s.http = func(s *http.Server) {
			s.HTTP2.SendPingTimeout, s.HTTP2.PingTimeout = 50*time.Millisecond, 50*time.Millisecond
		}
	})
	framer, _ := r.h2(t)
	pinged := false
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			streamtest.Want(t, "an error of the network's deadline", os.IsTimeout(err), false)
			break
		}
		if _, ok := frame.(*http2.PingFrame); ok {
			pinged = true
		}
	}
	streamtest.Want(t, "pinged before", pinged, true)
}

func TestServer_BoundsHTTP2(t *testing.T) {
	t.Parallel()
	srv := (&Server{logger: slog.New(slog.DiscardHandler)}).newHTTPServer()
	streamtest.Want(t, "HTTP/2", *srv.HTTP2, http.HTTP2Config{
		MaxConcurrentStreams: 250, SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 30 * time.Second,
	})
}

// writer collects bytes.
type writer []byte

func (w *writer) Write(b []byte) (int, error) { *w = append(*w, b...); return len(b), nil }

func TestCertificate(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	cert, key := writePair(t, dir, 1, now.Add(-time.Hour))
	c, err := LoadCertificate(cert, key, slog.New(slog.DiscardHandler))
	streamtest.Must(t, err)
	serial := func(at time.Time) int64 {
		pair, err := x509.ParseCertificate(c.current(at).Certificate[0])
		streamtest.Must(t, err)
		return pair.SerialNumber.Int64()
	}
	streamtest.Want(t, "at first", serial(now), int64(1))

	writePair(t, dir, 2, now)
	streamtest.Want(t, "within a second", serial(c.looked.Add(time.Millisecond)), int64(1))
	streamtest.Eventually(t, "the new one is used after a second", func() bool { return serial(now.Add(2*time.Second)) == 2 })

	streamtest.Must(t, os.WriteFile(cert, []byte("half a"), 0o600))
	serial(now.Add(4 * time.Second))
	streamtest.Eventually(t, "the half written file is read", func() bool { return c.Failures() > 0 })
	streamtest.Want(t, "while the file is half written", serial(now.Add(4*time.Second)), int64(2))
	writePair(t, dir, 3, now.Add(time.Minute))
	streamtest.Eventually(t, "it is used when it is whole", func() bool { return serial(now.Add(6*time.Second)) == 3 })

	// A disk that does not answer holds up no handshake.
	c.reloading.Lock()
	streamtest.Want(t, "while the files are read", serial(now.Add(8*time.Second)), int64(3))
	c.reloading.Unlock()

	_, err = LoadCertificate(filepath.Join(dir, "none"), key, slog.New(slog.DiscardHandler))
	streamtest.Want(t, "a missing file is an error", err != nil, true)
}
