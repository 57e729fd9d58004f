//go:build !linux

package bench

import "context"

// epollReaders takes no connections: this system has no epoll, so each connection has a
// goroutine.
type epollReaders struct{}

func newEpollReaders(context.Context, func(func())) (*epollReaders, error) { return nil, nil }

func (*epollReaders) cut() {}

func (*epollReaders) cutSome(int) int { return 0 }

func (*epollReaders) add(*rawConn, feeder, func(error)) bool { return false }
