package verify

import "math/rand/v2"

// An acknowledgedState is what the server acknowledged to one writer about likes, about changes
// of the writer's comments, and about notifications that it marked as read. These writes carry no
// number by which the log copy could show them, so the checker compares this state with the tables
// or with answers of the API at the end: see check_likes.go and check_comments.go. It belongs to
// the goroutine of one writer, and to the checker when the writer has stopped.
type acknowledgedState struct {
	user     string
	likes    map[likeTarget]likeState
	comments []*ownComment
	read     []int64 // ids of notifications
	readLost int64   // number of notifications whose mark had no answer
}

// A likeTarget is a post or, with the id of a comment, one of its comments.
type likeTarget struct{ post, comment string }

// A likeState is the last acknowledged like or unlike of a target. It is unknown after a
// like or unlike without an answer: the server may carry that out at any later time.
type likeState struct{ liked, unknown bool }

func newAcknowledgedState(user string) *acknowledgedState {
	return &acknowledgedState{user: user, likes: make(map[likeTarget]likeState)}
}

// like records the outcome of a like (true) or an unlike (false).
func (a *acknowledgedState) like(target likeTarget, liked bool, o outcome) {
	state := a.likes[target]
	switch o {
	case acknowledged:
		state.liked = liked
	case unanswered:
		state.unknown = true
	default:
		return
	}
	a.likes[target] = state
}

// any returns a random comment that the writer may change, or nil. A new comment is more likely.
func (a *acknowledgedState) any(random *rand.Rand) *ownComment {
	if len(a.comments) == 0 {
		return nil
	}
	c := a.comments[random.IntN(len(a.comments))]
	if random.IntN(2) == 0 {
		c = a.comments[len(a.comments)-1]
	}
	if c.unknown {
		return nil
	}
	return c
}

// mark records the outcome of marking notifications as read.
func (a *acknowledgedState) mark(ids []int64, o outcome) {
	switch o {
	case acknowledged:
		a.read = append(a.read, ids...)
	case unanswered:
		a.readLost += int64(len(ids))
	}
}

// decided returns the targets whose last like or unlike by the user is known, and whether
// the user likes each of them. undecided are the other targets that the user liked or unliked.
func (a *acknowledgedState) decided() (targets []likeTarget, liked []bool, undecided []likeTarget) {
	for target, state := range a.likes {
		if state.unknown {
			undecided = append(undecided, target)
			continue
		}
		targets, liked = append(targets, target), append(liked, state.liked)
	}
	return targets, liked, undecided
}
