package bench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Config says what to measure. It has no defaults: those are the command's. Counts,
// Duration, Rate and Cycles must be greater than 0 even if no section in Only uses them.
type Config struct {
	URL         string // of the server; "" to start Program
	Secret      string // signs the tokens of readers and writers; required with URL
	PID         int    // process of the server at URL, on this machine: for CPU and memory
	DatabaseURL string // database of the server at URL: for the floor

	Program string   // a build of tidings, which is started as "Program dev"; required without URL
	Against string   // another build of tidings, which Compare measures in turns with Program
	Rounds  int      // how often Compare measures each build
	Env     []string // environment of Program and Against; keys for tokens are left out

	Comments   int           // latency: comments, written one after another
	Publishers int           // concurrent writers of comments and events
	Duration   time.Duration // length of each load of writes, and of storm and churn
	Audience   int           // writes: readers of the one post that all writers write to
	Likers     int           // likes: concurrent writers
	Likes      int           // likes: number of likes
	Viewers    int           // likes: readers of the liked post
	Thread     int           // lists: comments of the post
	Lists      int           // lists: how often each list is read, with each number of readers
	Events     int           // conditions: events in the log of one server before it is measured
	Readers    int           // fanout, storm, presence: number of readers
	Stopped    int           // fanout: additional readers that read nothing; may be 0
	Poll       bool          // fanout, storm: read by long-poll instead of SSE
	Messages   int           // fanout: paced events; flatFactor times as many are sent flat out
	Rate       float64       // fanout, storm: paced events a second
	Cycles     float64       // churn: streams opened and closed a second
	Visits     int           // presence: readers that go and come again each second
	Typists    int           // presence: users that type
	Only       []string      // names of the sections to measure

	Tables   io.Writer // receives the tables of figures; nil to discard them
	Progress io.Writer // receives progress and the log of started servers; nil to discard them
}

// withDefaults replaces writers that are nil.
func (c Config) withDefaults() Config {
	if c.Tables == nil {
		c.Tables = io.Discard
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

// Validate returns an error if the combination of settings cannot be measured.
func (c Config) Validate() error {
	least := min(c.Comments, c.Publishers, c.Likers, c.Likes, c.Viewers, c.Thread, c.Lists, c.Events, c.Audience, c.Readers, c.Messages, c.Visits, c.Typists)
	switch {
	case least < 1, c.Duration <= 0, c.Rate <= 0, c.Cycles <= 0:
		return errors.New("counts, duration, rate and cycles must be greater than 0")
	case c.Stopped < 0:
		return errors.New("--stopped must not be negative")
	case c.URL != "" && c.Secret == "":
		return errors.New("--url needs the server's TIDINGS_JWT_SECRET to sign the writers' tokens")
	case c.Against != "" && c.URL != "":
		return errors.New("--against starts its own servers and cannot be used with --url")
	case c.Against != "" && c.Rounds < 1:
		return errors.New("--rounds must be at least 1")
	case c.URL == "" && c.Program == "":
		return errors.New("neither the URL of a server nor a program to start is set")
	}
	for _, name := range c.Only {
		switch {
		case !slices.Contains(Sections(), name):
			return fmt.Errorf("unknown section %q: the sections are %s", name, strings.Join(Sections(), ", "))
		case name == "conditions" && c.URL != "":
			return errors.New("conditions starts its own servers and cannot be used with --url")
		case name == "conditions" && c.Against != "":
			return errors.New("conditions cannot be measured with --against")
		}
	}
	return nil
}

// transport returns the name of the transport that the readers of the fan-out use.
func (c Config) transport() string {
	if c.Poll {
		return "poll"
	}
	return "sse"
}
