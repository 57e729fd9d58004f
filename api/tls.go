package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateEvery is how often the files of a certificate are looked at, at most.
const certificateEvery = time.Second

// A Certificate is a key pair in two PEM files. A pair that is replaced is used from
// the next handshake on; while the new one can't be read, the old one stays.
type Certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex // guards what follows
	pair    *tls.Certificate
	version [2]time.Time // of the files that were read last
	looked  time.Time
}

// LoadCertificate reads the pair.
func LoadCertificate(certFile, keyFile string, logger *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, logger: logger, looked: time.Now()}
	return c, c.reload()
}

// TLSConfig is for [tls.NewListener]: it offers HTTP/2 and HTTP/1.1.
func (c *Certificate) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(time.Now()), nil },
	}
}

// current is the pair, read again if its files have changed.
func (c *Certificate) current(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) >= certificateEvery {
		c.looked = now
		if err := c.reload(); err != nil {
			c.logger.Warn("certificate not reloaded", "err", err)
		}
	}
	return c.pair
}

// reload reads the files if they aren't those that were read last.
func (c *Certificate) reload() error {
	cert, certErr := os.Stat(c.certFile)
	key, keyErr := os.Stat(c.keyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	version := [2]time.Time{cert.ModTime(), key.ModTime()}
	if c.pair != nil && version == c.version {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil { // perhaps one of the two is not written yet: try again
		return fmt.Errorf("load certificate: %w", err)
	}
	c.pair, c.version = &pair, version
	return nil
}
