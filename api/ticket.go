package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// Tickets is what the handlers of tickets need of the store.
type Tickets interface {
	SaveTicket(ctx context.Context, secret string, t store.Ticket, lifetime time.Duration) (time.Time, error)
	Ticket(ctx context.Context, secret string) (store.Ticket, error)
	UseTicket(ctx context.Context, secret string) (store.Ticket, error)
}

// ticketLifetime is how long a ticket waits to be used.
const ticketLifetime = 60 * time.Second

// createTicket exchanges a token for a ticket: it opens one stream of these topics,
// as this user, on any instance, within a minute.
func (s *Server) createTicket(c echo.Context) error {
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
	topics, err := s.readable(in.Topics, who)
	if err != nil {
		return err
	}
	holder, err := json.Marshal(who)
	if err != nil {
		return fmt.Errorf("encode identity: %w", err)
	}
	ticket := store.Ticket{Topics: texts(topics), Identity: holder}
	secret := rand.Text()
	lifetime := min(ticketLifetime, time.Until(who.Expires))
	expires, err := s.store.SaveTicket(c.Request().Context(), secret, ticket, lifetime)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusCreated, map[string]string{"ticket": secret, "expiresAt": timestamp(expires)})
}

// showTicket returns whom a ticket speaks for, and the topics it is for. It stays.
func (s *Server) showTicket(r *http.Request, secret string) (Identity, []string, error) {
	ticket, err := s.store.Ticket(r.Context(), secret)
	if err != nil {
		return Identity{}, nil, err
	}
	var holder Identity
	if err := json.Unmarshal(ticket.Identity, &holder); err != nil {
		return Identity{}, nil, fmt.Errorf("decode identity of a ticket: %w", err)
	}
	if !time.Now().Before(holder.Expires) {
		return Identity{}, nil, store.ErrTicket
	}
	return holder, ticket.Topics, nil
}

// useTicket is called when no limit and no parameter can turn the reader away any more: who
// is told to come back must find the ticket as it was. Of several who show it at once one gets through, the
// others get [store.ErrTicket]. HEAD opens nothing, and so leaves it.
func (s *Server) useTicket(c echo.Context, r reading) error {
	if r.ticket == "" || c.Request().Method == http.MethodHead {
		return nil
	}
	_, err := s.store.UseTicket(c.Request().Context(), r.ticket)
	return err
}

// within is the problem that a ticket is for other topics.
func within(topics []stream.Topic, granted []string) error {
	for _, t := range topics {
		if !slices.Contains(granted, t.String()) {
			return problemForbidden.with("the ticket is for other topics")
		}
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
