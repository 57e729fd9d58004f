package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

func TestIdempotencyKeyIsReadStrictly(t *testing.T) {
	t.Parallel()

	read := func(headers ...string) (string, error) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header["Idempotency-Key"] = headers
		return idempotencyKey(echo.New().NewContext(r, httptest.NewRecorder()))
	}
	for header, want := range map[string]string{
		`"8e03978e-40d5"`: "8e03978e-40d5", "bare": "bare", `"~!a"`: "~!a",
		strings.Repeat("k", maxKeyBytes): strings.Repeat("k", maxKeyBytes),
	} {
		if key, err := read(header); err != nil || key != want {
			t.Errorf("%q is %q, %v", header, key, err)
		}
	}
	if key, err := read(); key != "" || err != nil {
		t.Errorf("no header is %q, %v", key, err)
	}
	for _, headers := range [][]string{
		{""}, {`""`}, {`"`}, {`"a`}, {`a"b`}, {"a b"}, {"ä"}, {"a\x00"}, {`a\b`}, {"a", "b"}, {strings.Repeat("k", maxKeyBytes+1)},
	} {
		var problem *Problem
		if key, err := read(headers...); !errors.As(err, &problem) || problem.Code != "malformed" {
			t.Errorf("%q is %q, %v; want the problem malformed", headers, key, err)
		}
	}
}
