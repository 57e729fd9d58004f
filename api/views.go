package api

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-live/tidings/store"
)

// timestamp is how every time is written: RFC 3339, UTC, microseconds. The schema's
// tidings.rfc3339 writes the same, so an event's comment is byte for byte the list's.
func timestamp(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func optionalTimestamp(t *time.Time) *string {
	if t == nil {
		return nil
	}
	s := timestamp(*t)
	return &s
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }

func optionalID(id *int64) *string {
	if id == nil {
		return nil
	}
	s := idText(*id)
	return &s
}

// parseRowID reads the id of a comment or notification. What cannot be one names
// nothing.
func parseRowID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 || idText(id) != s {
		return 0, store.ErrNotFound
	}
	return id, nil
}

type userJSON struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	AvatarURL *string `json:"avatarUrl"`
}

func viewUser(u store.User) userJSON { return userJSON(u) }

type commentJSON struct {
	ID         string    `json:"id"`
	PostID     string    `json:"postId"`
	ParentID   *string   `json:"parentId"`
	Author     *userJSON `json:"author"` // null in a tombstone
	Body       string    `json:"body"`
	Status     string    `json:"status"`
	LikeCount  int64     `json:"likeCount"`
	ReplyCount int64     `json:"replyCount"`
	CreatedAt  string    `json:"createdAt"`
	EditedAt   *string   `json:"editedAt"`
	Version    int       `json:"version"`
}

func viewComment(c store.Comment) commentJSON {
	v := commentJSON{
		ID: idText(c.ID), PostID: c.PostID, ParentID: optionalID(c.ParentID),
		Body: c.Body, Status: c.Status, LikeCount: c.Likes, ReplyCount: c.Replies,
		CreatedAt: timestamp(c.CreatedAt), EditedAt: optionalTimestamp(c.EditedAt), Version: c.Version,
	}
	if c.Status != store.StatusDeleted {
		author := viewUser(c.Author)
		v.Author = &author
	}
	return v
}

type postJSON struct {
	ID           string  `json:"id"`
	Title        *string `json:"title"`
	URL          *string `json:"url"`
	AuthorID     *string `json:"authorId"`
	Locked       bool    `json:"locked"`
	CommentCount int64   `json:"commentCount"`
	LikeCount    int64   `json:"likeCount"`
	CreatedAt    string  `json:"createdAt"`
}

func viewPost(p store.Post) postJSON {
	return postJSON{
		ID: p.ID, Title: p.Title, URL: p.URL, AuthorID: p.AuthorID, Locked: p.Locked,
		CommentCount: p.Comments, LikeCount: p.Likes, CreatedAt: timestamp(p.CreatedAt),
	}
}

type pageJSON struct {
	Next *string `json:"next"` // the after of the next page
	More bool    `json:"more"`
}

type notificationJSON struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	PostID    string   `json:"postId"`
	CommentID *string  `json:"commentId,omitempty"`
	Actor     userJSON `json:"actor"`
	CreatedAt string   `json:"createdAt"`
	ReadAt    *string  `json:"readAt"`
}

func viewNotification(n store.Notification) notificationJSON {
	return notificationJSON{
		ID: idText(n.ID), Kind: n.Kind, PostID: n.PostID, CommentID: optionalID(n.CommentID),
		Actor: viewUser(n.Actor), CreatedAt: timestamp(n.CreatedAt), ReadAt: optionalTimestamp(n.ReadAt),
	}
}

// The place of a page is opaque to clients: the sort it belongs to, microseconds,
// and the id.
func encodePlace(sort string, c store.Comment) string {
	text := sort + "." + strconv.FormatInt(c.CreatedAt.UnixMicro(), 10) + "." + idText(c.ID)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func decodePlace(sort, s string) (store.Place, error) {
	invalid := problemMalformed.with("after is not the next of a page with this sort")
	text, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return store.Place{}, invalid
	}
	parts := strings.Split(string(text), ".")
	if len(parts) != 3 || parts[0] != sort {
		return store.Place{}, invalid
	}
	micros, err := strconv.ParseInt(parts[1], 10, 64)
	at := time.UnixMicro(micros)
	if err != nil || at.Year() < 1 || at.Year() > 9999 { // what Postgres can hold, too
		return store.Place{}, invalid
	}
	id, err := parseRowID(parts[2])
	if err != nil {
		return store.Place{}, invalid
	}
	return store.Place{CreatedAt: at, ID: id}, nil
}
