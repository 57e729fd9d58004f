//go:build !linux

package conn

import (
	"context"
	"net"
)

const supported = false

// A socket does not exist on this system: [Conn.Open] fails before it needs one.
type socket int

const noSocket socket = -1

func socketOf(*net.TCPConn) (socket, error) { return noSocket, ErrNotSupported }
func (socket) write([]byte) (int, error)    { return 0, ErrNotSupported }
func (socket) read([]byte) (int, error)     { return 0, ErrNotSupported }

// A Poller watches nothing on this system.
type Poller struct{}

type place struct{}

// NewPoller returns a poller that watches nothing.
func NewPoller() *Poller { return &Poller{} }

// Run does nothing.
func (*Poller) Run(context.Context) error { return nil }

func (*Poller) add(*Conn, Watcher, bool) error { return ErrNotSupported }
func (*Poller) remove(*Conn)                   {}
