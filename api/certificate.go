package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificateEvery is the time between two looks at the files of a certificate.
const certificateEvery = time.Second

// A Certificate is a key pair in two PEM files. If the files change, the new pair is
// used for handshakes about a second later. If the new pair cannot be read, the old one
// stays in use, and one warning is logged until a pair can be read again.
type Certificate struct {
	certFile, keyFile string
	logger            *slog.Logger
	pair              atomic.Pointer[tls.Certificate]

	// reloading is held by the handshake that looks at the files. Others do not wait
	// for it: they use the current pair. It guards the fields below.
	reloading sync.Mutex
	looked    time.Time
	version   [2]time.Time // modification times of the files that pair was read from
	broken    bool         // the last look failed, and that was logged
}

// LoadCertificate reads the pair. It returns an error if that fails.
func LoadCertificate(certFile, keyFile string, logger *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, logger: logger, looked: time.Now()}
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

// current returns the pair, after a look at the files if the last one was a second ago.
func (c *Certificate) current(now time.Time) *tls.Certificate {
	if c.reloading.TryLock() {
		c.lookLocked(now)
		c.reloading.Unlock()
	}
	return c.pair.Load()
}

// lookLocked reads the files again at most once a second. It logs the first of several
// failures. The caller holds reloading.
func (c *Certificate) lookLocked(now time.Time) {
	if now.Sub(c.looked) < certificateEvery {
		return
	}
	c.looked = now
	err := c.reloadLocked()
	if err != nil && !c.broken {
		c.logger.Warn("certificate not reloaded, the old one stays in use", "err", err)
	}
	c.broken = err != nil
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
