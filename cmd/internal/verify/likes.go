package verify

import (
	"fmt"
	"sync"
)

// likesPerPost is the number of likes and unlikes of a post of likePosts.
const likesPerPost = 12

// likePosts are posts that are only liked and unliked. A like without an answer leaves
// its post and user undecided for the rest of the run (see likeState), so the writers
// get a new post after every 12 likes: a fault then leaves few of them undecided. The
// methods may be called from any goroutine.
type likePosts struct {
	run string // name of the run

	mu   sync.Mutex // guards the fields below
	made int        // number of posts
	left int        // likes that the last post still gets
}

// next returns the post of the next like. fresh is true for the first like of a post,
// which the caller has to create.
func (l *likePosts) next() (post string, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		l.made++
		l.left = likesPerPost
		fresh = true
	}
	l.left--
	return l.name(l.made - 1), fresh
}

// all returns all posts so far.
func (l *likePosts) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	posts := make([]string, l.made)
	for i := range posts {
		posts[i] = l.name(i)
	}
	return posts
}

// name is the id of post i.
func (l *likePosts) name(i int) string { return fmt.Sprintf("verify-%s-likes-%d", l.run, i) }
