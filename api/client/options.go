package client

import (
	"net/url"
	"time"
)

// StreamOption adjusts Stream and Follow.
type StreamOption func(*streamOptions)

type streamOptions struct {
	header   bool
	maxBlock int
	params   url.Values
	silence  time.Duration
	learn    bool // take the silence limit from stream.ready
	onRetry  RetryFunc
}

// RetryFunc is told why a connection ended, io.EOF when the server ended it, and
// how long it will be until the next attempt.
type RetryFunc func(err error, wait time.Duration)

// newStreamOptions applies opts on top of o.
func newStreamOptions(opts []StreamOption, o streamOptions) streamOptions {
	o.maxBlock, o.params = DefaultMaxBlock, url.Values{}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithLastEventID sends the cursor in the Last-Event-ID header, as a browser that
// reconnects does, and not in the address.
func WithLastEventID() StreamOption {
	return func(o *streamOptions) { o.header = true }
}

// WithMaxBlock ends the stream with ErrBlockTooLarge on an event of more than n
// bytes. The default is DefaultMaxBlock.
func WithMaxBlock(n int) StreamOption {
	return func(o *streamOptions) { o.maxBlock = n }
}

// WithParam adds a parameter to the stream's address: envelope, heartbeat, ticket.
// A ticket opens one stream, so a Follow with one ends when it has to reconnect.
func WithParam(name, value string) StreamOption {
	return func(o *streamOptions) { o.params.Add(name, value) }
}

// WithSilenceLimit ends the stream with ErrSilent when for d no byte arrives that
// somebody waits for; 0 means never. A Stream has no limit unless it is given
// one; Follow learns its own from the heartbeat that the server announces.
func WithSilenceLimit(d time.Duration) StreamOption {
	return func(o *streamOptions) { o.silence, o.learn = d, false }
}

// WithRetryFunc has fn called before each wait of Follow and FollowPoll.
func WithRetryFunc(fn RetryFunc) StreamOption {
	return func(o *streamOptions) { o.onRetry = fn }
}
