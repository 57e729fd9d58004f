package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream"
)

// ticketHandlers exchange tokens for tickets.
type ticketHandlers struct {
	tickets auth.Tickets
	topics  topicRules
	charges charges
}

// create answers POST /v1/ticket, body {topics}, with 201 and a ticket. The ticket opens
// one stream of these topics, as this user, on any instance, within a minute. Problems:
// unauthenticated, rate_limited, and for topics that the user may not read those of /v1/events.
func (h *ticketHandlers) create(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	var in struct {
		Topics []string `json:"topics"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	topics, err := h.topics.readable(in.Topics, who)
	if err != nil {
		return err
	}
	charge, err := h.charges.begin(who, limit.Tickets)
	if err != nil {
		return err
	}
	secret, expires, err := h.tickets.Issue(c.Request().Context(), who, texts(topics))
	settle(charge, err)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusCreated, map[string]string{"ticket": secret, "expiresAt": timestamp(expires)})
}

// showTicket looks a ticket up in the database, within the budget of the client's address.
func (s *Server) showTicket(c echo.Context, secret string) (auth.Identity, []string, error) {
	held, err := s.reserve(c, maxRowAnswer)
	if err != nil {
		return auth.Identity{}, nil, err
	}
	defer held.Close()
	return s.tickets.Show(c.Request().Context(), secret)
}

// useTicket consumes the ticket of a reader, if it has one. It must be the last check
// before the reader is admitted: a reader that is told to come back later needs its
// ticket again. It returns [store.ErrTicket] if another request used the ticket first.
// HEAD opens no stream and leaves the ticket usable.
func (s *Server) useTicket(c echo.Context, r reading) error {
	if r.ticket == "" || c.Request().Method == http.MethodHead {
		return nil
	}
	return s.tickets.Use(c.Request().Context(), r.ticket)
}

// within returns the problem forbidden if a topic is not among those that a ticket grants.
func within(topics []stream.Topic, granted []string) error {
	p := problemForbidden.with("the ticket is for other topics")
	for _, t := range topics {
		if !slices.Contains(granted, t.String()) {
			p.Topics = append(p.Topics, t.String())
		}
	}
	if len(p.Topics) > 0 {
		return p
	}
	return nil
}

func texts(topics []stream.Topic) []string {
	out := make([]string, len(topics))
	for i, t := range topics {
		out[i] = t.String()
	}
	return out
}
