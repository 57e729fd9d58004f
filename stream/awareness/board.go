package awareness

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/tidings-live/tidings/stream"
)

// A Board is the place where instances tell each other about their readers: tables of the
// database that they share. Its errors are temporary.
type Board interface {
	// Report writes what has changed at an instance, in one statement, and rings the
	// doorbell of all instances.
	Report(ctx context.Context, r Report) error
	// Look returns all other instances, and their rows that have changed since the mark of
	// an earlier view; "" stands for all rows. A row may be returned again.
	Look(ctx context.Context, instance, since string) (View, error)
	// Withdraw removes an instance that stops, and its rows.
	Withdraw(ctx context.Context, instance string) error
}

// A Lease is the database session that listens for an instance. Other instances count the
// readers of the instance while the session exists.
type Lease struct {
	PID int32 // of the backend
	// Key of an advisory lock that the session holds. It is random, so a later backend of
	// another client with the same pid is another lease.
	Key int64
}

// A Report is what an instance writes on the board.
type Report struct {
	Instance string // random UUID of the process
	Lease    Lease
	Asked    int64            // see [Instance]
	Answered map[string]int64 // see [Instance]
	Rows     []Row            // rows that have changed; an empty one replaces another
	Purge    []stream.Topic   // empty rows to delete
	Dead     []string         // instances to delete if their sessions are still gone
}

// A Row is what an instance has to tell about the readers of a post.
type Row struct {
	Instance string // set by Look
	Topic    stream.Topic
	Watched  bool     // readers of the instance ask for the presence of the post
	Viewers  int      // readers without a user
	Users    []User   // the first 20 users in the order of their ids
	Members  []Member // all users, in order, each once
}

// empty reports whether the row has nothing to tell.
func (r Row) empty() bool { return !r.Watched && r.Viewers == 0 && len(r.Members) == 0 }

// same reports whether two rows of one topic tell the same.
func (r Row) same(o Row) bool {
	return r.Watched == o.Watched && r.Viewers == o.Viewers && slices.Equal(r.Users, o.Users) && slices.Equal(r.Members, o.Members)
}

// A Member stands for a user: the first 64 bits of the SHA-256 of the user's id. It is short,
// so that instances can tell each other all their users.
type Member uint64

func memberOf(userID string) Member {
	sum := sha256.Sum256([]byte(userID))
	return Member(binary.BigEndian.Uint64(sum[:]))
}

// A View is what an instance sees on the board.
type View struct {
	Mark      string // the next look begins here
	Instances []Instance
	Rows      []Row
}

// An Instance is another instance on the board.
type Instance struct {
	ID    string
	Alive bool // the session of its lease exists
	// Asked rises when readers of the instance begin to watch a post.
	Asked int64
	// Answered has, for each other instance, the value of Asked up to which this instance
	// has written its rows for all watched posts.
	Answered map[string]int64
}
