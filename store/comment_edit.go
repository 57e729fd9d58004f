package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// A CommentEdit is another text or other mentions for a comment.
type CommentEdit struct {
	ID        int64
	By        string           // id of the user that edits
	Moderator bool             // may edit the comments of others, at any time, also those that are not published
	Body      *string          // 1 to MaxBodyRunes characters, not all of them space; nil keeps it
	Mentions  Change[[]string] // as in NewComment
	Version   *int             // the version that the user has seen; nil for any
	// Window is how long after its creation an author may edit a comment; 0 or less: never.
	Window time.Duration
}

// EditComment changes the text and the mentions of a comment, and returns the comment as it is stored then. The
// text before is kept for moderators. It returns ErrNotFound, ErrNotAuthor, ErrTooLate after the
// window, ErrVersion if the comment has another version by now, ErrBusy, and an *InvalidError.
func (s *Store) EditComment(ctx context.Context, e CommentEdit) (Comment, error) {
	return s.changeComment(ctx, e.ID, e.By, func(tx pgx.Tx, row lockedComment) error {
		switch {
		case row.status == StatusDeleted, !e.Moderator && row.status != StatusPublished && row.status != StatusPending:
			return ErrNotFound
		case !e.Moderator && row.author != e.By:
			return ErrNotAuthor
		case !e.Moderator && row.age >= e.Window:
			return ErrTooLate
		case row.differs(e.Version):
			return ErrVersion
		}
		return changed(tx.Exec(ctx, `
			update tidings.comments
			set body = coalesce($2, body),
				mentions = case when $3 then coalesce($4::text[], '{}') else mentions end
			where id = $1`, e.ID, e.Body, e.Mentions.Set, e.Mentions.Value))
	})
}

// SetStatus changes the status of a comment for a moderator, and returns the comment as
// moderators see it. A deleted comment that gets another status gets its last text back. version
// is the one that the moderator has seen, nil for any. It returns ErrNotFound if the comment has
// no row, ErrVersion if the comment has another version and another status, ErrBusy, and an
// *InvalidError.
func (s *Store) SetStatus(ctx context.Context, id int64, status, by string, version *int) (Comment, error) {
	return s.changeComment(ctx, id, by, func(tx pgx.Tx, row lockedComment) error {
		switch {
		case row.status == status:
			return nil
		case row.differs(version):
			return ErrVersion
		}
		return changed(tx.Exec(ctx, `
			update tidings.comments
			set status = $2,
				body = case when $2 = 'deleted' or body <> '' then body else coalesce((
					select body
					from tidings.revisions
					where comment_id = $1
					order by version desc
					limit 1
				), '') end
			where id = $1`, id, status))
	})
}

// SetPin pins a root or removes its pin, for a moderator. A pinned comment that is pinned again
// keeps its place. version is the one that the moderator has seen, nil for any. It returns
// ErrNotFound if the comment has no row, ErrVersion if the comment has another version and the pin
// would change, ErrBusy, and an *InvalidError for a reply.
func (s *Store) SetPin(ctx context.Context, id int64, pin bool, by string, version *int) (Comment, error) {
	return s.changeComment(ctx, id, by, func(tx pgx.Tx, row lockedComment) error {
		switch {
		case pin && row.reply:
			return &InvalidError{Detail: "only a comment that replies to no other can be pinned"}
		case pin == row.pinned:
			return nil
		case row.differs(version):
			return ErrVersion
		}
		return changed(tx.Exec(ctx, `
			update tidings.comments
			set pinned_at = case when $2 then clock_timestamp() end
			where id = $1`, id, pin))
	})
}

// A lockedComment is a comment that a transaction has locked.
type lockedComment struct {
	author, status string
	version        int
	age            time.Duration
	reply, pinned  bool
}

// differs reports whether a comment has another version than the one that a user has seen. A user
// who has seen none passes nil.
func (c lockedComment) differs(seen *int) bool { return seen != nil && *seen != c.version }

// changeComment is lockComment, and returns the comment as it is after the commit. A trigger of the
// site may have deleted the row at COMMIT, which refuses the change.
func (s *Store) changeComment(ctx context.Context, id int64, by string, change func(pgx.Tx, lockedComment) error) (Comment, error) {
	if err := s.lockComment(ctx, id, by, change); err != nil {
		return Comment{}, err
	}
	c, err := s.HeldComment(ctx, id, by)
	if errors.Is(err, ErrNotFound) {
		err = errRefused
	}
	return c, err
}

// lockComment runs change in a transaction that has locked a comment. The setting tidings.by
// names the user in the event `moderation`.
func (s *Store) lockComment(ctx context.Context, id int64, by string, change func(pgx.Tx, lockedComment) error) error {
	return s.writeWaiting(ctx, rowOfComment(id), func(tx pgx.Tx) error {
		var row lockedComment
		var seconds float64
		err := tx.QueryRow(ctx, `
			select author_id, status, version, extract(epoch from clock_timestamp() - created_at)::float8,
				parent_id is not null, pinned_at is not null
			from tidings.comments
			where id = $1
			for no key update`, id,
		).Scan(&row.author, &row.status, &row.version, &seconds, &row.reply, &row.pinned)
		if err != nil {
			return err
		}
		row.age = time.Duration(seconds * float64(time.Second))
		if _, err := tx.Exec(ctx, `select set_config('tidings.by', $1, true)`, by); err != nil {
			return err
		}
		return change(tx, row)
	})
}

// changed returns errRefused for an UPDATE that a trigger of the site has left out.
func changed(tag interface{ RowsAffected() int64 }, err error) error {
	if err == nil && tag.RowsAffected() == 0 {
		return errRefused
	}
	return err
}

// DeleteComment deletes a comment for its author or for a moderator. Others get
// ErrNotAuthor. version is the one that the user has seen, nil for any. It returns ErrNotFound if
// the comment does not exist, nil if it is deleted already, ErrVersion if the comment has another
// version, and an *InvalidError if a trigger of the site refuses. An author does not see the
// version of a comment that a moderator has hidden, so it is not compared.
func (s *Store) DeleteComment(ctx context.Context, id int64, by string, moderator bool, version *int) error {
	err := s.lockComment(ctx, id, by, func(tx pgx.Tx, row lockedComment) error {
		seen := moderator || row.status == StatusPublished || row.status == StatusPending
		switch {
		case row.author != by && !moderator:
			return ErrNotAuthor
		case row.status != StatusDeleted && seen && row.differs(version):
			return ErrVersion
		}
		_, err := tx.Exec(ctx, `
			update tidings.comments
			set status = 'deleted'
			where id = $1 and status <> 'deleted'`, id)
		return err
	})
	if err != nil {
		return err
	}
	// A trigger of the site may have left the update out or undone it, or deleted the row.
	var kept bool
	err = s.read(ctx, rowQuery([]any{&kept}, `
		select exists (select from tidings.comments where id = $1 and status <> 'deleted')`, id))
	if err == nil && kept {
		err = errRefused
	}
	return err
}
