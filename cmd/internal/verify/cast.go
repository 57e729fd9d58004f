package verify

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/tidings-live/tidings/api/auth"
)

// A cast names the users, posts and topics of a run, which are nobody else's.
type cast struct {
	run    string
	secret string
	ttl    time.Duration
	posts  []string // ids
	users  []string // who own the posts, and read what concerns them
}

const (
	mostPosts = 5
	mostUsers = 5
)

// newCast has no more posts and users than so many readers read all of.
func newCast(secret string, ttl time.Duration, readers int) cast {
	c := cast{run: strings.ToLower(rand.Text()[:10]), secret: secret, ttl: ttl}
	for i := range min(mostPosts, readers) {
		c.posts = append(c.posts, fmt.Sprintf("verify-%s-%d", c.run, i))
	}
	for i := range min(mostUsers, (readers+1)/2) {
		c.users = append(c.users, fmt.Sprintf("verify-%s-user-%d", c.run, i))
	}
	return c
}

// owner is the user who is notified of what happens to the post.
func (c cast) owner(post int) string { return c.users[post%len(c.users)] }

// private reports whether there are tokens, without which nobody reads private topics.
func (c cast) private() bool { return c.secret != "" }

// token speaks for a user of the run.
func (c cast) token(user string, roles ...string) (string, error) {
	if !c.private() {
		return "", nil
	}
	return auth.SignToken(c.secret, auth.Identity{Subject: user, Name: "Verify " + user, Roles: roles, Expires: time.Now().Add(c.ttl)})
}

// topics are all of the run that somebody reads.
func (c cast) topics() []string {
	var all []string
	for _, p := range c.posts {
		all = append(all, "post:"+p)
	}
	if c.private() {
		for _, u := range c.users {
			all = append(all, "user:"+u)
		}
	}
	return all
}

// part is what reader i reads: some posts and, if there are tokens, every second
// reader what concerns a user alone. asked is how it asks for them.
func (c cast) part(i int) (user string, topics, asked []string) {
	user = c.users[i/2%len(c.users)]
	for k := range min(1+i%3, len(c.posts)) {
		topic := "post:" + c.posts[(i+k)%len(c.posts)]
		topics, asked = append(topics, topic), append(asked, topic)
	}
	if c.private() && i%2 == 0 {
		own := "user:" + user
		topics = append(topics, own)
		if i%4 == 0 {
			own = "me"
		}
		asked = append(asked, own)
	}
	return user, topics, asked
}
