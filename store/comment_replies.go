package store

import (
	"context"

	"github.com/tidings-live/tidings/stream"
)

// A RepliesQuery asks for one page of the replies to a comment, by time.
type RepliesQuery struct {
	ID     int64
	Viewer string // user whose likes the list reports; empty for none
	After  *Place // last comment of the page before; nil for the first page
	Limit  int
}

// Replies returns one page of the comments below a root at any depth, or of the direct replies to
// another comment. It returns ErrNotFound if no list shows the comment. Of CommentList, Post has
// only its id.
func (s *Store) Replies(ctx context.Context, q RepliesQuery) (CommentList, error) {
	above, err := s.Comment(ctx, q.ID, "")
	if err != nil {
		return CommentList{}, err
	}
	list := CommentList{Post: Post{ID: above.PostID}}
	var state stream.State
	var changed int64
	var replies commentPage
	page := directReplies
	if above.ParentID == nil {
		page = threadReplies
	}
	after := ListQuery{After: q.After}.key()
	err = s.read(ctx, stateQuery(&state), changedQuery(above.PostID, q.Viewer, &changed),
		replies.queryOf(s.html, page, wholeComments, q.Viewer, q.ID, after, q.Limit, 0))
	if err != nil {
		return CommentList{}, err
	}
	list.Comments, list.More = replies.comments, replies.cut
	list.cut(q.Limit)
	list.State = listState(state, changed)
	return list, nil
}
