package verify

import (
	"context"
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
)

// A storedComment is what is compared of the row of a comment. The zero value stands for no row.
type storedComment struct {
	text, status string
	pinned       bool
}

// checkComments compares the changed comments of one writer, and counts the changes by kind.
func (r *run) checkComments(ctx context.Context, a *acknowledgedState) error {
	var changed []*ownComment
	for _, c := range a.comments {
		if c.changes != [kinds]int64{} {
			changed = append(changed, c)
		}
	}
	read := r.commentsByTable
	if r.pool == nil {
		read = r.commentsByAPI
	}
	stored, err := read(ctx, changed)
	if err != nil {
		return err
	}
	for _, c := range changed {
		r.checkComment(c, stored[c.id])
	}
	return nil
}

func (r *run) checkComment(c *ownComment, is storedComment) {
	for k, changes := range c.changes {
		switch {
		case changes == 0:
			continue
		case !c.decides(kind(k)):
			r.decided[k].Undecided++
			continue
		}
		r.decided[k].Decided++
		var want, got any = c.status, is.status
		switch kind(k) {
		case kindEdit:
			want, got = c.shownText(), is.text
		case kindPin:
			want, got = c.pinned, is.pinned
		}
		if want != got {
			r.decided[k].Wrong++
			r.findings.add(lost, 1, "comment %s of %s: the last acknowledged write of the kind %q makes it %q, but it is %q", c.id, c.post, kindNames[k], want, got)
		}
	}
}

func (r *run) commentsByTable(ctx context.Context, comments []*ownComment) (map[string]storedComment, error) {
	ids := make([]string, len(comments))
	for i, c := range comments {
		ids[i] = c.id
	}
	rows, _ := r.pool.Query(ctx, `
		select id::text, body, status, pinned_at is not null
		from tidings.comments
		where id = any ($1::text[]::bigint[])`, ids)
	stored := make(map[string]storedComment)
	var id string
	var c storedComment
	_, err := pgx.ForEachRow(rows, []any{&id, &c.text, &c.status, &c.pinned}, func() error {
		stored[id] = c
		return nil
	})
	return stored, err
}

// commentsByAPI is commentsByTable with one request of a moderator for each comment.
func (r *run) commentsByAPI(ctx context.Context, comments []*ownComment) (map[string]storedComment, error) {
	stored := make(map[string]storedComment)
	for _, own := range comments {
		err := r.again(ctx, func() error {
			c, err := r.moderators[0].Comment(ctx, own.id)
			var p *client.Problem
			if errors.As(err, &p) && p.Status == http.StatusNotFound {
				return nil
			}
			stored[own.id] = storedComment{c.Body, c.Status, c.PinnedAt != nil}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// checkRead looks for notifications that are unread although they were marked as read. One that is
// gone counts as read.
func (r *run) checkRead(ctx context.Context, a *acknowledgedState) error {
	if r.pool == nil {
		return nil
	}
	var unread int64
	err := r.pool.QueryRow(ctx, `
		select count(*)
		from tidings.notifications
		where id = any ($1) and read_at is null`, a.read,
	).Scan(&unread)
	if err != nil {
		return err
	}
	r.decided[kindRead].Decided += int64(len(a.read))
	r.decided[kindRead].Undecided += a.readLost
	r.decided[kindRead].Wrong += unread
	r.findings.add(lost, unread, "%s: %d notifications are unread although their mark was acknowledged", a.user, unread)
	return nil
}
