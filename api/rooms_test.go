package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/auth/authtest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// withTopics signs a request for an hour with a token whose claim topics has these texts.
func withTopics(t testing.TB, claim ...string) edit {
	t.Helper()
	return withTopicsUntil(t, time.Now().Add(time.Hour), claim...)
}

func withTopicsUntil(t testing.TB, expires time.Time, claim ...string) edit {
	t.Helper()
	signed, err := auth.SignToken(secret, auth.Identity{Subject: "ann", Topics: claim, Expires: expires})
	streamtest.Must(t, err)
	return header("Authorization", "Bearer "+signed)
}

// Each topic is opened by the same tokens on every path: streams, polls, replays, tickets. The
// rig has the public kind room.
func TestTopicsAreReadableByTheSameTokensOnEveryPath(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, topicsAreReadableByTheSameTokens)
}

func topicsAreReadableByTheSameTokens(t *testing.T, way func(*setup)) {
	r := newRig(t, way)
	topics := []string{"post:42", "room:1", "team:7", "team:8", "course:a/b?c=%D0", "user:ann", "user:bob", "site:moderation"}
	for _, topic := range topics {
		r.publish(t, topic, "news", `{}`)
	}
	head := r.head(t)
	for name, c := range map[string]struct {
		edits []edit
		opens []string // besides the public ones
	}{
		"NoToken":         {nil, nil},
		"PlainToken":      {[]edit{as(t, "ann")}, []string{"user:ann"}},
		"ClaimOfOne":      {[]edit{withTopics(t, "team:7")}, []string{"user:ann", "team:7"}},
		"ClaimOfSome":     {[]edit{withTopics(t, "course:a/b?c=%D0", "team:8", "team:9")}, []string{"user:ann", "team:8", "course:a/b?c=%D0"}},
		"ClaimOfAKind":    {[]edit{withTopics(t, "team:*")}, []string{"user:ann", "team:7", "team:8"}},
		"NoOtherWildcard": {[]edit{withTopics(t, "*", "*:*", "team", "team:", "tea*:7", "TEAM:7", "team:7*", " team:7", "course:a*", "course:a/b?c=%d0")}, []string{"user:ann"}},
		"NoClaimOfUsers":  {[]edit{withTopics(t, "user:bob", "user:*", "site:moderation", "site:*", "me")}, []string{"user:ann"}},
		"Moderator":       {[]edit{as(t, "ann", auth.RoleModerator)}, []string{"user:ann", "site:moderation"}},
		"Admin":           {[]edit{as(t, "ann", auth.RoleAdmin)}, []string{"user:ann", "site:moderation"}},
		"Service":         {[]edit{as(t, "bot", auth.RoleService)}, []string{"team:7", "team:8", "course:a/b?c=%D0", "site:moderation"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, topic := range topics {
				allowed := topic == "post:42" || topic == "room:1" || slices.Contains(c.opens, topic)
				status, code := 403, "forbidden"
				if c.edits == nil {
					status, code = 401, "unauthenticated"
				}
				query := "topic=" + url.QueryEscape(topic)
				ticketBody := sends(`{"topics":[` + fmt.Sprintf("%q", topic) + `]}`)
				for path, want := range map[string]struct {
					answer answer
					status int
				}{
					"stream":         {r.do(t, "GET", "/v1/events?"+query, c.edits...), 200},
					"replay":         {r.do(t, "GET", "/v1/events?cursor=earliest&"+query, c.edits...), 200},
					"last event id":  {r.do(t, "GET", "/v1/events?"+query, append([]edit{header("Last-Event-ID", head)}, c.edits...)...), 200},
					"poll":           {r.do(t, "GET", "/v1/poll?wait=0&"+query, c.edits...), 200},
					"replaying poll": {r.do(t, "GET", "/v1/poll?cursor=earliest&"+query, c.edits...), 200},
					"ticket":         {r.do(t, "POST", "/v1/ticket", append([]edit{ticketBody}, c.edits...)...), 201},
				} {
					if path == "ticket" && c.edits == nil {
						want.answer.isProblem(t, 401, "unauthenticated") // for public topics, too
						continue
					}
					if allowed {
						streamtest.Want(t, path+" of "+topic, want.answer.status, want.status)
						continue
					}
					p := want.answer.isProblem(t, status, code)
					streamtest.Want(t, "the topics that "+path+" refuses", p.Topics, []string{topic})
				}
			}
			if c.edits == nil || !slices.Contains(c.opens, "team:7") {
				return
			}
			// The ticket has the claims of its token.
			ticket := r.ticket(t, c.edits[0], `["team:7","post:42"]`)
			p := r.do(t, "GET", "/v1/poll?topic=team:8&ticket="+ticket).isProblem(t, 403, "forbidden")
			streamtest.Want(t, "the topics of the problem", p.Topics, []string{"team:8"})
			var page struct{ Events []struct{ Topic string } }
			streamtest.Must(t, json.Unmarshal([]byte(r.do(t, "GET", "/v1/poll?cursor=earliest&ticket="+ticket).body), &page))
			streamtest.Want(t, "the events over the ticket", len(page.Events), 2)
			r.do(t, "GET", "/v1/events?topic=team:7&ticket="+ticket).isProblem(t, 401, "invalid_ticket") // used
		})
	}
}

// A reader of a room gets its events and signals, and no others.
func TestRooms_ReachTheirReaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.follow(t, "topic=team:7&cursor=now", withTopics(t, "team:*"))
	s.event("stream.ready")
	for _, topic := range []string{"team:8", "team:7"} {
		r.publish(t, topic, "news", `{"of":"`+topic+`"}`)
	}
	streamtest.Want(t, "the data", s.event("news").field("data"), `{"of":"team:7"}`)
	r.exec(t, `select tidings.signal('team:8', 'cursor', '{"of":8}'), tidings.signal('team:7', 'cursor', '{"of":7}')`)
	streamtest.Want(t, "the signal", s.event("cursor").field("data"), `{"of":7}`)
}

// The streams of a room end with the token, also those of its tickets, and the token opens nothing
// afterwards.
func TestRooms_EndWithTheToken(t *testing.T) {
	t.Parallel()
	inEveryWay(t, func(t *testing.T, way func(*setup)) {
		r := newRig(t, way)
		expires := time.Now().Add(3 * time.Second).Truncate(time.Second)
		bearer := withTopicsUntil(t, expires, "team:7")
		unused := r.ticket(t, bearer, `["team:7"]`)
		for _, s := range []*follower{
			r.follow(t, "topic=team:7", bearer),
			r.follow(t, "ticket="+r.ticket(t, bearer, `["team:7"]`)),
		} {
			s.event("stream.ready")
			s.event("stream.expiring") // at once: the token is short
			streamtest.Want(t, "data", s.event("stream.bye").field("data"), `{"reason":"expired"}`)
			s.ends()
		}
		if early := time.Until(expires); early > 0 {
			t.Errorf("the streams ended %v before the token", early)
		}
		for _, path := range []string{"/v1/events?topic=team:7", "/v1/poll?topic=team:7&cursor=earliest"} {
			p := r.do(t, "GET", path, bearer).isProblem(t, 401, "invalid_token")
			streamtest.Want(t, "the reason", p.Reason, string(auth.ReasonExpired))
			r.do(t, "GET", path+"&ticket="+unused).isProblem(t, 401, "invalid_ticket")
		}
		r.do(t, "POST", "/v1/ticket", bearer, sends(`{"topics":["team:7"]}`)).isProblem(t, 401, "invalid_token")
	})
}

// All refused topics are named, of whatever kind, and a token with an unusable claim is refused.
func TestRooms_Mistakes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const query = "/v1/poll?topic=team:7&topic=post:42&topic=user:bob&topic=course:1"
	p := r.do(t, "GET", query, withTopics(t, "team:7")).isProblem(t, 403, "forbidden")
	streamtest.Want(t, "the refused topics", p.Topics, []string{"user:bob", "course:1"})
	p = r.do(t, "GET", query).isProblem(t, 401, "unauthenticated")
	streamtest.Want(t, "the topics that need a user", p.Topics, []string{"team:7", "user:bob", "course:1"})
	for _, claim := range []string{`"team:7"`, `{"team":7}`, `7`, `["team:7",7]`} {
		signed := authtest.Token(authtest.Object{"topics": json.RawMessage(claim)})
		p := r.do(t, "GET", "/v1/poll?topic=team:7", header("Authorization", "Bearer "+signed)).isProblem(t, 401, "invalid_token")
		streamtest.Want(t, "reason for "+claim, p.Reason, string(auth.ReasonMalformed))
	}
	if text := r.do(t, "GET", "/v1/poll?topic=team:7", as(t, "ann")).body; !strings.Contains(text, "claim topics") {
		t.Errorf("the problem does not name the claim: %s", text)
	}
}
