package bench

import (
	"context"
	"fmt"
	"net"
	"os"
)

// churners is the number of workers that open and close streams.
const churners = 64

// Churn has the figures of readers that open a stream and close it at once, and what the
// server's process holds before and after.
type Churn struct {
	Cycles    int     `json:"cycles"` // streams that were opened, accepted and closed
	Failed    int     `json:"failed"`
	Failure   string  `json:"failure,omitempty"` // the first error
	PerSecond float64 `json:"cyclesPerSecond"`
	Open      Summary `json:"open"` // from the dial until the server has accepted the stream
	Cost      Cost    `json:"cost"` // per cycle
	// Before and After are nil if the server's process is not known.
	Before *Holdings `json:"before,omitempty"`
	After  *Holdings `json:"after,omitempty"`
}

// Holdings are resources of the server's process.
type Holdings struct {
	Resident    float64 `json:"residentKB"`
	Descriptors int     `json:"descriptors"`
	Heap        float64 `json:"heapKB,omitempty"`     // in use, by the server's metrics; 0 if it has none
	Goroutines  int     `json:"goroutines,omitempty"` // by the server's metrics; 0 if it has none
}

// churn opens and closes streams at a steady rate.
func (c Config) churn(ctx context.Context, t *target, report *Report) error {
	cycles := max(1, int(c.Cycles*c.Duration.Seconds()))
	t.out.logf("churn: %d streams opened and closed at %g/s", cycles, c.Cycles)
	l := &load{workers: churners, posts: 1, send: t.openAndClose("post:" + t.post("churn", 0)), now: t.now}
	l.more = times(churners)
	if _, err := l.run(ctx); err != nil { // memory that the server allocates once is not a leak
		return err
	}
	before := t.holdings(ctx)
	usage := t.usage()
	l.more = paced(cycles, c.Cycles)
	done := t.out.logDuring(func() string { return fmt.Sprintf("churn: %d of %d", l.sent(), cycles) })
	sent, err := l.run(ctx)
	done()
	if err != nil {
		return err
	}
	report.Churn = &Churn{
		Cycles: len(sent.took), Failed: sent.failures(), Failure: sent.failure(),
		PerSecond: ratioOf(float64(len(sent.took)), sent.seconds()), Open: summarize(sent.took),
		Cost: t.costSince(usage, int64(len(sent.took))), Before: before, After: t.holdings(ctx),
	}
	report.Churn.print(t.out)
	return nil
}

// openAndClose returns a send function that opens a stream, and resets the connection as
// soon as the server has accepted it.
func (t *target) openAndClose(topic string) sendFunc {
	return func(ctx context.Context, worker, n int) error {
		token, err := t.token(fmt.Sprintf("churner-%d", worker))
		if err != nil {
			return err
		}
		began := make(chan error, 1)
		r := &reader{
			dialer: t.dialer, protocol: tidingsStream{}, topic: topic, token: token, now: t.now,
			pool: &readerPool{connecting: make(chan struct{}, 1)}, connected: func(err error) { began <- err },
		}
		conn, in, err := r.open(ctx)
		if err != nil {
			return err
		}
		if tcp, ok := conn.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset leaves no TIME_WAIT; those would use up all ports within seconds
		}
		defer conn.close()
		return conn.feedUntil(in, func() bool { return r.live })
	}
}

// holdings waits until the server's memory stops changing. It returns nil if the process
// is not known.
func (t *target) holdings(ctx context.Context) *Holdings {
	resident := t.resident(ctx)
	if resident == 0 {
		return nil
	}
	own := t.gauges(ctx)
	return &Holdings{resident, descriptorsOf(t.pid), own["go_memstats_heap_inuse_bytes"] / 1024, int(own["go_goroutines"])}
}

// descriptorsOf returns the number of open files and sockets of a process, or 0 if it is
// not known.
func descriptorsOf(pid int) int {
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)) // fails where there is no /proc
	return len(open)
}

// print writes the table of the section.
func (c *Churn) print(out printer) {
	t := out.table("Churn: %d streams opened and closed", c.Cycles+c.Failed)
	t.times("until the server has accepted one", c.Open)
	out.line("%.0f cycles/s, %d failed", c.PerSecond, c.Failed)
	if c.Failed > 0 {
		out.line("the first failure: %s", c.Failure)
	}
	if c.Before != nil && c.After != nil {
		out.line("server's resident memory: %.0f KB before, %.0f KB after; heap in use: %.0f KB before, %.0f KB after",
			c.Before.Resident, c.After.Resident, c.Before.Heap, c.After.Heap)
		out.line("descriptors: %d before, %d after; goroutines: %d before, %d after",
			c.Before.Descriptors, c.After.Descriptors, c.Before.Goroutines, c.After.Goroutines)
	}
	out.cost("", c.Cost, "cycle")
}
