package auth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidings-live/tidings/store"
)

// ticketLifetime is how long a ticket can be used, at most.
const ticketLifetime = 60 * time.Second

// TicketStore keeps tickets where all instances find them. *store.Store implements it.
type TicketStore interface {
	// SaveTicket stores a ticket under a secret and returns when it expires.
	SaveTicket(ctx context.Context, secret string, t store.Ticket, lifetime time.Duration) (time.Time, error)
	// Ticket returns the ticket and leaves it usable, or returns [store.ErrTicket].
	Ticket(ctx context.Context, secret string) (store.Ticket, error)
	// UseTicket removes the ticket. Of several concurrent calls one succeeds; the
	// others return [store.ErrTicket].
	UseTicket(ctx context.Context, secret string) (store.Ticket, error)
}

// Tickets exchanges tokens for tickets. A ticket stands for an identity and a list of
// topics; its secret opens one stream of these topics, on any instance.
type Tickets struct {
	Store TicketStore
	Clock Clock // of the verifier
}

// Issue makes a ticket for the identity, which must not be anonymous. The ticket
// expires after a minute, or with the identity's token if that ends earlier.
func (t Tickets) Issue(ctx context.Context, who Identity, topics []string) (secret string, expires time.Time, err error) {
	holder, err := json.Marshal(who)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("encode identity: %w", err)
	}
	secret = rand.Text()
	lifetime := min(ticketLifetime, time.Until(t.Clock.End(who)))
	expires, err = t.Store.SaveTicket(ctx, secret, store.Ticket{Topics: topics, Identity: holder}, lifetime)
	return secret, expires, err
}

// Show returns the identity and the topics of a ticket, and leaves the ticket usable.
// It returns [store.ErrTicket] if the ticket does not exist, has expired, or its
// identity's token has ended.
func (t Tickets) Show(ctx context.Context, secret string) (Identity, []string, error) {
	ticket, err := t.Store.Ticket(ctx, secret)
	if err != nil {
		return Identity{}, nil, err
	}
	var holder Identity
	if err := json.Unmarshal(ticket.Identity, &holder); err != nil {
		return Identity{}, nil, fmt.Errorf("decode identity of a ticket: %w", err)
	}
	if holder.Anonymous() || t.Clock.Ended(holder, time.Now()) {
		return Identity{}, nil, store.ErrTicket
	}
	return holder, ticket.Topics, nil
}

// Use consumes the ticket. Of several concurrent calls one succeeds; the others
// return [store.ErrTicket].
func (t Tickets) Use(ctx context.Context, secret string) error {
	_, err := t.Store.UseTicket(ctx, secret)
	return err
}
