package verify

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
)

const (
	mostPosts = 5
	mostUsers = 5
)

// participants are the users, posts and topics of one run. Their ids contain the
// random name of the run, so nothing else writes to them.
type participants struct {
	run    string
	secret string        // signs tokens; empty: there are none
	ttl    time.Duration // of tokens
	posts  []string      // ids
	users  []string      // ids of the authors of the posts, who get the notifications
}

// newParticipants makes at most as many posts and users as the given number of readers
// can read.
func newParticipants(secret string, ttl time.Duration, readers int) participants {
	p := participants{run: strings.ToLower(rand.Text()[:10]), secret: secret, ttl: ttl}
	for i := range min(mostPosts, readers) {
		p.posts = append(p.posts, fmt.Sprintf("verify-%s-%d", p.run, i))
	}
	for i := range min(mostUsers, (readers+1)/2) {
		p.users = append(p.users, fmt.Sprintf("verify-%s-user-%d", p.run, i))
	}
	return p
}

// author is the author of a post, who is notified of its comments and likes.
func (p participants) author(post int) string { return p.users[post%len(p.users)] }

// writer is the user of a writer: first those that read their notifications.
func (p participants) writer(i int) string {
	if i < len(p.users) {
		return p.users[i]
	}
	return fmt.Sprintf("verify-%s-writer-%d", p.run, i)
}

// private reports whether there are tokens. Without tokens, no private topic is read.
func (p participants) private() bool { return p.secret != "" }

// token signs a token for a user of the run. It is empty if there is no secret.
func (p participants) token(user string, roles ...string) (string, error) {
	if !p.private() {
		return "", nil
	}
	return auth.SignToken(p.secret, auth.Identity{Subject: user, Name: "Verify " + user, Roles: roles, Expires: time.Now().Add(p.ttl)})
}

// topics are all topics that the readers of the run read.
func (p participants) topics() []string {
	var all []string
	for _, post := range p.posts {
		all = append(all, "post:"+post)
	}
	if p.private() {
		for _, user := range p.users {
			all = append(all, "user:"+user)
		}
	}
	return all
}

// reader is the user and the topics of reader i: up to three posts and, for every
// second reader if there are tokens, the user's private topic. requested are the same
// topics as the reader names them in its requests: some readers write "me".
func (p participants) reader(i int) (user string, topics, requested []string) {
	user = p.users[i/2%len(p.users)]
	for k := range min(1+i%3, len(p.posts)) {
		topic := "post:" + p.posts[(i+k)%len(p.posts)]
		topics, requested = append(topics, topic), append(requested, topic)
	}
	if p.private() && i%2 == 0 {
		private := "user:" + user
		topics = append(topics, private)
		if i%4 == 0 {
			private = "me"
		}
		requested = append(requested, private)
	}
	return user, topics, requested
}

// forbidden are the private topics as users who may not read them request them: as
// another user and without a token, at each server.
func (p participants) forbidden(servers []*client.Client) ([]forbiddenTopic, error) {
	var all []forbiddenTopic
	for _, server := range servers {
		for i, owner := range p.users {
			other := "verify-" + p.run + "-stranger"
			if len(p.users) > 1 {
				other = p.users[(i+1)%len(p.users)]
			}
			token, err := p.token(other)
			if err != nil {
				return nil, err
			}
			all = append(all,
				forbiddenTopic{other, server.As(token), owner, http.StatusForbidden},
				forbiddenTopic{"an anonymous client", server.As(""), owner, http.StatusUnauthorized})
		}
	}
	return all, nil
}

// asUser returns the servers as a client with the token calls them.
func asUser(servers []*client.Client, token string) []*client.Client {
	all := make([]*client.Client, len(servers))
	for i, s := range servers {
		all[i] = s.As(token)
	}
	return all
}
