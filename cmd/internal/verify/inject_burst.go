package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/verify/cluster"
	"github.com/tidings-live/tidings/stream"
)

// burstLimit bounds the time of a burst, until each stream that keeps reading has got
// all of it. It is long, because a stream that is not finished by then counts as cut,
// and slow machines must not fail: 100,000 events for all readers can take minutes.
const burstLimit = 10 * time.Minute

// burst publishes Chaos.Burst events to one topic, in 1, 7 or 100 transactions. A
// stream that keeps reading must get all of them: a server may end only streams whose
// readers do not read.
func (i *injector) burst(context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(i.whole, burstLimit)
	defer cancel()
	posts := i.run.participants.posts
	topic := "post:" + posts[i.random.IntN(len(posts))]
	parts := []int{1, 7, 100}[i.random.IntN(3)]
	readers, err := i.openBurstReaders(ctx, topic)
	if err != nil {
		cancel()
		for _, r := range readers {
			<-r.done
		}
		i.failed("open streams for a burst", err)
		return false, nil
	}
	written, err := i.publishBurst(ctx, topic, parts)
	if err != nil {
		cancel()
		i.failed("burst", err)
	}
	for _, r := range readers {
		<-r.done
		if err == nil {
			i.checkBurst(r, written)
		}
		i.run.progress.events.Add(r.events)
	}
	return err == nil, nil
}

// publishBurst returns the numbers of the writes that it published, ascending, without
// that of the last event, which ends the burst.
func (i *injector) publishBurst(ctx context.Context, topic string, parts int) (written []int64, err error) {
	size := max(i.chaos.Burst/parts, 1)
	for range parts {
		first, err := i.publishMany(ctx, []string{topic}, nameBurst, size)
		if err != nil {
			return written, err
		}
		for n := range int64(size) {
			written = append(written, first+n)
		}
	}
	_, err = i.publishMany(ctx, []string{topic}, nameBurstEnd, 1)
	return written, err
}

// checkBurst compares the events that a stream got with the writes of the burst, one by
// one: a lost event and a repeated one leave the total as it was.
func (i *injector) checkBurst(r *burstReader, written []int64) {
	var missing, again, unknown int64
	for _, n := range written {
		switch times := r.got[n]; times {
		case 0:
			missing++
		default:
			again += int64(times - 1)
		}
	}
	for n := range r.got {
		if !i.run.writes.has(n) {
			unknown++
		}
	}
	found := i.run.findings
	if r.err != nil {
		found.add(cut, 1, "%s: a stream that kept reading ended without %d events of a burst of %d: %v", r.instance, missing, len(written), r.err)
	} else {
		found.add(lost, missing, "%s: a stream did not get %d events of a burst of %d", r.instance, missing, len(written))
	}
	found.add(duplicated, again, "%s: a stream got %d events of a burst of %d again", r.instance, again, len(written))
	found.add(invented, unknown, "%s: a stream got %d events of a burst that are no writes of this run", r.instance, unknown)
	found.add(reordered, r.backwards, "%s: a stream got %d events of a burst after later ones", r.instance, r.backwards)
}

// A burstReader reads one topic from one instance during a burst, as fast as it can.
type burstReader struct {
	instance string
	server   *client.Client // past the proxy, which other faults may have slowed down
	topic    string
	cursor   string

	done      chan struct{} // closed when the fields below are final
	got       map[int64]int // how often each event of a burst arrived, by number of its write
	events    int64         // sum of got
	backwards int64         // events that arrived for the first time after a later one
	at        int64         // the highest position of an event of a burst
	err       error
}

func newBurstReader(instance string, server *client.Client, topic string) *burstReader {
	return &burstReader{instance: instance, server: server, topic: topic, done: make(chan struct{}), got: make(map[int64]int)}
}

// openBurstReaders starts two readers at each instance and returns when all of them
// have their first cursor. If one of them fails, it returns the readers that it
// started and the error.
func (i *injector) openBurstReaders(ctx context.Context, topic string) ([]*burstReader, error) {
	const each = 2
	var all []*burstReader
	var started sync.WaitGroup
	errs := make(chan error, each*cluster.Size)
	for _, instance := range i.cluster.Instances() {
		for range each {
			server, err := client.New("http://" + instance.Address())
			if err != nil {
				return all, err
			}
			r := newBurstReader(instance.Name, server, topic)
			all = append(all, r)
			started.Add(1)
			go r.run(ctx, sync.OnceFunc(started.Done), errs)
		}
	}
	started.Wait()
	select {
	case err := <-errs:
		return all, err
	default:
		return all, nil
	}
}

// run reads up to the end of the burst. It opens a new stream if the server ended one
// because of its age; any other end is an error. It calls started when it has its first
// cursor or cannot get one, and sends the error of the latter to failed.
func (r *burstReader) run(ctx context.Context, started func(), failed chan<- error) {
	defer close(r.done)
	defer r.server.CloseIdleConnections()
	for {
		last, err := r.stream(ctx, started)
		if err == nil && last {
			return
		}
		if err != nil {
			r.err = err
			if r.cursor == "" {
				failed <- err
			}
			started()
			return
		}
	}
}

// stream reads one stream. last reports whether it got the end of the burst.
func (r *burstReader) stream(ctx context.Context, started func()) (last bool, err error) {
	s, err := r.server.Stream(ctx, []string{r.topic}, r.cursor)
	if err != nil {
		return false, err
	}
	defer s.Close()
	aged := false
	for {
		e, err := s.Next()
		if err == io.EOF && aged {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		r.cursor = s.Cursor()
		started()
		switch e.Name {
		case nameBurst:
			r.take(e)
		case nameBurstEnd:
			return true, nil
		case "stream.bye":
			var bye struct{ Reason string }
			if json.Unmarshal(e.Data, &bye) != nil || bye.Reason != "age" {
				return false, fmt.Errorf("bye: %s", e.Data)
			}
			aged = true
		}
	}
}

// take counts an event of a burst.
func (r *burstReader) take(e client.Event) {
	n := summarize(e.Topic, e.Name, e.Data).n
	at, _ := stream.ParseCursor(e.ID) // a malformed id is the lowest position
	if r.got[n] == 0 && at.Position <= r.at {
		r.backwards++
	}
	r.got[n]++
	r.events++
	r.at = max(r.at, at.Position)
}
