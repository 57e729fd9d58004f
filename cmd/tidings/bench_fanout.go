package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidings-live/tidings/api"
	"github.com/tidings-live/tidings/api/client"
)

const (
	benchEvent = "bench.message" // the event that is published
	benchBytes = 200             // of its data
	benchFlat  = 4               // times as many are published flat out as paced: these are quick
)

// benchFanout is what it takes to have many readers of one post.
type benchFanout struct {
	Readers   int           `json:"readers"`
	Transport string        `json:"transport"`
	Connect   benchConnect  `json:"connect"`
	Memory    *benchMemory  `json:"memory,omitempty"` // nil when the process is not known
	Paced     benchDelivery `json:"paced"`
	FlatOut   benchDelivery `json:"flatOut"`
}

type benchConnect struct {
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"perSecond"`
}

// benchMemory is resident memory of the server's process, in KB.
type benchMemory struct {
	Before    float64 `json:"beforeKB"`
	Idle      float64 `json:"idleKB"` // with all readers, and nothing to read
	PerReader float64 `json:"perReaderKB"`
	Loaded    float64 `json:"loadedKB"` // after all events
}

// benchDelivery is a number of events to all readers.
type benchDelivery struct {
	Messages   int          `json:"messages"` // acknowledged
	Failed     int          `json:"failed"`
	Failure    string       `json:"failure,omitempty"` // the first
	Rate       float64      `json:"messagesPerSecond"`
	Publish    benchSummary `json:"publish"` // until its answer
	Deliveries int64        `json:"deliveries"`
	Seconds    float64      `json:"seconds"` // from the first publish to the last arrival
	PerSecond  float64      `json:"deliveriesPerSecond"`
	Latency    benchSummary `json:"latency"` // from before the publish to each reader
	Faults     benchFaults  `json:"faults"`
	Cost       benchCost    `json:"cost"` // each: of a delivery
}

func (c *benchCommand) fanout(ctx context.Context, t *benchTarget, report *benchReport) error {
	writers, err := t.writers(c.Publishers, api.RoleService)
	if err != nil {
		return err
	}
	post := t.post("fanout", 0)
	f, fleet, err := c.gather(ctx, t, post)
	if err != nil {
		return err
	}
	defer fleet.stop()

	load := &benchLoad{workers: c.Publishers, posts: 1, send: t.publish(writers, "post:"+post), now: t.now}
	t.out.say("fan-out: %d events at %g/s", c.Messages, c.Rate)
	load.more = benchPaced(c.Messages, c.Rate)
	if f.Paced, err = fleet.deliver(ctx, load); err != nil {
		return err
	}
	t.out.say("fan-out: %d events flat out", benchFlat*c.Messages)
	load.more = benchTimes(benchFlat * c.Messages)
	if f.FlatOut, err = fleet.deliver(ctx, load); err != nil {
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
func (c *benchCommand) gather(ctx context.Context, t *benchTarget, post string) (*benchFanout, *benchFleet, error) {
	t.out.say("fan-out: %d readers connect by %s", c.Readers, c.Transport)
	before := t.resident(ctx)
	fleet, err := t.fleet(ctx, benchFleetSpec{
		poll: c.Transport == "poll", event: benchEvent, posts: []string{post}, readers: c.Readers,
	})
	if err != nil {
		return nil, nil, err
	}
	f := &benchFanout{Readers: c.Readers, Transport: c.Transport}
	f.Connect = benchConnect{fleet.opened.Seconds(), float64(c.Readers) / fleet.opened.Seconds()}
	if before > 0 {
		idle := t.resident(ctx)
		f.Memory = &benchMemory{Before: before, Idle: idle, PerReader: (idle - before) / float64(c.Readers)}
	}
	return f, fleet, nil
}

// publish returns the act of publishing message n as one of the writers.
func (t *benchTarget) publish(writers []*client.Client, topic string) benchSend {
	return func(ctx context.Context, worker, n int) error {
		return writers[worker].Publish(ctx, topic, benchEvent, benchData(benchMark{n, t.now()}))
	}
}

// benchData is the data of an event, filled up to its size.
func benchData(m benchMark) json.RawMessage {
	const open, end = `{"text":"`, `"}`
	text := m.String()
	return json.RawMessage(open + text + strings.Repeat("x", max(0, benchBytes-len(open+text+end))) + end)
}

// deliver runs one load to all readers.
func (f *benchFleet) deliver(ctx context.Context, l *benchLoad) (d benchDelivery, err error) {
	before := f.target.usage()
	sent, sight, err := f.measure(ctx, "fan-out", l)
	if err != nil {
		return d, err
	}
	seconds := (sight.lastAt - sent.begin).Seconds()
	return benchDelivery{
		Messages: len(sent.took), Failed: sent.failures(), Failure: sent.failure(),
		Rate: ratioOf(float64(len(sent.took)), sent.seconds()), Publish: summarize(sent.took),
		Deliveries: sight.received, Seconds: seconds, PerSecond: ratioOf(float64(sight.received), seconds),
		Latency: summarize(sight.latency), Faults: sight.faults,
		Cost: f.target.costSince(before, sight.received),
	}, nil
}

func (f *benchFanout) print(out benchPrinter, c *benchCommand) {
	t := out.table("Fan-out: %d readers of one post, by %s, events of %d bytes", f.Readers, f.Transport, benchBytes)
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

func (d benchDelivery) print(out benchPrinter, how string) {
	out.line("%s: %.0f deliveries/s: %d, of %d events in %.2f s, %d publishes failed", how, d.PerSecond, d.Deliveries, d.Messages, d.Seconds, d.Failed)
	if d.Failed > 0 {
		out.line("   the first to fail: %s", d.Failure)
	}
	out.line("   %v", d.Faults)
	out.cost("   ", d.Cost, "delivery")
}
