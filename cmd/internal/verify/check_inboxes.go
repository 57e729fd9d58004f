package verify

import (
	"context"
	"fmt"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/page"
)

// checkInboxes compares the notifications that readers kept up to date with lists loaded again. A
// list that is not compared within pagesLimit is undecided, and so is one that a last event told to
// load again.
func (r *run) checkInboxes(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, pagesLimit)
	defer cancel()
	for _, reader := range r.readers.readers {
		if !reader.notified {
			continue
		}
		var compared bool
		err := r.again(limited, func() (err error) {
			compared, err = r.checkInbox(limited, reader)
			return err
		})
		if err != nil && limited.Err() == nil {
			return fmt.Errorf("notifications of %s: %w", reader.name, err)
		}
		if compared {
			r.decided[kindInbox].Decided++
		} else {
			r.decided[kindInbox].Undecided++
		}
	}
	return nil
}

// checkInbox loads the notifications of a reader again, brings the list of the reader to the same
// place in the log, and compares both. New events of the reader's topics may come meanwhile: both
// are then compared once more. It returns false if they always did.
func (r *run) checkInbox(ctx context.Context, of *reader) (compared bool, err error) {
	for range askTimes {
		if of.inbox == nil || of.inbox.Stale() {
			return false, nil
		}
		again, err := page.LoadWholeInbox(ctx, of.servers[0], client.NotificationOptions{})
		if err != nil {
			return false, err
		}
		changed, err := r.bring(ctx, of, again.Cursor)
		if err != nil {
			return false, err
		}
		if changed || of.inbox.Stale() {
			continue
		}
		lines := of.inbox.Differences(again)
		r.decided[kindInbox].Wrong += int64(min(1, len(lines)))
		for _, line := range lines {
			r.findings.add(differing, 1, "%s: %s", of.name, line)
		}
		return true, nil
	}
	return false, nil
}
