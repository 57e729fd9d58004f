package stream

import (
	"log/slog"
	"runtime"
	"time"
)

// HubConfig configures a [Hub]. The zero value has the defaults.
type HubConfig struct {
	// RingEvents and RingBytes bound the recent events that are kept in memory for readers
	// that resume. Default: 10,000 events and 32 MiB, whichever is reached first.
	RingEvents int
	RingBytes  int
	// Backlog is how many frames may wait for a live reader. If more would wait, the reader
	// falls behind and reads on from the ring. Default: 1,024.
	Backlog int
	// Shards is the number of shards. Each has one worker, which writes to the streams of
	// the shard. Default: one for each processor that Go uses (GOMAXPROCS).
	Shards int
	// Batch is how many events are read from the log at once. Default: 1,000.
	Batch int
	// Replays is how many reads of the log for readers that are behind may happen at the
	// same time. Other readers wait. Default: 4.
	Replays int
	// Gather is the least time between two reads of the log if the first read returned more
	// than four events, so that events of many writers are delivered together. Default:
	// 4 ms; negative: none.
	Gather time.Duration
	// Tick is the time after which the log is read without a call of Wake. Default: 5 s.
	Tick time.Duration
	// Patience is how long the socket of a reader may accept no byte while bytes wait for
	// it. Then the reader is disconnected, and can resume from its cursor. A reader whose
	// socket takes more than three times as long for one part of about 32 KiB gets
	// stream.bye with the reason slow. Default: 10 s.
	Patience time.Duration
	// Logger gets messages for the operator. Default: discard.
	Logger *slog.Logger
}

func (c HubConfig) withDefaults() HubConfig {
	c.RingEvents = orDefault(c.RingEvents, 10_000)
	c.RingBytes = orDefault(c.RingBytes, 32<<20)
	c.Backlog = orDefault(c.Backlog, 1_024)
	c.Shards = orDefault(c.Shards, runtime.GOMAXPROCS(0))
	c.Batch = orDefault(c.Batch, 1_000)
	c.Replays = orDefault(c.Replays, 4)
	if c.Gather == 0 {
		c.Gather = 4 * time.Millisecond
	}
	c.Tick = orDefault(c.Tick, 5*time.Second)
	c.Patience = orDefault(c.Patience, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}
