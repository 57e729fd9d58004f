package stream

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// certificate makes a self-signed certificate.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// encrypted returns both ends of a TLS connection. The far end can be taken over.
func encrypted(t testing.TB, version uint16) (near, far *tls.Conn) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := tls.NewListener(Gate(tcp), &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MaxVersion: version})
	defer l.Close()
	accepted := make(chan *tls.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = conn.(*tls.Conn).Handshake()
		}
		if err != nil {
			t.Error(err)
		}
		accepted <- conn.(*tls.Conn)
	}()
	near, err = tls.Dial("tcp", tcp.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	far = <-accepted
	tcpConn, _ := TCP(far)
	if err := tcpConn.SetWriteBuffer(32 << 10); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestTakeOverOfTLS(t *testing.T) {
	t.Parallel()
	topics := []Topic{post42}

	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run("CarriesEvents"+name, func(t *testing.T) {
			t.Parallel()
			log := padded{newMemoryLog(), large(20_000)} // more than a record
			h := live(t, log, HubConfig{})
			near, far := encrypted(t, version)
			c := attachTo(t, h, FeedConfig{Topics: topics}, near, far)
			const n = 200 // more than the socket takes at once
			log.append(slices.Repeat([]Topic{post42}, n)...)
			h.Wake()
			streamtest.Eventually(t, "bytes wait for the socket", func() bool { return h.Stats().Unsent > 0 })
			if got, want := c.all(n, "x"), texts(log.want(0, post42)); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
			near.Close() // sends an alert
			if end := <-c.ended; end != EndLeft {
				t.Errorf("ended with %q", end)
			}
			if unsent := h.Stats().Unsent; unsent != 0 {
				t.Errorf("%d bytes are counted as unsent", unsent)
			}
		})
	}
	t.Run("KeepsTheConnectionAfterAnOrderlyEnd", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		near, far := encrypted(t, tls.VersionTLS13)
		c := attachTo(t, h, FeedConfig{Topics: topics, MaxAge: 50 * time.Millisecond}, near, far)
		c.block()
		if rest, err := io.ReadAll(c.lines); err != nil || len(rest) > 0 {
			t.Errorf("after the end came %q, %v", rest, err)
		}
		conn := <-c.kept
		if conn == nil {
			t.Fatal("it was closed")
		}
		go io.WriteString(conn, "again\n")
		if line, err := bufio.NewReader(near).ReadString('\n'); line != "again\n" {
			t.Errorf("over the same connection came %q, %v", line, err)
		}
		go io.WriteString(near, "and back\n")
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "and back\n" {
			t.Errorf("back came %q, %v", line, err)
		}
	})
	t.Run("ClosesAConnectionOnWhichARequestWasRead", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		near, far := encrypted(t, tls.VersionTLS13)
		io.WriteString(near, "GET / HTTP/1.1\r\n\r\n") // TLS has to read it before the stream ends
		c := attachTo(t, h, FeedConfig{Topics: topics, MaxAge: time.Millisecond}, near, far)
		c.block()
		if conn := <-c.kept; conn != nil {
			t.Error("a request was read and forgotten")
		}
	})
	t.Run("CutsAClientThatWritesInsteadOfReading", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		near, far := encrypted(t, tls.VersionTLS13)
		c := attachTo(t, h, FeedConfig{Topics: topics}, near, far)
		go func() {
			for err := error(nil); err == nil; {
				_, err = near.Write(make([]byte, 4<<10))
			}
		}()
		if end := <-c.ended; end != EndLeft {
			t.Errorf("ended with %q", end)
		}
	})
	t.Run("AnswersAPoll", func(t *testing.T) {
		t.Parallel()
		log := newMemoryLog()
		h := live(t, log, HubConfig{})
		near, far := encrypted(t, tls.VersionTLS13)
		w := waitAt(t, h, Now, time.Hour, near, far)
		log.append(post42)
		h.Wake()
		if got := w.line(t); got != "1 1-1 <nil> true 1\n" {
			t.Errorf("got %q", got)
		}
		_, err := io.WriteString(near, "next\n")
		streamtest.Must(t, err)
		if <-w.kept == nil || string(<-w.read) != "next\n" {
			t.Error("the connection did not come back with the next request")
		}
	})
}
