package api

import (
	"testing"

	"github.com/tidings-live/tidings/api/auth"
)

func TestConnection_NeedsARole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.do(t, "GET", "/v1/connection").isProblem(t, 401, "unauthenticated")
	r.do(t, "GET", "/v1/connection", as(t, "ann")).isProblem(t, 403, "forbidden")
	r.do(t, "GET", "/v1/connection", as(t, "bot", auth.RoleService)).wants(t, 200,
		`{"address":"127.0.0.1","peer":"*","host":"*","protocol":"HTTP/1.1","forwardedFor":[],"forwardedHost":[],"forwardedProto":[],"via":[]}`)
}
