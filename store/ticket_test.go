package store_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

var ticket = store.Ticket{Topics: []string{"post:42", "user:ann"}, Identity: []byte(`{"sub": "ann"}`)}

func saveTicket(t *testing.T, d database, secret string, lifetime time.Duration) time.Time {
	t.Helper()
	expires, err := d.SaveTicket(t.Context(), secret, ticket, lifetime)
	streamtest.Must(t, err)
	return expires
}

func TestTicket(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("BringsBackWhatWasSaved", func(t *testing.T) {
		d := db.cleared(t)
		expires := saveTicket(t, d, "secret", time.Minute)
		if left := time.Until(expires); left < 50*time.Second || left > 70*time.Second {
			t.Errorf("it expires in %v, want a minute", left)
		}
		other := open(t, d.dsn) // another instance
		for range 2 {
			got, err := other.Ticket(t.Context(), "secret")
			streamtest.Must(t, err)
			streamtest.Want(t, "the ticket that stays", got, ticket)
		}
		got, err := other.UseTicket(t.Context(), "secret")
		streamtest.Must(t, err)
		streamtest.Want(t, "the ticket", got, ticket)
		_, err = other.Ticket(t.Context(), "secret")
		streamtest.WantErr(t, err, store.ErrTicket)
	})

	t.Run("IsForOneUse", func(t *testing.T) {
		d := db.cleared(t)
		saveTicket(t, d, "secret", time.Minute)
		var uses sync.WaitGroup
		var won atomic.Int32
		for range 16 {
			uses.Go(func() {
				_, err := d.UseTicket(t.Context(), "secret")
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrTicket):
					t.Errorf("got %v, want ErrTicket", err)
				}
			})
		}
		uses.Wait()
		streamtest.Want(t, "the number of uses", won.Load(), 1)
	})

	t.Run("ExpiresAndIsPurged", func(t *testing.T) {
		d := db.cleared(t)
		saveTicket(t, d, "now", 0)
		saveTicket(t, d, "past", -time.Hour)
		saveTicket(t, d, "soon", time.Minute)
		for _, secret := range []string{"now", "past", "never"} {
			_, err := d.Ticket(t.Context(), secret)
			streamtest.WantErr(t, err, store.ErrTicket)
			_, err = d.UseTicket(t.Context(), secret)
			streamtest.WantErr(t, err, store.ErrTicket)
		}
		saveTicket(t, d, "other", time.Minute)
		streamtest.Want(t, "the tickets kept", value[int](t, d, `select count(*) from tidings.tickets`), 2)
		_, err := d.UseTicket(t.Context(), "soon")
		streamtest.Must(t, err)
	})

	t.Run("IsKeptAsAHashAlone", func(t *testing.T) {
		d := db.cleared(t)
		saveTicket(t, d, "open sesame", time.Minute)
		row := value[string](t, d, `select tickets::text || encode(hash, 'escape') from tidings.tickets`)
		if strings.Contains(row, "sesame") {
			t.Errorf("the secret is in %s", row)
		}
	})

	t.Run("TakesNoIdentityThatIsNotJSON", func(t *testing.T) {
		d := db.cleared(t)
		_, err := d.SaveTicket(t.Context(), "secret", store.Ticket{Topics: []string{}, Identity: []byte("{")}, time.Minute)
		wantInvalid(t, err, "")
	})
}
