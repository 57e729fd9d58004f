// Package streamtest has the assertions that the tests of all packages share. It imports no
// package of Tidings, so any package may import it.
package streamtest

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// Patience is how long [Eventually] waits. The time is long, so that a correct program is
// never too slow, on any machine.
const Patience = time.Minute

const firstPause, longestPause = 5 * time.Millisecond, 50 * time.Millisecond

// Must ends the test if err is not nil.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Want reports an error if got and want are not deeply equal. what names the value
// in the message.
func Want[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %#v, want %#v", what, got, want)
	}
}

// WantErr reports an error if no error in err's tree is target.
func WantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got error %v, want %v", err, target)
	}
}

// Eventually calls holds until it returns true, and ends the test if that takes longer than
// [Patience]. The pause between two calls grows from 5 to 50 ms: a condition may cost a query
// or a request, and tests share few cores. what names the condition in the message.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for pause := firstPause; !holds(); pause = min(pause*5/4, longestPause) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
		<-time.After(pause)
	}
}
