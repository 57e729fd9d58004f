package tcpproxy

import (
	"net"
	"sync"
	"time"
)

const (
	fastChunk = 32 << 10
	// slowChunk is the size of a read while the rate is limited: smaller reads spread
	// the bytes over time.
	slowChunk = 4 << 10
)

// link is one connection through a proxy.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	done           chan struct{} // closed when both ends are closed
	once           sync.Once     // closes done
	hole           chan struct{} // closed when all bytes are dropped from now on
	holed          sync.Once     // closes hole
}

// carry copies in both directions until either end closes.
func (l *link) carry() {
	var ways sync.WaitGroup
	ways.Go(func() {
		l.pump(l.client, l.server, ToClient)
		if l.drops() {
			<-l.done // the client does not learn that the server has closed
		}
		l.close()
	})
	ways.Go(func() {
		l.pump(l.server, l.client, ToServer)
		l.close()
	})
	ways.Wait()
}

// pump copies one direction until either end closes.
func (l *link) pump(dst, src net.Conn, way Way) {
	buffer := make([]byte, fastChunk)
	for {
		n, err := src.Read(buffer[:l.proxy.chunk()])
		if n > 0 && !l.admit(n, way) {
			return
		}
		if n > 0 && !l.drops() {
			if _, err := dst.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// admit waits until n bytes that have arrived may pass. It returns false if the
// connection has been closed meanwhile.
func (l *link) admit(n int, way Way) bool {
	hold, pause := l.proxy.arrived(n, way)
	if hold != nil {
		select {
		case <-hold.released:
		case <-l.hole:
		case <-l.done:
			return false
		}
	}
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.done:
			return false
		}
	}
	return true
}

// drops reports whether the bytes of this connection are dropped.
func (l *link) drops() bool {
	select {
	case <-l.hole:
		return true
	default:
		return false
	}
}

func (l *link) close() {
	l.once.Do(func() { close(l.done); l.client.Close(); l.server.Close() })
}
