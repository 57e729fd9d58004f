package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestPermanent(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 204, 302, 304, 400, 401, 403, 404, 405, 406, 410, 413, 414, 421, 422, 431, 451, 501, 505} {
		streamtest.Want(t, fmt.Sprintf("permanent of %d", status), permanent(fmt.Errorf("poll: %w", &Problem{Status: status})), true)
	}
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504, 507, 520, 529} {
		streamtest.Want(t, fmt.Sprintf("permanent of %d", status), permanent(&Problem{Status: status}), false)
	}
	for err, want := range map[error]bool{
		ErrNotStream:     true,
		ErrNotJSON:       true,
		ErrBlockTooLarge: true,
		&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}: true,
		ErrSilent:                false,
		errNotHeld:               false,
		io.EOF:                   false,
		io.ErrUnexpectedEOF:      false,
		syscall.ECONNREFUSED:     false,
		syscall.ECONNRESET:       false,
		context.DeadlineExceeded: false, // of one poll
		&net.DNSError{Name: "x"}: false,
		http.ErrServerClosed:     false,
	} {
		streamtest.Want(t, fmt.Sprintf("permanent of %v", err), permanent(fmt.Errorf("poll: %w", err)), want)
	}
}

// Whatever a server answers, FollowPoll and Follow either try again, and tell the RetryFunc
// why, or return an error.
func TestFollow_EndsWithAnErrorOrTriesAgain(t *testing.T) {
	t.Parallel()
	html := func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, "text/html", "<title>Sign in</title>")
	}
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, "application/json", body) }
	}
	for name, c := range map[string]struct {
		first http.HandlerFunc
		final bool
	}{
		"LoginPage":      {html, true},
		"BrokenJSON":     {text(`{"events":[}`), true},
		"OtherJSON":      {text(`{"events":"none"}`), true},
		"CutJSON":        {text(`{"events":[`), false},
		"Empty":          {text(``), false},
		"CutConnection":  {func(http.ResponseWriter, *http.Request) { cutOff() }, false},
		"GoneForEver":    {fails(410, ""), true},
		"NotFound":       {fails(404, ""), true},
		"TooManyRequest": {fails(429, ""), false},
		"BadGateway":     {fails(502, ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: []http.HandlerFunc{c.first, replies(page("1-8", "1-8"))}}
				cl, stop := servePiped(t, s.ServeHTTP)
				defer stop()
				var told []error
				err := cl.FollowPoll(t.Context(), []string{"post:42"}, "1-1", func(Event) error { return errEnough },
					WithRetryFunc(func(err error, _ time.Duration) { told = append(told, err) }))
				switch {
				case c.final && (err == nil || errors.Is(err, errEnough)):
					t.Errorf("got %v after %v, want the error of the answer", err, told)
				case !c.final && (!errors.Is(err, errEnough) || len(told) != 1):
					t.Errorf("got %v after %v, want one more attempt", err, told)
				}
			})
		})
	}
}
