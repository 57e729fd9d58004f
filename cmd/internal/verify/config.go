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

// Config says which servers to verify, and with how much load.
type Config struct {
	// URLs are the servers. Readers hop between them and HTTP writers write to all of
	// them. Required without Chaos, which starts servers and sets URLs itself.
	URLs []string
	// DatabaseURL is the servers' database. With it, every third writer writes SQL and
	// the reference is the log. Without it, the reference is the union of all readers.
	DatabaseURL string
	// Secret signs the tokens of readers and writers (HS256). Without it all writers
	// write SQL, and readers read public topics only.
	Secret string

	// Readers is the number of readers. Default: 24.
	Readers int
	// Writers is the number of writers. Default: 6.
	Writers int
	// Pace is the average pause of a writer between two writes. Default: 50 ms.
	Pace time.Duration
	// Duration is how long the writers write. Default: one minute.
	Duration time.Duration
	// Until ends the writing before Duration is over: it is called every 20 ms, from
	// one goroutine, and returns true when enough has happened. Optional.
	Until func(Activity) bool
	// Settle is how long the readers may take to read to the end after the last write.
	// Default: one minute.
	Settle time.Duration
	// Silence is how long a stream may send nothing, not even a heartbeat, before a
	// reader disconnects. Default: 40 s.
	Silence time.Duration
	// Seed decides all random choices. Two runs with one seed make the same choices,
	// but the servers' timing differs.
	Seed uint64

	// Chaos, if set, starts a cluster and injects faults into it.
	Chaos *Chaos

	// Progress gets a line every two seconds. Optional.
	Progress io.Writer
}

// Activity is what a run has done so far.
type Activity struct {
	Writes   int64            // sent, with any outcome
	Events   int64            // read by all readers together
	Changes  map[string]int64 // acknowledged writes that change something, by kind: see Report.Decided
	Injected map[string]int64 // number of faults by kind; nil without Chaos
}

// Chaos says which faults to inject, and into what.
type Chaos struct {
	// Program is the path of the tidings program. Each instance runs "Program serve".
	Program string
	// Env is added to the environment of each instance, which inherits only PATH, HOME
	// and TMPDIR.
	Env []string
	// Dir is the folder of Postgres's data and of the logs, which stay. Default: a
	// temporary folder, which stays only after a run with faults.
	Dir string
	// Burst is the number of events in a burst. Default: 100,000.
	Burst int
	// Longest is the longest time that one fault lasts. Default: a twentieth of
	// Duration, at least 700 ms, at most 4 s.
	Longest time.Duration
	// Kinds are the names of the faults to inject. Default: all of FaultKinds.
	Kinds []string
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

func (c Chaos) withDefaults(duration time.Duration) Chaos {
	setDefault(&c.Burst, 100_000)
	setDefault(&c.Longest, min(max(duration/20, 700*time.Millisecond), 4*time.Second))
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
		return errors.New("writing needs a secret or a database URL")
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

// random returns a source of random numbers for one role, such as reader 3. Each role
// has a separate source, so a role that draws more numbers changes nothing for the
// others.
func (c Config) random(role string, number int) *rand.Rand {
	var mixed uint64 = 14695981039346656037 // FNV-1a gives the same in every process
	for _, b := range []byte(role) {
		mixed = (mixed ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(c.Seed, mixed+uint64(number)))
}
