package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Ticket stands for an identity for a short time. An EventSource, which cannot send a
// token, sends the secret of a ticket in its URL.
type Ticket struct {
	Topics   []string
	Identity []byte // JSON in a format of the caller
}

// SaveTicket stores a ticket until it is used or has expired, and returns when it
// expires. Only a hash of the secret is stored. It also deletes expired tickets.
func (s *Store) SaveTicket(ctx context.Context, secret string, t Ticket, lifetime time.Duration) (expires time.Time, err error) {
	hash := sha256.Sum256([]byte(secret))
	err = s.write(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			with expired as (
				delete from tidings.tickets
				where hash in (
					select hash
					from tidings.tickets
					where expires_at <= statement_timestamp() -- clock_timestamp() could use no index
					limit 100
					for update skip locked
				)
			)
			insert into tidings.tickets (hash, topics, identity, expires_at)
			values ($1, $2, $3, statement_timestamp() + $4)
			returning expires_at`,
			hash[:], t.Topics, string(t.Identity), lifetime,
		).Scan(&expires)
	})
	return expires, err
}

// Ticket returns a ticket like UseTicket, but does not delete it. It returns ErrTicket when
// there is none.
func (s *Store) Ticket(ctx context.Context, secret string) (t Ticket, err error) {
	hash := sha256.Sum256([]byte(secret))
	err = s.read(ctx, rowQuery([]any{&t.Topics, &t.Identity}, `
		select topics, identity
		from tidings.tickets
		where hash = $1 and expires_at > statement_timestamp()`, hash[:]))
	if errors.Is(err, ErrNotFound) {
		return Ticket{}, ErrTicket
	}
	return t, err
}

// UseTicket returns a ticket and deletes it, so that only one call on all instances gets
// it. It returns ErrTicket when there is none.
func (s *Store) UseTicket(ctx context.Context, secret string) (Ticket, error) {
	hash := sha256.Sum256([]byte(secret))
	var t Ticket
	err := s.write(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			delete from tidings.tickets
			where hash = $1 and expires_at > statement_timestamp()
			returning topics, identity`, hash[:],
		).Scan(&t.Topics, &t.Identity)
	})
	if errors.Is(err, ErrNotFound) {
		return Ticket{}, ErrTicket
	}
	return t, err
}
