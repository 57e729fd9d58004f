package group

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeWrite is a write of a test.
type fakeWrite struct {
	name    string
	keys    []string // rows, each of a table with the same name
	source  string
	risky   bool
	refused bool // by the fake database, each time
}

func (w *fakeWrite) Keys() (keys []Key) {
	for _, key := range w.keys {
		keys = append(keys, Key{key, key})
	}
	return keys
}
func (w *fakeWrite) Source() string { return w.source }
func (w *fakeWrite) Risky() bool    { return w.risky }

// good returns a write that needs no lock.
func good(name string) *fakeWrite { return &fakeWrite{name: name, source: name} }

// needs returns a write that needs the lock of a key.
func needs(name, key string) *fakeWrite {
	return &fakeWrite{name: name, source: name, keys: []string{key}}
}

// A fakeDatabase is a Committer whose transactions take 1 ms, and longer for locks.
type fakeDatabase struct {
	mu      sync.Mutex // guards the fields below
	locked  map[string]chan struct{}
	unnamed bool  // errors of locks do not name the row
	down    error // returned by each transaction
	databaseState
}

// A databaseState is what a fake database has seen.
type databaseState struct {
	tried     [][]string // the names of the writes of each transaction, in order of BEGIN
	committed []string   // the names of the committed writes
	waiting   int        // transactions that wait for a lock
	solo      int        // of them with turnLockWait
	mostSolo  int        // the largest value of solo
}

var errDown = errors.New("the database is down")

// lock locks a key until unlock is called.
func (db *fakeDatabase) lock(key string) (unlock func()) {
	db.mu.Lock()
	defer db.mu.Unlock()
	free := make(chan struct{})
	if db.locked == nil {
		db.locked = make(map[string]chan struct{})
	}
	db.locked[key] = free
	return func() {
		db.mu.Lock()
		defer db.mu.Unlock()
		delete(db.locked, key)
		close(free)
	}
}

// Commit implements [Committer].
func (db *fakeDatabase) Commit(ctx context.Context, writes []Write, lockWait time.Duration) error {
	names, locks, err := db.begin(writes)
	pass(time.Millisecond)
	if err != nil {
		return err
	}
	for key, lock := range locks {
		if err := db.wait(ctx, lock, lockWait); errors.Is(err, ErrLocked) {
			if db.unnamed {
				return err
			}
			return &LockedError{Table: key, Err: err}
		} else if err != nil {
			return err
		}
	}
	for _, w := range writes {
		if w.(*fakeWrite).refused {
			return errors.Join(ErrRefused, errors.New(w.(*fakeWrite).name))
		}
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.committed = append(db.committed, names...)
	return nil
}

// begin records a transaction and returns the locks that it needs.
func (db *fakeDatabase) begin(writes []Write) (names []string, locks map[string]chan struct{}, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	locks = make(map[string]chan struct{})
	for _, w := range writes {
		names = append(names, w.(*fakeWrite).name)
		for _, key := range w.(*fakeWrite).keys {
			if free := db.locked[key]; free != nil {
				locks[key] = free
			}
		}
	}
	db.tried = append(db.tried, names)
	return names, locks, db.down
}

// wait waits for a lock.
func (db *fakeDatabase) wait(ctx context.Context, lock chan struct{}, lockWait time.Duration) error {
	db.count(lockWait, 1)
	defer db.count(lockWait, -1)
	select {
	case <-lock:
		return nil
	case <-time.After(lockWait):
		return ErrLocked
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fail makes all transactions end with down, if it is not nil.
func (db *fakeDatabase) fail(down error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.down = down
}

func (db *fakeDatabase) count(lockWait time.Duration, change int) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.waiting += change
	if lockWait == turnLockWait {
		db.solo += change
		db.mostSolo = max(db.mostSolo, db.solo)
	}
}

// tries returns how many transactions had the write.
func (db *fakeDatabase) tries(name string) (n int) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, names := range db.tried {
		if slices.Contains(names, name) {
			n++
		}
	}
	return n
}

// seen returns what the database has seen so far.
func (db *fakeDatabase) seen() (s databaseState) {
	db.mu.Lock()
	defer db.mu.Unlock()
	s = db.databaseState
	s.tried, s.committed = slices.Clone(s.tried), slices.Clone(s.committed)
	return s
}

// pass lets a time pass on the clock of the synctest bubble. Everything that is due within
// that time happens first, so no result depends on the speed of the machine.
func pass(d time.Duration) { <-time.After(d) }

// A rig is a group over a fake database, in a synctest bubble.
type rig struct {
	*Group
	db   *fakeDatabase
	stop func() // ends Run and waits for it
}

const slots = 2

// inBubble runs a test with a group that runs.
func inBubble(t *testing.T, test func(t *testing.T, r rig)) {
	t.Helper()
	t.Parallel()
	inBubbleNow(t, test)
}

// inBubbleNow is inBubble for a test that needs the result of the bubble.
func inBubbleNow(t *testing.T, test func(t *testing.T, r rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db := new(fakeDatabase)
		g := New(db, NewSlots(slots))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		stop := sync.OnceFunc(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		defer stop()
		test(t, rig{g, db, stop})
	})
}

// submit submits writes that are gathered into one batch, in order, and returns their
// outcomes once all are known. Another write is in a transaction of 1 ms meanwhile, so
// that the writes wait in the queue.
func (r rig) submit(t *testing.T, writes ...*fakeWrite) []error {
	t.Helper()
	outcomes := r.start(t, writes...)
	errs := make([]error, len(writes))
	for i := range outcomes {
		errs[i] = <-outcomes[i]
	}
	return errs
}

// start is like submit, but returns without waiting for the outcomes.
func (r rig) start(t *testing.T, writes ...*fakeWrite) (outcomes []chan error) {
	t.Helper()
	go func() {
		if err := r.Submit(t.Context(), good("first")); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	for _, w := range writes {
		outcome := make(chan error, 1)
		go func() { outcome <- r.Submit(t.Context(), w) }()
		synctest.Wait()
		outcomes = append(outcomes, outcome)
	}
	return outcomes
}
