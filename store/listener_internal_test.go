package store

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream"
)

func FuzzParseSignal(f *testing.F) {
	for _, payload := range []string{
		`{"topic":"post:42","user":{"id":"ann","name":"Ann"}}`,
		`{"topic":"post:42","user":{"id":"ann","name":"Ann"},"stop":true}`,
		`{"topic":"post:42","user":{"id":"ann"}}`,
		`{"topic":"post:42\n","user":{"id":"ann"}}`,
		`{"topic":"post:42","user":{"id":"..","name":"\u0000\ud800"}}`,
		`{}`, `[]`, `null`, `nonsense`, ``,
	} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		signal, err := parseSignal(payload)
		if err != nil {
			return
		}
		if _, err := stream.ParseTopic(signal.Topic.String()); err != nil {
			t.Errorf("%q has the topic %q: %v", payload, signal.Topic, err)
		}
		if err := stream.ValidID(signal.User.ID); err != nil {
			t.Errorf("%q has the user %q: %v", payload, signal.User.ID, err)
		}
		text, err := json.Marshal(signalJSON{signal.Topic.String(), signal.User, signal.Stop})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseSignal(string(text)); err != nil || again != signal {
			t.Errorf("%q is %+v, which is read as %+v, %v", payload, signal, again, err)
		}
	})
}

func TestBackoff_GrowsWithinBounds(t *testing.T) {
	t.Parallel()

	for failures, want := range map[int]time.Duration{
		0: 100 * time.Millisecond, 1: 200 * time.Millisecond, 5: 3200 * time.Millisecond,
		6: backoffMost, 1000: backoffMost, math.MaxInt: backoffMost,
	} {
		for range 100 {
			if got := backoff(failures); got < want/2 || got > want {
				t.Fatalf("backoff(%d) = %v, want %v to %v", failures, got, want/2, want)
			}
		}
	}
}

// TestDeafConnectionIsReplacedInTime checks the promise of ten seconds from the last
// notification that arrives to a new connection, with 500 ms left for connecting.
func TestDeafConnectionIsReplacedInTime(t *testing.T) {
	t.Parallel()

	if worst := silenceLimit + silenceLimit + closeTimeout + backoff(0); worst > 9500*time.Millisecond {
		t.Errorf("it may take %v, and the time to connect", worst)
	}
}
