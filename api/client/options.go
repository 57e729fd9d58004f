package client

import (
	"net/url"
	"time"
)

// StreamOption configures [Client.Stream], [Client.Follow] and the calls that poll.
type StreamOption func(*streamOptions)

type streamOptions struct {
	header   bool
	maxBlock int
	params   url.Values
	silence  time.Duration
	learn    bool // the silence limit is set from stream.ready
	onRetry  RetryFunc
}

// RetryFunc is called before each wait for the next attempt. err is the reason why the
// connection or poll ended; it is io.EOF if the server ended the stream in order.
type RetryFunc func(err error, wait time.Duration)

// newStreamOptions applies opts to o.
func newStreamOptions(opts []StreamOption, o streamOptions) streamOptions {
	o.maxBlock, o.params = DefaultMaxBlock, url.Values{}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithLastEventID sends the cursor in the header Last-Event-ID, as a browser does when
// it reconnects, instead of the parameter cursor.
func WithLastEventID() StreamOption {
	return func(o *streamOptions) { o.header = true }
}

// WithMaxBlock ends the stream with [ErrBlockTooLarge] when an event has more than n
// bytes. The default is [DefaultMaxBlock].
func WithMaxBlock(n int) StreamOption {
	return func(o *streamOptions) { o.maxBlock = n }
}

// WithParam adds a parameter to the stream's address, such as envelope, heartbeat,
// padding or ticket. A ticket opens one stream, so a Follow with a ticket ends when it
// reconnects.
func WithParam(name, value string) StreamOption {
	return func(o *streamOptions) { o.params.Add(name, value) }
}

// WithPresence asks for presence events: the readers of the posts among the topics, when they
// change. [Client.Presence] returns the readers now.
func WithPresence() StreamOption { return WithParam("presence", "1") }

// WithSilenceLimit ends the stream with [ErrSilent] when a call of [Stream.Next] waits
// longer than d for the next byte. 0 means no limit, which is the default of
// [Client.Stream]. The default of [Client.Follow] is two heartbeats, as stream.ready
// announces them, plus 5 seconds.
func WithSilenceLimit(d time.Duration) StreamOption {
	return func(o *streamOptions) { o.silence, o.learn = d, false }
}

// WithRetryFunc sets a function that is called before each wait of [Client.Follow] and
// [Client.FollowPoll].
func WithRetryFunc(fn RetryFunc) StreamOption {
	return func(o *streamOptions) { o.onRetry = fn }
}
