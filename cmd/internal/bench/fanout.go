package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
)

const (
	eventName  = "bench.message" // the event that is published
	eventBytes = 200             // of its data
	flatFactor = 4               // times as many are published flat out as paced: these are quick
)

// Fanout is what it takes to have many readers of one post.
type Fanout struct {
	Readers   int      `json:"readers"`
	Stopped   int      `json:"stopped"` // others, who read nothing of their streams
	Transport string   `json:"transport"`
	Connect   Connect  `json:"connect"`
	Memory    *Memory  `json:"memory,omitempty"` // nil when the process is not known
	Paced     Delivery `json:"paced"`
	FlatOut   Delivery `json:"flatOut"`
}

// Connect is how long it took until the server had taken in all readers.
type Connect struct {
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"perSecond"`
}

// Memory is resident memory of the server's process, in KB.
type Memory struct {
	Before    float64 `json:"beforeKB"`
	Idle      float64 `json:"idleKB"` // with all readers, and nothing to read
	PerReader float64 `json:"perReaderKB"`
	Loaded    float64 `json:"loadedKB"` // after all events
}

// Delivery is a number of events to all readers.
type Delivery struct {
	Messages   int     `json:"messages"` // acknowledged
	Failed     int     `json:"failed"`
	Failure    string  `json:"failure,omitempty"` // the first
	Rate       float64 `json:"messagesPerSecond"`
	Publish    Summary `json:"publish"` // until its answer
	Deliveries int64   `json:"deliveries"`
	Seconds    float64 `json:"seconds"` // from the first publish to the last arrival
	PerSecond  float64 `json:"deliveriesPerSecond"`
	Latency    Summary `json:"latency"` // from before the publish to each reader
	Faults     Faults  `json:"faults"`
	Cost       Cost    `json:"cost"` // each: of a delivery
}

func (c Config) fanout(ctx context.Context, t *target, report *Report) error {
	writers, err := t.writers(c.Publishers, auth.RoleService)
	if err != nil {
		return err
	}
	post := t.post("fanout", 0)
	f, pool, err := c.connectFanout(ctx, t, post)
	if err != nil {
		return err
	}
	defer pool.stop()

	release, err := t.connectStopped(ctx, c.Stopped, post, writers[0])
	if err != nil {
		return err
	}
	defer release()

	load := &load{workers: c.Publishers, posts: 1, send: t.publish(writers, "post:"+post), now: t.now}
	t.out.logf("fan-out: %d events at %g/s", c.Messages, c.Rate)
	load.more = paced(c.Messages, c.Rate)
	if f.Paced, err = pool.deliver(ctx, load); err != nil {
		return err
	}
	t.out.logf("fan-out: %d events flat out", flatFactor*c.Messages)
	load.more = times(flatFactor * c.Messages)
	if f.FlatOut, err = pool.deliver(ctx, load); err != nil {
		return err
	}
	if f.Memory != nil {
		f.Memory.Loaded = t.resident(ctx)
	}
	f.print(t.out, c)
	report.Fanout = f
	return nil
}

// gather connects the readers, and weighs the server before and after.
func (c Config) connectFanout(ctx context.Context, t *target, post string) (*Fanout, *readerPool, error) {
	t.out.logf("fan-out: %d readers connect by %s", c.Readers, c.transport())
	before := t.resident(ctx)
	pool, err := t.connectReaders(ctx, readerSpec{
		poll: c.Poll, event: eventName, posts: []string{post}, readers: c.Readers,
	})
	if err != nil {
		return nil, nil, err
	}
	f := &Fanout{Readers: c.Readers, Stopped: c.Stopped, Transport: c.transport()}
	f.Connect = Connect{pool.opened.Seconds(), float64(c.Readers) / pool.opened.Seconds()}
	if before > 0 {
		idle := t.resident(ctx)
		f.Memory = &Memory{Before: before, Idle: idle, PerReader: (idle - before) / float64(c.Readers)}
	}
	return f, pool, nil
}

// publish returns the act of publishing message n as one of the writers, to the topic
// at the same place.
func (t *target) publish(writers []*client.Client, topics ...string) sendFunc {
	return func(ctx context.Context, worker, n int) error {
		return writers[worker].Publish(ctx, topics[worker%len(topics)], eventName, dataOf(mark{n, t.now()}))
	}
}

// dataOf is the data of an event, filled up to its size.
func dataOf(m mark) json.RawMessage {
	const open, end = `{"text":"`, `"}`
	text := m.String()
	return json.RawMessage(open + text + strings.Repeat("x", max(0, eventBytes-len(open+text+end))) + end)
}

// deliver runs one load to all readers.
func (f *readerPool) deliver(ctx context.Context, l *load) (d Delivery, err error) {
	before := f.target.usage()
	sent, seen, err := f.measure(ctx, "fan-out", l)
	if err != nil {
		return d, err
	}
	return f.delivery(before, sent, seen), nil
}

// delivery puts the figures together of what was sent and seen since.
func (f *readerPool) delivery(before usage, sent sent, seen observed) Delivery {
	cost := f.target.costSince(before, seen.received) // before it is summed up here
	seconds := (seen.lastAt - sent.begin).Seconds()
	return Delivery{
		Messages: len(sent.took), Failed: sent.failures(), Failure: sent.failure(),
		Rate: ratioOf(float64(len(sent.took)), sent.seconds()), Publish: summarize(sent.took),
		Deliveries: seen.received, Seconds: seconds, PerSecond: ratioOf(float64(seen.received), seconds),
		Latency: summarize(seen.latency), Faults: seen.faults,
		Cost: cost,
	}
}

func (f *Fanout) print(out printer, c Config) {
	t := out.table("Fan-out: %d readers of one post, by %s, events of %d bytes", f.Readers, f.Transport, eventBytes)
	if f.Stopped > 0 {
		out.line("beside %s who stopped reading", countOf(f.Stopped, "reader"))
	}
	t.times(fmt.Sprintf("at %g events/s: until each reader has it", c.Rate), f.Paced.Latency)
	t.times("publish answered", f.Paced.Publish)
	t.times("flat out: until each reader has it", f.FlatOut.Latency)
	t.times("publish answered", f.FlatOut.Publish)
	out.line("connected: %.0f readers/s, all in %.2f s", f.Connect.PerSecond, f.Connect.Seconds)
	if m := f.Memory; m != nil {
		out.line("server's resident memory: %.0f KB before, %.1f KB for each idle reader, %.0f KB after the load", m.Before, m.PerReader, m.Loaded)
	}
	f.Paced.print(out, fmt.Sprintf("at %g/s", c.Rate))
	f.FlatOut.print(out, "flat out")
}

func (d Delivery) print(out printer, how string) {
	out.line("%s: %.0f deliveries/s: %d, of %d events in %.2f s, %d publishes failed", how, d.PerSecond, d.Deliveries, d.Messages, d.Seconds, d.Failed)
	if d.Failed > 0 {
		out.line("   the first to fail: %s", d.Failure)
	}
	out.line("   %v", d.Faults)
	out.cost("   ", d.Cost, "delivery")
}
