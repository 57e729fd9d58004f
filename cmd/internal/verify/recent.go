package verify

import (
	"math/rand/v2"
	"sync"
)

// mostRecent is the number of comments that writers reply to and like.
const mostRecent = 60

// A recentComment is a comment of the run.
type recentComment struct{ post, id string }

// recentComments are the newest comments of all writers. The methods may be called from any
// goroutine.
type recentComments struct {
	mu   sync.Mutex      // guards the fields below
	all  []recentComment // at most mostRecent
	next int             // index of the one that is replaced next
}

func (r *recentComments) add(post, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) < mostRecent {
		r.all = append(r.all, recentComment{post, id})
		return
	}
	r.all[r.next] = recentComment{post, id}
	r.next = (r.next + 1) % mostRecent
}

// any returns a random one, and false if there is none.
func (r *recentComments) any(random *rand.Rand) (recentComment, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		return recentComment{}, false
	}
	return r.all[random.IntN(len(r.all))], true
}
