package api

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func FuzzDecodePlace(f *testing.F) {
	f.Add("newest-x", encodePlace("newest-x", store.Place{ID: 7, At: time.Now()}))
	f.Add("oldest", base64.RawURLEncoding.EncodeToString([]byte("oldest.pinned.-62135596800000000.9223372036854775807")))
	f.Add("newest", "bmV3ZXN0LjEuMQ==")
	f.Add("top-x", encodePlace("top-x", store.Place{ID: 7, Likes: 3}))
	f.Fuzz(func(t *testing.T, sort, text string) {
		place, err := decodePlace(sort, text)
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.Status != http.StatusBadRequest || place != (store.Place{}) {
				t.Fatalf("%#v, %v", place, err)
			}
			return
		}
		if place.ID <= 0 || place.At.Year() < 1 || place.At.Year() > 9999 {
			t.Fatalf("%#v", place)
		}
		again, err := decodePlace(sort, encodePlace(sort, place))
		if err != nil || !again.At.Equal(place.At) || again.ID != place.ID || again.Likes != place.Likes || again.Pinned != place.Pinned {
			t.Fatalf("%#v reads back as %#v, %v", place, again, err)
		}
		if _, err := decodePlace(sort+"x", text); err == nil {
			t.Fatal("another sort takes it, too")
		}
	})
}

func FuzzAccept(f *testing.F) {
	for _, seed := range []string{"", "*/*", "text/*;q=0", "text/html, */*; q=0.1", "a;b;c,,;q=", `text/html;x="a,b";Q = 0`} {
		f.Add(seed)
	}
	accepts := func(text string) bool {
		return acceptsEventStream(&http.Request{Header: http.Header{"Accept": {text}}})
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := accepts(text)
		if isASCII(text) && accepts(strings.ToUpper(text)) != got {
			t.Fatalf("%q is accepted by its case", text)
		}
		if strings.Contains(strings.ToLower(text), "text/event-stream") {
			return
		}
		// The closest range decides, wherever it stands.
		for closest, accepted := range map[string]bool{"text/event-stream": true, "text/event-stream;q=0": false} {
			if accepts(text+","+closest) != accepted || accepts(closest+","+text) != accepted {
				t.Fatalf("%q and %q is accepted: %v", text, closest, !accepted)
			}
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// FuzzOrigin checks, for any Origin, Host and Sec-Fetch-Site, that a cookie counts only
// from an allowed page or our own, and that CORS headers name the allowed origin or are
// absent.
func FuzzOrigin(f *testing.F) {
	for _, from := range append(foreign, page, "", "https://tidings.example") {
		f.Add(from, "tidings.example", "same-origin")
		f.Add(from, "tidings.example", "cross-site")
	}
	cfg := unconnected(f)
	cfg.AllowedOrigins = []string{page}
	s, err := New(cfg)
	streamtest.Must(f, err)
	s.echo.GET("/v1/whoami", func(c echo.Context) error { return c.String(200, identity(c).Subject) }, s.authenticate)
	ann := token(f, "ann")
	f.Fuzz(func(t *testing.T, from, host, site string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/v1/whoami"}, Host: host, Header: http.Header{"Cookie": {auth.CookieName + "=" + ann}}}
		if from != "" {
			r.Header.Set("Origin", from)
		}
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		rec := newRecorder()
		s.ServeHTTP(rec, r)
		named := rec.Body.String() == "ann"
		_, authority, _ := strings.Cut(from, "://")
		same := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(host), ":80"), ":443")
		meant := from == page || site == "same-origin" || site == "" && from != "" && (authority == same || authority == strings.ToLower(host))
		if named && !meant || named && rec.Code != http.StatusOK {
			t.Fatalf("origin %q, host %q, site %q: %d %s", from, host, site, rec.Code, rec.Body)
		}
		allowed := rec.Header().Get("Access-Control-Allow-Origin")
		if (allowed == page) != (from == page) || allowed != page && allowed != "" {
			t.Fatalf("origin %q is answered %q", from, allowed)
		}
	})
}
