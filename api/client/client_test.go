package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestNewRefusesBadURLs(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "localhost:8080", "ftp://host", "http://", "http://h?a=b", "http://h#a", "http://h\n"} {
		if _, err := New(base); err == nil {
			t.Errorf("%q: no error", base)
		}
	}
}

const commentJSON = `{"id":"17","postId":"42","parentId":null,` +
	`"author":{"id":"ann","name":"Ann","avatarUrl":null},"body":"Hi","status":"published",` +
	`"likeCount":1,"replyCount":2,"createdAt":"2026-01-02T03:04:05Z","editedAt":null,"version":3}`

var comment = Comment{ID: "17", PostID: "42", Author: &Author{ID: "ann", Name: "Ann"}, Body: "Hi",
	Status: "published", LikeCount: 1, ReplyCount: 2, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Version: 3}

// restTests has the calls of the client: the request that each sends, and the value that
// it returns for an answer. A call that returns only an error has a nil want.
var restTests = []struct {
	name    string
	call    func(context.Context, *Client) (any, error)
	request string // method, path and query, body
	answer  string
	want    any
}{
	{"CreateComment",
		func(ctx context.Context, c *Client) (any, error) {
			return c.CreateComment(ctx, "42", NewComment{Body: "Hi"})
		},
		`POST /v1/posts/42/comments {"body":"Hi"}`, commentJSON, comment},
	{"CreateReply",
		func(ctx context.Context, c *Client) (any, error) {
			return c.CreateComment(ctx, "42", NewComment{Body: "Hi", ParentID: new("16")})
		},
		`POST /v1/posts/42/comments {"body":"Hi","parentId":"16"}`, commentJSON, comment},
	{"Comments",
		func(ctx context.Context, c *Client) (any, error) {
			return c.Comments(ctx, "42", ListOptions{Sort: "oldest", Limit: 5, After: "x y"})
		},
		`GET /v1/posts/42/comments?after=x+y&limit=5&sort=oldest `,
		`{"data":[` + commentJSON + `],"page":{"next":"n","more":true},` +
			`"post":{"id":"42","title":null,"url":null,"locked":false,"commentCount":7,"likeCount":8,"liked":true},"cursor":"1-9"}`,
		CommentList{Data: []Comment{comment}, Page: PageInfo{Next: "n", More: true},
			Post: ListedPost{ID: "42", CommentCount: 7, LikeCount: 8, Liked: true}, Cursor: "1-9"}},
	{"CommentsByDefault",
		func(ctx context.Context, c *Client) (any, error) { return c.Comments(ctx, "42", ListOptions{}) },
		`GET /v1/posts/42/comments `,
		`{"data":[{"id":"1","author":null}],"page":{"next":null,"more":false}}`,
		CommentList{Data: []Comment{{ID: "1"}}}},
	{"DeleteComment",
		func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteComment(ctx, "17") },
		`DELETE /v1/comments/17 `, ``, nil},
	{"LikePost",
		func(ctx context.Context, c *Client) (any, error) { return c.LikePost(ctx, "42") },
		`PUT /v1/posts/42/like `, `{"count":3,"liked":true}`, Likes{Count: 3, Liked: true}},
	{"UnlikePost",
		func(ctx context.Context, c *Client) (any, error) { return c.UnlikePost(ctx, "42") },
		`DELETE /v1/posts/42/like `, `{"count":2,"liked":false}`, Likes{Count: 2}},
	{"LikeComment",
		func(ctx context.Context, c *Client) (any, error) { return c.LikeComment(ctx, "17") },
		`PUT /v1/comments/17/like `, `{"count":3,"liked":true}`, Likes{Count: 3, Liked: true}},
	{"UnlikeComment",
		func(ctx context.Context, c *Client) (any, error) { return c.UnlikeComment(ctx, "17") },
		`DELETE /v1/comments/17/like `, `{"count":2,"liked":false}`, Likes{Count: 2}},
	{"Counts",
		func(ctx context.Context, c *Client) (any, error) { return c.Counts(ctx, "42", "a|b") },
		`GET /v1/counts?post=42&post=a%7Cb `, `{"data":{"42":{"comments":3,"likes":7}}}`,
		map[string]Counts{"42": {Comments: 3, Likes: 7}}},
	{"Post",
		func(ctx context.Context, c *Client) (any, error) { return c.Post(ctx, "42") },
		`GET /v1/posts/42 `, `{"id":"42","title":null,"url":"/a","authorId":"ann","locked":true,"commentCount":1,"likeCount":2}`,
		Post{ID: "42", URL: "/a", AuthorID: "ann", Locked: true, CommentCount: 1, LikeCount: 2}},
	{"PutPost",
		func(ctx context.Context, c *Client) (any, error) {
			return c.PutPost(ctx, "42", PostInput{Title: Value("T"), AuthorID: Value("ann")})
		},
		`PUT /v1/posts/42 {"title":"T","authorId":"ann"}`, `{"id":"42","title":"T"}`,
		Post{ID: "42", Title: "T"}},
	{"Typing",
		func(ctx context.Context, c *Client) (any, error) { return nil, c.Typing(ctx, "42") },
		`POST /v1/posts/42/typing `, ``, nil},
	{"Notifications",
		func(ctx context.Context, c *Client) (any, error) {
			return c.Notifications(ctx, NotificationOptions{Unread: true, Limit: 2, After: "n"})
		},
		`GET /v1/notifications?after=n&limit=2&unread=true `,
		`{"data":[{"id":"5","kind":"like","postId":"42","actor":{"id":"bob","name":"Bob"}}],"unread":4,"cursor":"1-9"}`,
		NotificationList{Unread: 4, Cursor: "1-9", Data: []Notification{
			{ID: "5", Kind: "like", PostID: "42", Actor: Author{ID: "bob", Name: "Bob"}}}}},
	{"Ticket",
		func(ctx context.Context, c *Client) (any, error) { return c.Ticket(ctx, []string{"me"}) },
		`POST /v1/ticket {"topics":["me"]}`, `{"ticket":"t","expiresAt":"2026-01-02T03:04:05Z"}`,
		Ticket{Ticket: "t", ExpiresAt: comment.CreatedAt}},
	{"Publish",
		func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Publish(ctx, "post:42", "price", json.RawMessage(`{"eur":1}`))
		},
		`POST /v1/publish {"topic":"post:42","event":"price","data":{"eur":1}}`, ``, nil},
	{"Signal",
		func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Signal(ctx, "post:42", "cursor", json.RawMessage(`{"x":1}`))
		},
		`POST /v1/publish {"topic":"post:42","event":"cursor","data":{"x":1},"ephemeral":true}`, ``, nil},
	{"Presence",
		func(ctx context.Context, c *Client) (any, error) { return c.Presence(ctx, "42") },
		`GET /v1/posts/42/presence `, `{"postId":"42","viewers":3,"users":[{"id":"ann","name":"Ann"}]}`,
		Presence{PostID: "42", Viewers: 3, Users: []Viewer{{ID: "ann", Name: "Ann"}}}},
	{"PostIDWithEverySign",
		func(ctx context.Context, c *Client) (any, error) {
			_, err := c.LikePost(ctx, "https://a.b/c|d@e:f=g+h,i~j")
			return nil, err
		},
		`PUT /v1/posts/-/like?post=https%3A%2F%2Fa.b%2Fc%7Cd%40e%3Af%3Dg%2Bh%2Ci~j `, `{}`, nil},
}

func TestCalls(t *testing.T) {
	t.Parallel()
	for _, tt := range restTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if got := r.Method + " " + r.RequestURI + " " + string(body); got != tt.request {
					t.Errorf("request\n got %s\nwant %s", got, tt.request)
				}
				if hasBody := r.Header.Get("Content-Type") == "application/json"; hasBody != (len(body) > 0) {
					t.Errorf("content type %q for %d bytes", r.Header.Get("Content-Type"), len(body))
				}
				answer(w, http.StatusOK, "application/json", tt.answer)
			})
			got, err := tt.call(t.Context(), c)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

func TestRequestsCarryTheirHeaders(t *testing.T) {
	t.Parallel()
	heads := make(chan http.Header, 1)
	ann := serve(t, func(w http.ResponseWriter, r *http.Request) {
		heads <- r.Header
		answer(w, http.StatusCreated, "application/json", "{}")
	}, WithToken("ann's"))

	for want, c := range map[string]*Client{"Bearer ann's": ann, "Bearer bob's": ann.As("bob's"), "": ann.As("")} {
		if _, err := c.CreateComment(t.Context(), "1", NewComment{IdempotencyKey: "k"}); err != nil {
			t.Fatal(err)
		}
		head := <-heads
		if head.Get("Authorization") != want || head.Get("Idempotency-Key") != "k" {
			t.Errorf("want %q, got %v", want, head)
		}
	}
}

func TestBaseURLKeepsItsPath(t *testing.T) {
	t.Parallel()
	paths := make(chan string, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { paths <- r.URL.Path })
	below, err := New(c.base+"/tidings/", WithHTTPClient(c.http))
	if err != nil {
		t.Fatal(err)
	}
	if err := below.Typing(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if path := <-paths; path != "/tidings/v1/posts/1/typing" {
		t.Errorf("got %s", path)
	}
}

func TestErrorsDoNotShowTheAddress(t *testing.T) {
	t.Parallel()
	c, err := New("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Stream(t.Context(), []string{"me"}, "", WithParam("ticket", "secret"))
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "open stream: ") {
		t.Errorf("got %v", err)
	}
}

func TestAnswerThatIsNotJSON(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, "text/html", "<html>") })
	_, err := c.Post(t.Context(), "1")
	streamtest.WantErr(t, err, ErrNotJSON)
	c = serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, "application/json", "{]") })
	_, err = c.Post(t.Context(), "1")
	if err == nil || !strings.HasPrefix(err.Error(), "get post: decode answer: ") {
		t.Errorf("got %v", err)
	}
}

func TestContextEndsACall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.Post(ctx, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
