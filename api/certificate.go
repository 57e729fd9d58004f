package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-live/tidings/stream/faults"
)

// certificateEvery is the time between two looks at the files of a certificate.
const certificateEvery = time.Second

// A Certificate is a key pair in two PEM files. If the files change, the new pair is
// used for handshakes about two seconds later. If the new pair cannot be read, the old one
// stays in use, a warning is logged at most once a minute, and the failures are counted.
type Certificate struct {
	certFile, keyFile string
	faults            *faults.Work
	pair              atomic.Pointer[tls.Certificate]

	mu     sync.Mutex // guards looked; not held while the files are read
	looked time.Time  // when the last look began

	// reloading is held by the goroutine that looks at the files. It guards the fields
	// below.
	reloading sync.Mutex
	version   [2]time.Time // modification times of the files that pair was read from
}

// LoadCertificate reads the pair. It returns an error if that fails.
func LoadCertificate(certFile, keyFile string, logger *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, looked: time.Now(),
		faults: faults.New(logger, "certificate not reloaded, the old one stays in use", "certificate reloaded")}
	return c, c.reloadLocked()
}

// TLSConfig returns a configuration for [Server.Serve]. It offers HTTP/2 and HTTP/1.1,
// over TLS 1.2 or newer.
func (c *Certificate) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(time.Now()), nil },
	}
}

// Failures returns how often the files could not be read again; 0 without a certificate.
func (c *Certificate) Failures() int64 {
	if c == nil {
		return 0
	}
	return c.faults.Failures()
}

// current returns the pair. If the last look at the files was a second ago, a goroutine
// looks at them for the handshakes that follow: no handshake waits for a disk.
func (c *Certificate) current(now time.Time) *tls.Certificate {
	if c.due(now) {
		go c.look()
	}
	return c.pair.Load()
}

// due reports whether it is time to look at the files. It is false for other callers in
// the second that follows.
func (c *Certificate) due(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < certificateEvery {
		return false
	}
	c.looked = now
	return true
}

// look reads the files again if they changed, unless another goroutine still does.
func (c *Certificate) look() {
	if !c.reloading.TryLock() {
		return
	}
	defer c.reloading.Unlock()
	c.faults.Note(context.Background(), c.reloadLocked())
}

// reloadLocked reads the files if they changed since pair was read. It fails while only
// one of the two files has been replaced. The caller holds reloading, or is alone.
func (c *Certificate) reloadLocked() error {
	cert, certErr := os.Stat(c.certFile)
	key, keyErr := os.Stat(c.keyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	version := [2]time.Time{cert.ModTime(), key.ModTime()}
	if version == c.version {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	c.pair.Store(&pair)
	c.version = version
	return nil
}
