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
	eventName  = "bench.message" // name of the events that are published
	eventBytes = 200             // length of an event's data
	flatFactor = 4               // events sent flat out for each paced event
)

// Fanout has the figures of many readers of one post.
type Fanout struct {
	Readers   int      `json:"readers"`
	Stopped   int      `json:"stopped"` // additional readers that read nothing of their streams
	Transport string   `json:"transport"`
	Connect   Connect  `json:"connect"`
	Memory    *Memory  `json:"memory,omitempty"` // nil if the server's process is not known
	Paced     Delivery `json:"paced"`
	FlatOut   Delivery `json:"flatOut"`
}

// Connect is the time until the server had accepted all readers.
type Connect struct {
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"perSecond"`
}

// Memory is resident memory of the server's process, in KB.
type Memory struct {
	Before    float64 `json:"beforeKB"`
	Idle      float64 `json:"idleKB"` // with all readers connected and no events sent
	PerReader float64 `json:"perReaderKB"`
	Loaded    float64 `json:"loadedKB"` // after all events
}

// Delivery has the figures of a number of events that were sent to all readers.
type Delivery struct {
	Messages   int     `json:"messages"` // acknowledged
	Failed     int     `json:"failed"`
	Failure    string  `json:"failure,omitempty"` // the first
	Rate       float64 `json:"messagesPerSecond"`
	Publish    Summary `json:"publish"` // until the response to a publish
	Deliveries int64   `json:"deliveries"`
	Seconds    float64 `json:"seconds"` // from the first publish to the last arrival
	PerSecond  float64 `json:"deliveriesPerSecond"`
	Latency    Summary `json:"latency"` // from before the publish to each reader
	Faults     Faults  `json:"faults"`
	Cost       Cost    `json:"cost"` // per delivery
}

// fanout connects many readers to one post, and publishes events at a steady rate and
// then flat out.
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

// connectFanout connects the readers, and reads the server's memory before and after.
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

// publish returns a load's send function: worker w publishes to topic w modulo their
// number.
func (t *target) publish(writers []*client.Client, topics ...string) sendFunc {
	return func(ctx context.Context, worker, n int) error {
		return writers[worker].Publish(ctx, topics[worker%len(topics)], eventName, dataOf(mark{n, t.now()}))
	}
}

// dataOf returns the data of an event, padded to eventBytes.
func dataOf(m mark) json.RawMessage {
	const open, end = `{"text":"`, `"}`
	text := m.String()
	return json.RawMessage(open + text + strings.Repeat("x", max(0, eventBytes-len(open+text+end))) + end)
}

// deliver runs one load and returns its figures.
func (p *readerPool) deliver(ctx context.Context, l *load) (d Delivery, err error) {
	before := p.target.usage()
	sent, seen, err := p.measure(ctx, "fan-out", l)
	if err != nil {
		return d, err
	}
	return p.delivery(before, sent, seen), nil
}

// delivery returns the figures of a load whose CPU time counts from before.
func (p *readerPool) delivery(before usage, sent sent, seen observed) Delivery {
	cost := p.target.costSince(before, seen.received) // before this process spends time on the sums
	seconds := (seen.lastAt - sent.begin).Seconds()
	return Delivery{
		Messages: len(sent.took), Failed: sent.failures(), Failure: sent.failure(),
		Rate: sent.perSecond(), Publish: summarize(sent.took),
		Deliveries: seen.received, Seconds: seconds, PerSecond: ratioOf(float64(seen.received), seconds),
		Latency: summarize(seen.latency), Faults: seen.faults,
		Cost: cost,
	}
}

// print writes the table of the section: latency, connecting, memory and both loads.
func (f *Fanout) print(out printer, c Config) {
	t := out.table("Fan-out: %d readers of one post, by %s, events of %d bytes", f.Readers, f.Transport, eventBytes)
	if f.Stopped > 0 {
		out.line("and %s that stopped reading", countOf(f.Stopped, "reader"))
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

// print writes the lines about one load; how says which.
func (d Delivery) print(out printer, how string) {
	out.line("%s: %.0f deliveries/s: %d, of %d events in %.2f s, %d publishes failed", how, d.PerSecond, d.Deliveries, d.Messages, d.Seconds, d.Failed)
	if d.Failed > 0 {
		out.line("   the first failure: %s", d.Failure)
	}
	out.line("   %v", d.Faults)
	out.cost("   ", d.Cost, "delivery")
}
