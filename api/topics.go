package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
)

// maxTopics is the largest number of topics of one stream or poll.
const maxTopics = 50

// The kinds of topics that Tidings gives a meaning to.
const (
	kindPost = "post"
	kindUser = "user"
	kindSite = "site"
	myTopic  = "me" // stands for the user's own user: topic
)

// topicRules decide which topics a user may read.
type topicRules struct {
	publicKinds []string // in addition to post
}

// readable parses 1 to 50 topics and removes duplicates. If some are invalid, or the user
// may not read them, none is returned, and the problem names all of these. Problems:
// invalid_topic, unauthenticated, forbidden.
func (r topicRules) readable(asked []string, who auth.Identity) ([]stream.Topic, error) {
	if len(asked) == 0 || len(asked) > maxTopics {
		return nil, problemTopic.with(fmt.Sprintf("name 1 to %d topics, each as topic=", maxTopics))
	}
	topics := make([]stream.Topic, 0, len(asked))
	var invalid, refused *Problem
	for _, text := range asked {
		topic, err := r.parse(text, who)
		var private *Problem
		switch {
		case errors.As(err, &private) && (private.Code == problemAnonymous.Code || private.Code == problemForbidden.Code):
			refused = refuseTopic(refused, private, text)
		case errors.Is(err, stream.ErrTopic) && !strings.ContainsFunc(text, unsafe):
			invalid = refuseTopic(invalid, problemTopic.with(err.Error()), text)
		case err != nil:
			return nil, err
		case !slices.Contains(topics, topic):
			topics = append(topics, topic)
		}
	}
	if invalid != nil {
		return nil, invalid
	}
	if refused != nil {
		return nil, refused
	}
	return topics, nil
}

// unsafe reports whether an answer must not repeat a character: some change how the text around
// them is shown.
func unsafe(r rune) bool { return r <= ' ' || r > '~' }

// refuseTopic adds a topic to the problem about the topics before it, which is cause for the
// first one. Signing in comes first: forbidden is final.
func refuseTopic(before, cause *Problem, topic string) *Problem {
	if before == nil {
		before = cause
	}
	if !slices.Contains(before.Topics, topic) {
		before.Topics = append(before.Topics, topic)
	}
	return before
}

// parse parses one topic; "me" is the topic of the user.
func (r topicRules) parse(text string, who auth.Identity) (stream.Topic, error) {
	if text == myTopic {
		if who.Anonymous() {
			return stream.Topic{}, problemAnonymous.with("me needs a signed-in user")
		}
		return stream.NewTopic(kindUser, who.Subject)
	}
	topic, err := stream.ParseTopic(text)
	if err != nil {
		return stream.Topic{}, err
	}
	return topic, r.mayRead(topic, who)
}

// mayRead returns nil if the user may read the topic: post topics and public kinds are for
// all users, user topics for that user, site topics for moderators, admins and services, and
// other topics for services and for users with a token whose claim topics names them.
// The answer does not depend on whether the topic exists, so it tells nothing about that.
func (r topicRules) mayRead(topic stream.Topic, who auth.Identity) error {
	switch kind := topic.Kind(); {
	case kind == kindPost || slices.Contains(r.publicKinds, kind):
		return nil
	case who.Anonymous():
		return problemAnonymous.with(kind + " topics are private")
	case kind == kindUser && topic.ID() != who.Subject:
		return problemForbidden.with("the topic is another user's")
	case kind == kindSite && !who.Is(auth.RoleModerator, auth.RoleAdmin, auth.RoleService):
		return problemForbidden.with("site topics need the role moderator, admin or service")
	case kind != kindUser && kind != kindSite && !who.Is(auth.RoleService) && !who.Joins(topic):
		return problemForbidden.with(kind + " topics need a token whose claim topics names them")
	}
	return nil
}
