package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Lists has the times of the lists of one post.
type Lists struct {
	Comments int         `json:"comments"` // of the post, half of them replies
	Each     []ListTimes `json:"each"`
}

// ListTimes has the times of each list with a number of readers that ask at the same time.
type ListTimes struct {
	Readers int        `json:"readers"` // each with a connection that it keeps
	Lists   []ListTime `json:"lists"`   // in the order of listKinds
}

// A ListTime is how long one list takes, from the request until its last byte.
type ListTime struct {
	Name    string  `json:"name"`
	Answer  Summary `json:"answer"`
	OfFirst float64 `json:"p50OfFirst"` // p50 ÷ that of the first page
	OfFlat  float64 `json:"p95OfFlat"`  // p95 ÷ that of the flat list
}

// listKinds are the names of the lists that are measured. Each is a page of 20 comments, the default.
var listKinds = []string{"flat", "first", "middle", "top", "top, middle", "unchanged"}

// listReaders is the number of readers of the second measurement.
const listReaders = 16

// lists fills a post, and reads its lists with one reader and with listReaders. Each reader asks
// for one list of each kind in turn, so that the kinds share the changes of the machine's speed.
// Without the database there is no post with so many comments: the section is left out.
func (c Config) lists(ctx context.Context, t *target, report *Report) error {
	if t.dsn == "" {
		t.out.logf("lists: left out, because the database of the server is not known")
		return nil
	}
	post := t.post("lists", 0)
	t.out.logf("lists: writing %d comments", c.Thread)
	if err := t.fillThread(ctx, post, c.Thread); err != nil {
		return fmt.Errorf("write the comments: %w", err)
	}
	requests, err := t.listRequests(ctx, post, c.Thread)
	if err != nil {
		return err
	}
	l := &Lists{Comments: c.Thread}
	for _, readers := range []int{1, listReaders} {
		t.out.logf("lists: readers: %d", readers)
		each, err := t.readLists(ctx, requests, readers, c.Lists)
		if err != nil {
			return err
		}
		l.Each = append(l.Each, each)
	}
	l.print(t.out)
	report.Lists = l
	return nil
}

// fillThread writes the comments of a post by SQL, and likes of its roots: none, one or two of
// most, and up to hundreds of some.
func (t *target) fillThread(ctx context.Context, post string, comments int) error {
	return withDatabase(ctx, t.dsn, func(conn *pgx.Conn) error {
		for _, sql := range []string{`
			with given as materialized (
				select n, nextval('tidings.comments_id_seq') as id
				from generate_series(1, $2::int) as n
			)
			insert into tidings.comments (id, post_id, parent_id, author_id, body)
			select given.id, $1, parent.id, 'bench-' || given.n % 100, repeat('A comment of usual length. ', 4)
			from given
			left join given as parent on given.n > $2 / 2 and parent.n = (given.n - $2 / 2) % greatest($2 / 4, 1) + 1`, `
			insert into tidings.likes (post_id, comment_id, user_id)
			select $1, id, 'bench-' || u
			from (
				select id, row_number() over (order by id) as n
				from tidings.comments
				where post_id = $1 and parent_id is null and $2::int > 0
			) as root
			cross join lateral generate_series(1, case when n % 100 = 0 then n / 10 else n % 3 end) as u`,
		} {
			if _, err := conn.Exec(ctx, sql, post, comments); err != nil {
				return err
			}
		}
		_, err := conn.Exec(ctx, `analyze tidings.comments, tidings.likes, tidings.counts, tidings.users`)
		return err
	})
}

// A listRequest is the bytes of a request, and the status that its response must have.
type listRequest struct {
	text   []byte
	status int
}

// listRequests returns the request for each of listKinds, by a user who is signed in. Pages in the
// middle begin after a quarter of the comments, which is half of the roots.
func (t *target) listRequests(ctx context.Context, post string, comments int) (all []listRequest, err error) {
	token, err := t.token("reader")
	if err != nil {
		return nil, err
	}
	conn, err := t.dialer.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	// The bytes are made once and sent many times, so that making them takes no time of the load.
	text := func(query url.Values, header string) []byte {
		return fmt.Appendf(nil, "GET %s/v1/posts/%s/comments?%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s\r\n",
			t.dialer.base, post, query.Encode(), t.dialer.host, token, header)
	}
	// middle reads a quarter of the comments in the order of the query, in pages of 100, and returns
	// the query for the next page.
	middle := func(query url.Values) (url.Values, error) {
		for skipped := 0; skipped < comments/4; {
			query.Set("limit", fmt.Sprint(min(100, comments/4-skipped)))
			answer, err := conn.roundTrip(text(query, ""))
			if err != nil {
				return nil, err
			}
			var page struct {
				Data []struct{}
				Page struct{ Next string }
			}
			if err := json.NewDecoder(answer.Body).Decode(&page); err != nil {
				return nil, err
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil { // the connection is used again
				return nil, err
			}
			skipped += len(page.Data)
			query.Set("after", page.Page.Next)
		}
		query.Del("limit")
		return query, nil
	}
	inMiddle, err := middle(url.Values{})
	if err != nil {
		return nil, err
	}
	topMiddle, err := middle(url.Values{"sort": {"top"}})
	if err != nil {
		return nil, err
	}
	for _, query := range []url.Values{{"flat": {"1"}}, {}, inMiddle, {"sort": {"top"}}, topMiddle} {
		all = append(all, listRequest{text(query, ""), http.StatusOK})
	}
	// The first page again, by a client that has it: the server answers 304 without a body.
	answer, err := conn.roundTrip(all[1].text)
	if err != nil {
		return nil, err
	}
	return append(all, listRequest{text(nil, "If-None-Match: "+answer.Header.Get("ETag")+"\r\n"), http.StatusNotModified}), nil
}

// readLists lets readers ask for n lists of each kind, all readers together.
func (t *target) readLists(ctx context.Context, requests []listRequest, readers, n int) (all ListTimes, err error) {
	var mu sync.Mutex // guards took and err
	took := make([][]time.Duration, len(requests))
	more := times(n)
	var running sync.WaitGroup
	for range readers {
		conn, dialErr := t.dialer.dial(ctx)
		if dialErr != nil {
			return all, dialErr
		}
		defer conn.close()
		running.Go(func() {
			each, readErr := conn.readLists(ctx, t.now, requests, more)
			mu.Lock()
			defer mu.Unlock()
			for kind := range each {
				took[kind] = append(took[kind], each[kind]...)
			}
			if err == nil {
				err = readErr
			}
		})
	}
	running.Wait()
	if err != nil {
		return all, err
	}
	all.Readers = readers
	for kind, name := range listKinds {
		all.Lists = append(all.Lists, ListTime{Name: name, Answer: summarize(took[kind])})
	}
	flat, first := all.Lists[0].Answer, all.Lists[1].Answer
	for i := range all.Lists {
		l := &all.Lists[i]
		l.OfFirst, l.OfFlat = ratioOf(l.Answer.P50, first.P50), ratioOf(l.Answer.P95, flat.P95)
	}
	return all, ctx.Err()
}

// readLists makes each request in turn until more returns false, and returns how long they took.
func (c *rawConn) readLists(ctx context.Context, now func() time.Duration, requests []listRequest, more func(context.Context) bool) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(requests))
	for more(ctx) && ctx.Err() == nil {
		for kind, request := range requests {
			begin := now()
			answer, err := c.roundTrip(request.text)
			if err != nil {
				return nil, err
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil {
				return nil, fmt.Errorf("read answer: %w", err)
			}
			took[kind] = append(took[kind], now()-begin)
			if answer.StatusCode != request.status {
				return nil, fmt.Errorf("the server answered %s to the request for the list %q", answer.Status, listKinds[kind])
			}
		}
	}
	return took, nil
}

// print writes a table for each number of readers.
func (l *Lists) print(out printer) {
	for _, each := range l.Each {
		t := out.table("Lists of a post with %d comments, half of them replies; readers: %d", l.Comments, each.Readers)
		for _, one := range each.Lists {
			t.times(one.Name, one.Answer)
		}
		for _, one := range each.Lists {
			out.line("%-12s p95 %.2f ms; p50 ÷ that of the first page: %.2f; p95 ÷ that of the flat list: %.2f",
				one.Name, one.Answer.P95, one.OfFirst, one.OfFlat)
		}
	}
}

// addFigures adds the p50 and p95 of each list.
func (l *Lists) addFigures(f *figures) {
	for _, each := range l.Each {
		for _, one := range each.Lists {
			prefix := fmt.Sprintf("lists, readers: %d, %s: ", each.Readers, one.Name)
			f.add(prefix+"p50 ms", one.Answer.P50)
			f.add(prefix+"p95 ms", one.Answer.P95)
		}
	}
}
