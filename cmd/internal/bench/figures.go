package bench

// figures are named numbers of a [Report], in the order in which a [Comparison] shows
// them. A name ends with its unit.
type figures []figure

// figure is one number with its name.
type figure struct {
	name  string
	value float64
}

// add appends a figure.
func (f *figures) add(name string, value float64) {
	*f = append(*f, figure{name, value})
}

// addCost adds CPU time per unit of work, for each process whose time is known.
func (f *figures) addCost(prefix string, c Cost, unit string) {
	for _, process := range c.processes() {
		if process.cpu != nil {
			f.add(prefix+"CPU of "+process.name+", µs per "+unit, process.cpu.MicrosEach)
		}
	}
}

// figures returns the numbers that are worth comparing between two builds.
func (r *Report) figures() (f figures) {
	if r.Latency != nil {
		r.Latency.addFigures(&f)
	}
	for _, w := range r.Writes {
		w.addFigures(&f)
	}
	if r.Likes != nil {
		r.Likes.addFigures(&f)
	}
	if r.Lists != nil {
		r.Lists.addFigures(&f)
	}
	if r.Fanout != nil {
		r.Fanout.addFigures(&f)
	}
	if r.Storm != nil {
		r.Storm.addFigures(&f)
	}
	if r.Churn != nil {
		r.Churn.addFigures(&f)
	}
	if r.Presence != nil {
		r.Presence.addFigures(&f)
	}
	return f
}

// failed returns the number of requests that failed, of all sections.
func (r *Report) failed() (n int) {
	for _, w := range r.Writes {
		n += w.Failed
	}
	if r.Likes != nil {
		n += r.Likes.Failed
	}
	if r.Fanout != nil {
		n += r.Fanout.Paced.Failed + r.Fanout.FlatOut.Failed
	}
	if r.Storm != nil {
		n += r.Storm.Delivery.Failed
	}
	if r.Churn != nil {
		n += r.Churn.Failed
	}
	if r.Presence != nil {
		n += r.Presence.Typing.Failed
	}
	return n
}

// addFigures adds medians. It leaves out the floor, which is no figure of the server.
func (l *Latency) addFigures(f *figures) {
	f.add("latency: POST answered, p50 ms", l.Post.P50)
	f.add("latency: SSE reader has it, p50 ms", l.SSE.FromStart.P50)
	f.add("latency: long-poll reader has it, p50 ms", l.Poll.FromStart.P50)
}

// addFigures adds the rate, the response times and the CPU time of one load.
func (w Writes) addFigures(f *figures) {
	prefix := "writes, " + countOf(w.Posts, "post") + ": "
	f.add(prefix+"comments/s", w.PerSecond)
	f.add(prefix+"POST answered, p50 ms", w.Post.P50)
	f.add(prefix+"POST answered, p99 ms", w.Post.P99)
	f.addCost(prefix, w.Cost, "comment")
}

// addFigures adds the rate, the response times and the CPU time.
func (l *Likes) addFigures(f *figures) {
	f.add("likes: likes/s", l.PerSecond)
	f.add("likes: PUT answered, p50 ms", l.Put.P50)
	f.add("likes: PUT answered, p99 ms", l.Put.P99)
	f.addCost("likes: ", l.Cost, "like")
}

// addFigures adds memory, and latency, rate and CPU time of both loads.
func (f *Fanout) addFigures(to *figures) {
	to.add("fanout: readers connected per second", f.Connect.PerSecond)
	if f.Memory != nil {
		to.add("fanout: server's memory, KB per idle reader", f.Memory.PerReader)
	}
	to.add("fanout, paced: reader has it, p50 ms", f.Paced.Latency.P50)
	to.add("fanout, paced: reader has it, p99 ms", f.Paced.Latency.P99)
	to.addCost("fanout, paced: ", f.Paced.Cost, "delivery")
	to.add("fanout, flat out: deliveries/s", f.FlatOut.PerSecond)
	to.addCost("fanout, flat out: ", f.FlatOut.Cost, "delivery")
}

// addFigures adds the times from the cut, and the CPU time.
func (s *Storm) addFigures(f *figures) {
	f.add("storm: all readers reconnected, s", s.Reconnected)
	f.add("storm: all readers caught up, s", s.CaughtUp)
	f.addCost("storm: ", s.Delivery.Cost, "delivery")
}

// addFigures adds the time to open a stream, and the CPU time.
func (c *Churn) addFigures(f *figures) {
	f.add("churn: stream opened, p50 ms", c.Open.P50)
	f.addCost("churn: ", c.Cost, "cycle")
}

// addFigures adds the rate of connecting, and the CPU time of both parts.
func (p *Presence) addFigures(f *figures) {
	f.add("presence: readers connected per second", p.Connect.PerSecond)
	f.addCost("presence, coming and going: ", p.Moving.Cost, "reader that goes and comes")
	f.addCost("presence, typing: ", p.Typing.Cost, "typing signal")
}
