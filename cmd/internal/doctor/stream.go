package doctor

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

const (
	// delayedEvents is how many events are published to find the fastest one. If all of
	// them are late, more are published: a proxy delays each event, a busy server some.
	delayedEvents     = 10
	mostDelayedEvents = 30
	// mostDelay is how much longer the fastest event may take than the fastest answer to a
	// publication. HAProxy without http-no-delay adds 200 ms to each event.
	mostDelay = 150 * time.Millisecond
	// silence is longer than two heartbeats of 15 s.
	silence = 40 * time.Second
)

// checkBuffering opens a stream as a browser does. stream.ready must arrive at once, and
// the answer must not be compressed.
func (x *examination) checkBuffering(ctx context.Context) Finding {
	const check = "buffering"
	ctx, cancel := context.WithTimeout(ctx, x.cfg.Patience)
	defer cancel()
	head := http.Header{"Accept": {"text/event-stream"}, "Accept-Encoding": {"gzip, deflate, br, zstd"}}
	answer, err := x.send(ctx, http.MethodGet, "/v1/events?topic="+url.QueryEscape(x.topic), head)
	if err != nil {
		return x.late(check, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return wrong(check, nil, "a stream is answered %s", answer.Status)
	}
	if kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")); kind != "text/event-stream" {
		return wrong(check, nil, "a stream is answered with %q: is this the address of Tidings, or of a login page?", kind)
	}
	if coding := answer.Header.Get("Content-Encoding"); coding != "" {
		return wrong(check, x.fix(compressed), "the stream is compressed (%s): a proxy holds events back to compress them", coding)
	}
	started := time.Now()
	if _, err := answer.Body.Read(make([]byte, 1)); err != nil {
		return x.late(check, err)
	}
	return ok(check, "a stream begins %s after its head", seconds(time.Since(started)))
}

// late is the finding for a stream that does not begin within Patience.
func (x *examination) late(check string, err error) Finding {
	if errors.Is(err, context.DeadlineExceeded) {
		return wrong(check, x.fix(buffered),
			"the first event of a stream did not arrive within %s: a proxy holds it back until its buffer is full", seconds(x.cfg.Patience))
	}
	return wrong(check, nil, "a stream ends before its first event: %v", err)
}

// open opens a stream at the head of the log and waits for stream.ready, without a limit but
// that of ctx, which also ends the stream. The caller closes the stream.
func (x *examination) open(ctx context.Context, topic string) (*client.Stream, error) {
	s, err := x.client.Stream(ctx, []string{topic}, "now", client.WithSilenceLimit(silence))
	if err != nil {
		return nil, err
	}
	if e, err := s.Next(); err != nil || e.Name != "stream.ready" {
		s.Close()
		return nil, fmt.Errorf("the stream does not begin: %s %w", e.Name, err)
	}
	return s, nil
}

// checkDelay publishes events, and compares the fastest event with the fastest answer, both
// since their publications were sent. A busy machine delays some of them, a proxy that waits
// for more bytes each event, and a slow disk or network events and answers by the same time.
func (x *examination) checkDelay(ctx context.Context) Finding {
	const check = "delay"
	if x.cfg.Token == "" {
		return skipped(check, "set --secret or --token to publish events")
	}
	ctx, cancel := context.WithTimeout(ctx, x.cfg.Patience+requestTimeout)
	defer cancel()
	opened, stop := context.WithCancel(ctx) // ends the stream, too
	defer stop()
	patience := time.AfterFunc(x.cfg.Patience, stop)
	s, err := x.open(opened, x.topic)
	if !patience.Stop() || err != nil {
		return skipped(check, "the stream does not begin: see buffering")
	}
	defer s.Close()
	answer, event, sent, began := time.Hour, time.Hour, 0, time.Now() // the fastest ones
	for ; sent < delayedEvents || event-answer > mostDelay && sent < mostDelayedEvents && time.Since(began) < x.cfg.Patience; sent++ {
		started := time.Now()
		if err := x.client.Publish(ctx, x.topic, "doctor", sent); err != nil {
			return wrong(check, nil, "an event could not be published: %v", err)
		}
		answer = min(answer, time.Since(started))
		for {
			e, err := s.Next()
			if err != nil {
				return wrong(check, x.fix(buffered), "a published event did not arrive: %v", err)
			}
			if e.Name == "doctor" {
				break
			}
		}
		event = min(event, time.Since(started))
	}
	late := max(0, event-answer).Milliseconds()
	if event-answer > mostDelay {
		return wrong(check, x.fix(delayed), "each event is at least %d ms late: a proxy waits for more bytes before it sends them", late)
	}
	return ok(check, "the fastest of %d events came %d ms after the fastest answer", sent, late)
}

// checkIdle watches a stream that has only heartbeats for Config.Idle. A stream.bye is no
// fault: the server ended the stream, and not a proxy.
func (x *examination) checkIdle(ctx context.Context) Finding {
	const check = "idle"
	if x.cfg.Idle <= 0 {
		return skipped(check, "--idle is 0")
	}
	ctx, cancel := context.WithTimeout(ctx, x.cfg.Idle)
	defer cancel()
	started := time.Now()
	s, err := x.open(ctx, x.topic+"-idle")
	if err != nil {
		return skipped(check, "the stream does not begin: see buffering")
	}
	defer s.Close()
	for {
		e, err := s.Next()
		lasted := time.Since(started)
		switch {
		case ctx.Err() != nil:
			return ok(check, "a stream with nothing but heartbeats stays open for %s", seconds(lasted))
		case err == nil && e.Name == "stream.bye":
			return ok(check, "the server ended the stream after %s, with %s", seconds(lasted), e.Data)
		case errors.Is(err, client.ErrSilent):
			return wrong(check, x.fix(buffered), "no heartbeat arrived for %s: a proxy holds them back", seconds(silence))
		case err != nil:
			return wrong(check, x.fix(cut), "a quiet stream is cut after %s (%v): readers reconnect all the time", seconds(lasted), err)
		}
	}
}

// checkPoll waits with a poll for Config.Poll, at most 30 s, the longest wait of a server. A
// poll is silent for longer than a stream, which has heartbeats.
func (x *examination) checkPoll(ctx context.Context) Finding {
	const check = "poll"
	if x.cfg.Poll <= 0 {
		return skipped(check, "--poll is 0")
	}
	ctx, cancel := context.WithTimeout(ctx, x.cfg.Poll+requestTimeout)
	defer cancel()
	topics := []string{x.topic + "-poll"}
	head, err := x.client.Poll(ctx, topics, "now", 0, 0)
	if err != nil {
		return wrong(check, nil, "a poll is refused: %v", err)
	}
	started := time.Now()
	if _, err := x.client.Poll(ctx, topics, head.Cursor, x.cfg.Poll, 0); err != nil {
		return wrong(check, x.fix(cut), "a poll is cut after %s: %v", seconds(time.Since(started)), err)
	}
	return ok(check, "a poll waited for %s and got its answer", seconds(time.Since(started)))
}
