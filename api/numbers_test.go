package api

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// numbers are at, around and past the limits of the types that a parameter may go through:
// int4, exact numbers of JavaScript, int8, uint64, float8 and numeric.
var numbers = []string{
	"-9223372036854775809", "-9223372036854775808", "-2147483649", "-2147483648", "-1", "0", "1", "2", "99", "100", "101", "999", "1000", "1001",
	"2147483647", "2147483648", "4294967295", "4294967296", "9007199254740991", "9007199254740993",
	"9223372036854775806", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
	"253402300799999999", "253402300800000000", "-62135596800000000", "-62135596800000001",
	"1" + strings.Repeat("0", 400), "1e3", "1e400", "0x10", "1_000", "01", "+1", "-0", " 1", "1 ", "1.5", "NaN", "Infinity", "", "\u0661",
}

// No number in a parameter is a fault of the server.
func TestNumbers_AreNoFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('1', 'bob', 'Hello')`)
	r.exec(t, `insert into tidings.notifications (user_id, kind, post_id, actor_id) values ('ann', 'like', '1', 'bob')`)
	r.head(t)
	place := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, do := range map[string]func(n string) answer{
		"limit of comments": func(n string) answer { return r.do(t, "GET", "/v1/posts/1/comments?limit="+url.QueryEscape(n)) },
		"after of comments": func(n string) answer { return r.do(t, "GET", "/v1/posts/1/comments?after="+url.QueryEscape(n)) },
		"time in after":     func(n string) answer { return r.do(t, "GET", "/v1/posts/1/comments?after="+place("newest.-."+n+".1")) },
		"id in after":       func(n string) answer { return r.do(t, "GET", "/v1/posts/1/comments?after="+place("newest.-.1."+n)) },
		"id in after, oldest": func(n string) answer {
			return r.do(t, "GET", "/v1/posts/1/comments?sort=oldest&after="+place("oldest.-.1."+n))
		},
		"comment":           func(n string) answer { return r.do(t, "GET", "/v1/comments/"+url.PathEscape(n)) },
		"comment to delete": func(n string) answer { return r.do(t, "DELETE", "/v1/comments/"+url.PathEscape(n), as(t, "ann")) },
		"parentId": func(n string) answer {
			return r.do(t, "POST", "/v1/posts/1/comments", as(t, "ann"), sends(fmt.Sprintf(`{"body":"Hello","parentId":%q}`, n)))
		},
		"parentId as a number": func(n string) answer {
			return r.do(t, "POST", "/v1/posts/1/comments", as(t, "ann"), sends(`{"body":"Hello","parentId":`+n+`}`))
		},
		"limit of notifications": func(n string) answer {
			return r.do(t, "GET", "/v1/notifications?limit="+url.QueryEscape(n), as(t, "ann"))
		},
		"after of notifications": func(n string) answer {
			return r.do(t, "GET", "/v1/notifications?after="+url.QueryEscape(n), as(t, "ann"))
		},
		"unread of notifications": func(n string) answer {
			return r.do(t, "GET", "/v1/notifications?unread="+url.QueryEscape(n), as(t, "ann"))
		},
		"epoch of a poll": func(n string) answer {
			return r.do(t, "GET", "/v1/poll?wait=0&topic=post:1&cursor="+url.QueryEscape(n+"-0"))
		},
		"position of a poll": func(n string) answer {
			return r.do(t, "GET", "/v1/poll?wait=0&topic=post:1&cursor=1-"+url.QueryEscape(n))
		},
		"limit of a poll": func(n string) answer {
			return r.do(t, "GET", "/v1/poll?wait=0&topic=post:1&cursor=earliest&limit="+url.QueryEscape(n))
		},
		"wait of a poll": func(n string) answer {
			return r.do(t, "GET", "/v1/poll?topic=post:1&cursor=earliest&wait="+url.QueryEscape(n))
		},
		"preference of a poll": func(n string) answer {
			return r.do(t, "GET", "/v1/poll?topic=post:1&cursor=earliest", header("Prefer", "wait="+n))
		},
		"epoch of a stream": func(n string) answer {
			return r.do(t, "HEAD", "/v1/events?topic=post:1&cursor="+url.QueryEscape(n+"-0"))
		},
		"position of a stream": func(n string) answer { return r.do(t, "HEAD", "/v1/events?topic=post:1&cursor=1-"+url.QueryEscape(n)) },
		"position in a header": func(n string) answer {
			return r.do(t, "HEAD", "/v1/events?topic=post:1", header("Last-Event-ID", "1-"+n))
		},
		"number of data": func(n string) answer {
			return r.do(t, "POST", "/v1/publish", as(t, "shop", "service"), sends(`{"topic":"post:1","event":"n","data":`+n+`}`))
		},
		"id of a post":           func(n string) answer { return r.do(t, "GET", "/v1/posts/"+url.PathEscape(n)) },
		"id of a post in counts": func(n string) answer { return r.do(t, "GET", "/v1/counts?post="+url.QueryEscape(n)) },
	} {
		for _, n := range numbers {
			if got := do(n); got.status >= 500 {
				t.Errorf("%s, %.40q: status %d, %s", name, n, got.status, got.body)
			}
		}
	}
}

// A page has 1 to 100 entries.
func TestNumbers_LimitOfAPage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, path := range []string{"/v1/posts/1/comments?limit=", "/v1/notifications?limit="} {
		for limit, status := range map[string]int{"0": 400, "1": 200, "100": 200, "101": 400, "2147483648": 400, "9223372036854775808": 400, "-1": 400} {
			streamtest.Want(t, path+limit, r.do(t, "GET", path+limit, as(t, "ann")).status, status)
		}
	}
}
