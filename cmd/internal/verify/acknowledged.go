package verify

import "strconv"

// An acknowledgedState is what the server acknowledged to one user about likes and
// deletes. These writes carry no number by which the log copy could show them, so the
// checker compares this state with the tables or with answers of the API at the end: see
// check_likes.go. It belongs to the goroutine of one writer, and to the checker when the
// writer has stopped.
type acknowledgedState struct {
	user    string
	likes   map[string]likeState // by post
	deleted []int64              // ids of comments
}

// A likeState is the last acknowledged like or unlike of a post. It is unknown after a
// like or unlike without an answer: the server may carry that out at any later time.
type likeState struct{ liked, unknown bool }

func newAcknowledgedState(user string) *acknowledgedState {
	return &acknowledgedState{user: user, likes: make(map[string]likeState)}
}

// like records the outcome of a like (true) or an unlike (false).
func (a *acknowledgedState) like(post string, liked bool, o outcome) {
	state := a.likes[post]
	switch o {
	case acknowledged:
		state.liked = liked
	case unanswered:
		state.unknown = true
	default:
		return
	}
	a.likes[post] = state
}

// remove records the outcome of the delete of a comment.
func (a *acknowledgedState) remove(id string, o outcome) {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && o == acknowledged {
		a.deleted = append(a.deleted, n)
	}
}

// decided returns the posts whose last like or unlike by the user is known, and whether
// the user likes each of them. undecided is the number of the other posts that the user
// liked or unliked.
func (a *acknowledgedState) decided() (posts []string, liked []bool, undecided int64) {
	for post, state := range a.likes {
		if state.unknown {
			undecided++
			continue
		}
		posts, liked = append(posts, post), append(liked, state.liked)
	}
	return posts, liked, undecided
}
