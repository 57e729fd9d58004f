package awareness

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/tidings-live/tidings/stream"
)

const (
	// reportEvery is the least time between two reports.
	reportEvery = time.Second
	// lookEvery is the time between two looks while a post is watched and there are other
	// instances: the end of an instance rings no doorbell. lookLeast is the least time between
	// two looks for any reason. Any role of the database can ring the doorbell, so after
	// lookBurst / lookCost rings in a row there is one look in lookCost.
	lookEvery = time.Second
	lookLeast = 50 * time.Millisecond
	lookCost  = time.Second / 2
	lookBurst = 2 * time.Second
	// lookWhole is the time after which a look returns all rows: an empty row that was
	// written purgeAfter ago may be deleted.
	lookWhole  = 30 * time.Second
	purgeAfter = time.Minute
	// leaseGrace is how long the readers of an instance count after its session has ended.
	// The instance may have connected again by then.
	leaseGrace = 3 * time.Second
	// retryAfter is the pause after a failure.
	retryAfter = time.Second
)

// A board is what a ledger knows of other instances, and what it has to tell them.
type board struct {
	id     string // of this instance
	shared bool   // there may be other instances
	lease  Lease  // zero before the first connect

	peers map[string]*peer

	rung     bool      // the doorbell has rung since the last look
	mark     string    // the next look begins here; "": it returns all rows
	lookedAt time.Time // zero: never
	looks    time.Time // lookCost for each look: how far the looks are ahead of their rate
	busy     bool      // a job is being done
	pause    time.Time // after a failure, nothing is done before

	register    bool                        // the next report has all rows
	acknowledge bool                        // the next report has new answers
	dirty       map[stream.Topic]bool       // rows that may have changed
	written     map[stream.Topic]writtenRow // rows on the board
	number      int64                       // Instance.Asked of this instance
	fresh       []*room                     // watched rooms that are not reported
	waiting     []*room                     // watched rooms that are reported and not ready
	answered    map[string]int64            // Instance.Answered of this instance
	dead        []string                    // instances to delete
	reportedAt  time.Time
}

// A writtenRow is a row of this instance on the board.
type writtenRow struct {
	Row
	emptyAt time.Time // when it was written empty; zero: it is not empty
	unknown bool      // it may differ from the row on the board
}

// A peer is another instance.
type peer struct {
	alive    bool
	gone     time.Time // when the end of its session was noticed
	answered int64     // up to which watch of this instance it has answered
	rows     map[stream.Topic]Row
}

func newBoard(id string, shared bool) board {
	return board{
		id: id, shared: shared, peers: make(map[string]*peer), dirty: make(map[stream.Topic]bool),
		written: make(map[stream.Topic]writtenRow), answered: make(map[string]int64),
	}
}

// renew notes a new lease. Notifications between two leases are lost, and after a crash of the
// database its unlogged tables are empty, so all is read and written again.
func (b *board) renew(lease Lease) {
	b.lease, b.mark, b.rung, b.register = lease, "", true, true
}

// beginWatch asks the other instances for their readers of a post.
func (b *board) beginWatch(r *room) {
	if b.shared {
		b.fresh = append(b.fresh, r)
		b.toReport(r.topic)
	}
}

// endWatch undoes beginWatch.
func (b *board) endWatch(r *room) {
	if b.shared {
		is := func(o *room) bool { return o == r }
		b.fresh, b.waiting = slices.DeleteFunc(b.fresh, is), slices.DeleteFunc(b.waiting, is)
		b.toReport(r.topic)
	}
}

// toReport notes that the row of a post may have changed.
func (b *board) toReport(topic stream.Topic) { b.dirty[topic] = true }

// wanted reports whether another instance watches a post.
func (b *board) wanted(topic stream.Topic) bool {
	for row := range b.rowsOf(topic) {
		if row.Watched {
			return true
		}
	}
	return false
}

// rowsOf yields the rows of the other instances about a post.
func (b *board) rowsOf(topic stream.Topic) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, p := range b.peers {
			if row, ok := p.rows[topic]; ok && !yield(row) {
				return
			}
		}
	}
}

// A job is a report or a look, which may take long.
type job struct {
	report *Report // nil: look
	since  string
}

// do does the job. done gives its outcome to the ledger.
func (j job) do(ctx context.Context, board Board, id string) (done func(*ledger, time.Time), err error) {
	if j.report != nil {
		err = board.Report(ctx, *j.report)
		return func(l *ledger, now time.Time) { l.reported(*j.report, err, now) }, err
	}
	view, err := board.Look(ctx, id, j.since)
	return func(l *ledger, now time.Time) { l.looked(view, j.since == "", err, now) }, err
}

// nextJob returns what has to be done now; nil if there is nothing or a job is being done. wait
// is the time until there may be something.
func (l *ledger) nextJob(now time.Time) (next *job, wait time.Duration) {
	if !l.shared || l.lease == (Lease{}) || l.busy {
		return nil, time.Hour
	}
	look, report := l.lookDue(now), l.reportDue(now)
	first := earlier(look, report)
	if first.IsZero() {
		return nil, time.Hour
	}
	if first.Before(l.pause) {
		first = l.pause
	}
	if first.After(now) {
		return nil, first.Sub(now)
	}
	l.busy = true
	if !look.IsZero() && !look.After(now) {
		l.rung, l.looks = false, later(l.looks, now).Add(lookCost)
		if now.Sub(l.lookedAt) > lookWhole {
			l.mark = ""
		}
		return &job{since: l.mark}, time.Hour
	}
	if j := l.makeReport(now); j != nil {
		return j, time.Hour
	}
	l.busy = false
	return l.nextJob(now) // nothing was dirty any more
}

// lookDue is the time of the next look; zero: none.
func (l *ledger) lookDue(now time.Time) (due time.Time) {
	if l.watched > 0 && len(l.peers) > 0 || len(l.waiting) > 0 {
		due = l.lookedAt.Add(lookEvery)
	}
	for _, p := range l.peers {
		if !p.alive {
			due = earlier(due, p.gone.Add(leaseGrace))
		}
	}
	if l.rung {
		due = earlier(due, later(l.lookedAt.Add(lookLeast), l.looks.Add(-lookBurst)))
	}
	return due
}

// reportDue is the time of the next report; zero: none. The first look comes before the first
// report.
func (l *ledger) reportDue(now time.Time) time.Time {
	if l.mark == "" || !l.register && !l.acknowledge && len(l.dirty) == 0 && len(l.dead) == 0 {
		return time.Time{}
	}
	if due := l.reportedAt.Add(reportEvery); due.After(now) {
		return due
	}
	return now
}

// makeReport returns a report of all that has changed; nil if nothing has.
func (l *ledger) makeReport(now time.Time) *job {
	if l.register {
		l.dirtyAll()
	}
	report := Report{Instance: l.id, Lease: l.lease, Rows: l.changedRows(), Purge: l.oldRows(now), Dead: l.dead}
	clear(l.dirty)
	if len(report.Rows) == 0 && !l.register && !l.acknowledge && len(l.dead) == 0 {
		return nil
	}
	if len(l.fresh) > 0 {
		l.number++
	}
	for _, r := range l.fresh {
		r.watch.number = l.number
	}
	l.waiting, l.fresh = append(l.waiting, l.fresh...), nil
	report.Asked, report.Answered = l.number, maps.Clone(l.answered)
	l.register, l.acknowledge, l.dead, l.reportedAt = false, false, nil, now
	return &job{report: &report}
}

// dirtyAll makes all rows dirty, and forgets what is on the board.
func (l *ledger) dirtyAll() {
	for topic := range l.written {
		l.dirty[topic] = true
		l.written[topic] = writtenRow{unknown: true}
	}
	for topic, r := range l.rooms {
		if r.watch.on || r.wanted {
			l.dirty[topic] = true
		}
	}
}

// changedRows returns the dirty rows that may differ from those on the board.
func (l *ledger) changedRows() (rows []Row) {
	for topic := range l.dirty {
		row, old := l.row(topic), l.written[topic]
		if old.unknown || !row.same(old.Row) {
			rows = append(rows, row)
		}
	}
	return rows
}

// oldRows returns the posts whose rows have been empty on the board for purgeAfter, and are not
// dirty.
func (l *ledger) oldRows(now time.Time) (old []stream.Topic) {
	for topic, row := range l.written {
		if !row.emptyAt.IsZero() && now.Sub(row.emptyAt) > purgeAfter && !l.dirty[topic] {
			old = append(old, topic)
		}
	}
	return old
}

// row returns the row of a post as it has to be on the board.
func (l *ledger) row(topic stream.Topic) Row {
	row := Row{Topic: topic}
	if r := l.rooms[topic]; r != nil {
		row.Watched = r.watch.on
		if r.wanted {
			row.Viewers, row.Users, row.Members = r.viewers(), r.firstUsers(), r.members()
		}
	}
	return row
}

// reported is the outcome of a report.
func (l *ledger) reported(report Report, err error, now time.Time) {
	l.busy = false
	if err != nil {
		l.pause = now.Add(retryAfter)
		l.acknowledge = true
		l.dead = append(l.dead, report.Dead...)
		for _, row := range report.Rows {
			l.dirty[row.Topic] = true
			l.written[row.Topic] = writtenRow{unknown: true}
		}
		return
	}
	for _, topic := range report.Purge {
		delete(l.written, topic)
	}
	for _, row := range report.Rows {
		written := writtenRow{Row: row}
		if row.empty() {
			written.emptyAt = now
		}
		l.written[row.Topic] = written
	}
}

// looked is the outcome of a look. whole says that the view has all rows.
func (l *ledger) looked(view View, whole bool, err error, now time.Time) {
	l.busy, l.lookedAt = false, now
	if err != nil {
		l.pause, l.rung = now.Add(retryAfter), true
		return
	}
	l.mark = view.Mark
	touched := make(map[stream.Topic]bool)
	l.seePeers(view.Instances, whole, touched, now)
	for _, row := range view.Rows {
		p := l.peers[row.Instance]
		if p == nil {
			continue
		}
		touched[row.Topic] = true
		l.replaceRow(p, row)
	}
	for topic := range touched {
		l.rowsChanged(topic, now)
	}
	l.settle(now)
}

// seePeers notes which instances there are. It adds to touched the posts of the rows that it
// removes.
func (l *ledger) seePeers(instances []Instance, whole bool, touched map[stream.Topic]bool, now time.Time) {
	seen := make(map[string]bool)
	for _, i := range instances {
		p := l.peers[i.ID]
		if p == nil && i.Alive {
			p = &peer{rows: make(map[stream.Topic]Row)}
			l.peers[i.ID] = p
		}
		if p == nil { // it had ended before this instance knew it
			l.dead = append(l.dead, i.ID)
			continue
		}
		seen[i.ID] = true
		if whole {
			l.forgetRows(p, touched)
		}
		p.see(i.Alive, now)
		p.answered = i.Answered[l.id]
		if l.answered[i.ID] != i.Asked {
			l.answered[i.ID], l.acknowledge = i.Asked, true
		}
	}
	for id, p := range l.peers {
		if !seen[id] {
			if p.see(false, now); !whole { // it has withdrawn; otherwise the tables may be new
				p.gone = now.Add(-leaseGrace)
			}
		}
		if p.alive || now.Sub(p.gone) < leaseGrace {
			continue
		}
		l.forgetRows(p, touched)
		delete(l.peers, id)
		delete(l.answered, id)
		if seen[id] {
			l.dead = append(l.dead, id)
		}
	}
}

// see notes whether the session of the instance exists.
func (p *peer) see(alive bool, now time.Time) {
	if p.alive && !alive || p.gone.IsZero() {
		p.gone = now
	}
	p.alive = alive
}

// forgetRows removes the rows of an instance, and adds their posts to touched.
func (l *ledger) forgetRows(p *peer, touched map[stream.Topic]bool) {
	for topic := range p.rows {
		touched[topic] = true
		l.replaceRow(p, Row{Topic: topic})
	}
}

// replaceRow replaces a row of an instance; an empty row removes it.
func (l *ledger) replaceRow(p *peer, row Row) {
	if r := l.rooms[row.Topic]; r != nil && r.watch.on {
		r.show.compare(p.rows[row.Topic], row)
	}
	if row.empty() {
		delete(p.rows, row.Topic)
		return
	}
	p.rows[row.Topic] = row
}

// rowsChanged notes that rows of other instances about a post have changed.
func (l *ledger) rowsChanged(topic stream.Topic, now time.Time) {
	r := l.rooms[topic]
	if r == nil {
		if row, ok := l.written[topic]; ok && !row.empty() {
			l.toReport(topic) // an old row, from the time when the post was watched last
		}
		return
	}
	if r.wanted = l.wanted(topic); r.wanted {
		l.toReport(topic)
	}
	r.show.changed = r.watch.on
	l.plan(r, now)
}

// settle makes the watches ready that all other instances have answered.
func (l *ledger) settle(now time.Time) {
	all := l.number
	for _, p := range l.peers {
		if p.alive {
			all = min(all, p.answered)
		}
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(r *room) bool {
		if r.watch.number > all {
			return false
		}
		r.watch.ready = true
		l.plan(r, now)
		return true
	})
}
