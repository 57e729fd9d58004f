package store

import (
	"testing"

	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
)

// TestRead_WaitsForNoRequest checks that the log can be read while requests hold all
// connections of the pool.
func TestRead_WaitsForNoRequest(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: storetest.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range s.pool.Config().MaxConns {
		held, err := s.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer held.Release()
	}
	if _, err := s.Read(t.Context(), stream.Query{Limit: 1}); err != nil {
		t.Error(err)
	}
}
