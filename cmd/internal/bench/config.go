package bench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Config says what to measure, and with how many of what. All numbers are required:
// their defaults are the command's.
type Config struct {
	// URL is the server's. Without it a server of our own is measured: Program.
	URL string
	// Secret signs the tokens of readers and writers. Required with a URL.
	Secret string
	// PID is the server's process, when it is on this machine: for CPU and memory.
	PID int
	// DatabaseURL is that server's database: for the floor, what Postgres alone takes.
	DatabaseURL string

	Program string   // of tidings; runs as "Program dev". Required without a URL
	Against string   // another build of tidings that Compare measures in turns with Program
	Rounds  int      // how often Compare measures each of them
	Env     []string // for it; what would be in the way of a measurement is left out

	Comments   int           // that latency writes, one after another
	Publishers int           // writers at once
	Duration   time.Duration // of each load of writes, of the storm and the churn
	Audience   int           // readers of the one post that all writers write to
	Likers     int           // writers of likes at once
	Likes      int           // that they write
	Viewers    int           // of the post that is liked
	Events     int           // in the log of one of the servers of conditions, beforehand
	Readers    int           // of the fan-out
	Stopped    int           // readers of the fan-out beside them, who read nothing of their streams
	Poll       bool          // whether those read by long-poll, not by stream
	Messages   int           // of the fan-out, paced; flatFactor times as many flat out
	Rate       float64       // of the paced events, a second
	Cycles     float64       // of churn, a second: streams opened and closed
	Only       []string      // names of the sections to measure

	Tables   io.Writer // is told the figures, for people. Default: nobody
	Progress io.Writer // is told how it goes. Default: nobody
}

func (c Config) withDefaults() Config {
	if c.Tables == nil {
		c.Tables = io.Discard
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

// Validate returns an error about what cannot be measured.
func (c Config) Validate() error {
	least := min(c.Comments, c.Publishers, c.Likers, c.Likes, c.Viewers, c.Events, c.Audience, c.Readers, c.Messages)
	switch {
	case least < 1, c.Duration <= 0, c.Rate <= 0, c.Cycles <= 0:
		return errors.New("counts, duration and rate are more than nothing")
	case c.Stopped < 0:
		return errors.New("there cannot be less than no stopped reader")
	case c.URL != "" && c.Secret == "":
		return errors.New("--url needs the server's TIDINGS_JWT_SECRET: writers need tokens")
	case c.Against != "" && c.URL != "":
		return errors.New("--against starts servers of its own: leave --url out")
	case c.Against != "" && c.Rounds < 1:
		return errors.New("--against needs at least one round")
	case c.URL == "" && c.Program == "":
		return errors.New("neither a server to measure nor a program to start one with")
	}
	for _, name := range c.Only {
		if name == "conditions" && c.URL != "" {
			return errors.New("conditions starts servers of its own: leave --url out")
		}
		if name == "conditions" && c.Against != "" {
			return errors.New("conditions cannot be measured with --against")
		}
		if !slices.Contains(Sections(), name) {
			return fmt.Errorf("there is no section %q: there are %s", name, strings.Join(Sections(), ", "))
		}
	}
	return nil
}

// transport is the word for how the readers of the fan-out read.
func (c Config) transport() string {
	if c.Poll {
		return "poll"
	}
	return "sse"
}
