package verify

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Config says what to verify, and how hard.
type Config struct {
	// URLs are the servers: readers hop between them, writers write to all of them.
	// Required without Chaos, which starts its own.
	URLs []string
	// DatabaseURL is the servers' database. With it, some writers write in SQL and the
	// log is the truth; without it, the truth is what any reader saw.
	DatabaseURL string
	// Secret signs the tokens of readers and writers. Without it only SQL writes, and
	// only public topics are read.
	Secret string

	Readers  int           // default 24
	Writers  int           // default 6
	Pace     time.Duration // of a writer, between writes, on average; default 50 ms
	Duration time.Duration // of writing; default a minute
	// Until ends the writing before Duration is over: it is called every 20 ms, and
	// returns true when enough has happened. Optional.
	Until   func(Activity) bool
	Settle  time.Duration // for the readers to reach the end after it; default a minute
	Silence time.Duration // after which a reader gives a stream up; default 40 s
	Seed    uint64        // of all that is drawn by lot

	// Chaos, when set, starts servers of our own and breaks them.
	Chaos *Chaos

	// Progress is told how it goes, a line every few seconds. Default: nobody.
	Progress io.Writer
}

// Activity is what a run has done so far.
type Activity struct {
	Writes   int64            // sent, whatever became of them
	Events   int64            // read by all readers together
	Injected map[string]int64 // faults, by kind; nil without Chaos
}

// Chaos says how to break what.
type Chaos struct {
	Program string   // of tidings; runs as "Program serve"
	Env     []string // for it, besides what it needs; nothing is inherited but PATH, HOME and TMPDIR
	Dir     string   // of Postgres and the logs, kept; default: a temporary one, kept after a bad run alone
	Burst   int      // events of a burst; default 100,000
	// Longest is the longest time that one fault lasts. Default: a twentieth of
	// Duration, at least 700 ms, at most 4 s.
	Longest time.Duration
	Kinds   []string // of faults, by name; default all of FaultKinds
}

func (c Config) withDefaults() Config {
	setDefault(&c.Readers, 24)
	setDefault(&c.Writers, 6)
	setDefault(&c.Pace, 50*time.Millisecond)
	setDefault(&c.Duration, time.Minute)
	setDefault(&c.Settle, time.Minute)
	setDefault(&c.Silence, 40*time.Second)
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

func (c Config) validate() error {
	switch {
	case c.Chaos != nil && !known(c.Chaos.Kinds):
		return fmt.Errorf("the kinds of faults are %s", strings.Join(FaultKinds(), ", "))
	case c.Chaos != nil:
		return nil
	case len(c.URLs) == 0:
		return errors.New("no server to verify")
	case c.Secret == "" && c.DatabaseURL == "":
		return errors.New("neither a secret nor a database: nothing could be written")
	}
	return nil
}

func known(kinds []string) bool {
	for _, k := range kinds {
		if !slices.Contains(FaultKinds(), k) {
			return false
		}
	}
	return true
}

// random is a source of its own for each who draws lots, so that one who draws more
// changes nothing for the others.
func (c Config) random(who string, number int) *rand.Rand {
	var mixed uint64 = 14695981039346656037 // FNV-1a: the same in every process
	for _, b := range []byte(who) {
		mixed = (mixed ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(c.Seed, mixed+uint64(number)))
}
