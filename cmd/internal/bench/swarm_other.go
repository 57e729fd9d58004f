//go:build !linux

package bench

import "context"

// A swarm is for systems with epoll. Elsewhere every connection has a goroutine.
type swarm struct{}

func newSwarm(context.Context, func(func())) (*swarm, error) { return nil, nil }

func (*swarm) cut() {}

func (*swarm) adopt(*wireConn, feeder, func(error)) bool { return false }
