package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The settings for identity reach the server.
func TestServe_TakesLeewayAndPublicURL(t *testing.T) {
	t.Parallel()
	dsn := storetest.Empty(t)
	command(t, "serve", "--database-url", dsn, "--leeway=-1s").wants(t, 2, "--leeway")
	said := serveAt(t, dsn, "--leeway", "1h", "--public-url", "https://blog.example")
	srv := newServer(t, "http://"+said.await(t, loggedAddress))
	srv.awaitReady(t)

	late := token(t, auth.Identity{Subject: "ann", Expires: time.Now().Add(-30 * time.Minute)})
	for from, status := range map[string]int{"https://blog.example": http.StatusOK, "https://other.example": http.StatusForbidden} {
		req, err := http.NewRequestWithContext(t.Context(), "PUT", srv.url+"/v1/posts/a/like", strings.NewReader(""))
		streamtest.Must(t, err)
		req.Header.Set("Origin", from)
		req.Header.Set("Cookie", auth.CookieName+"="+late)
		res, err := srv.http.Do(req)
		streamtest.Must(t, err)
		res.Body.Close()
		streamtest.Want(t, "status of a page of "+from, res.StatusCode, status)
	}
}
