package api

import (
	"fmt"
	"slices"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
)

// maxTopics bounds the topics of one stream or poll.
const maxTopics = 50

// The kinds of topics that Tidings itself knows.
const (
	kindPost = "post"
	kindUser = "user"
	kindSite = "site"
	myTopic  = "me" // short for one's own user: topic
)

// readable parses the topics that somebody asks for, once each, and decides whether
// all of them may be read.
func (s *Server) readable(asked []string, who auth.Identity) ([]stream.Topic, error) {
	if len(asked) == 0 || len(asked) > maxTopics {
		return nil, problemTopic.with(fmt.Sprintf("name 1 to %d topics, each as topic=", maxTopics))
	}
	topics := make([]stream.Topic, 0, len(asked))
	for _, text := range asked {
		topic, err := s.topic(text, who)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
	}
	return topics, nil
}

func (s *Server) topic(text string, who auth.Identity) (stream.Topic, error) {
	if text == myTopic {
		if who.Anonymous() {
			return stream.Topic{}, problemAnonymous.with("me is whoever signed in")
		}
		return stream.NewTopic(kindUser, who.Subject)
	}
	topic, err := stream.ParseTopic(text)
	if err != nil {
		return stream.Topic{}, err
	}
	return topic, s.mayRead(topic, who)
}

// mayRead says who may read a topic. A topic that nobody writes to is answered like
// any other, so that the answer tells nothing of what exists.
func (s *Server) mayRead(topic stream.Topic, who auth.Identity) error {
	switch kind := topic.Kind(); {
	case kind == kindPost || slices.Contains(s.publicKinds, kind):
		return nil
	case kind != kindUser && kind != kindSite:
		return problemTopic.with("there is no kind " + kind + " here: TIDINGS_PUBLIC_KINDS adds some")
	case who.Anonymous():
		return problemAnonymous.with(kind + " topics are private")
	case kind == kindUser && topic.ID() != who.Subject:
		return problemForbidden.with("the topic is another user's")
	case kind == kindSite && !who.Is(auth.RoleModerator, auth.RoleAdmin, auth.RoleService):
		return problemForbidden.with("site topics need the role moderator, admin or service")
	}
	return nil
}
