package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/printable"
	"github.com/tidings-live/tidings/cmd/internal/reach"
)

// tailCommand prints the events of topics, one a line: id, name, topic and data, or a
// JSON object with the members id, event, topic and data. Characters that control a terminal
// are printed as \u and four hexadecimal digits. It is a client like any other and needs no
// access to the database.
type tailCommand struct {
	Topics []string `arg:"" name:"topic" help:"Topics to read, such as post:42 or me."`
	URL    string   `name:"url" default:"http://127.0.0.1:8080" help:"Address of the server."`
	Token  string   `env:"TIDINGS_TOKEN" help:"Token of a user, for private topics. Default: none."`
	Cursor string   `default:"now" help:"Position to begin at: a cursor, now or earliest."`
	Poll   bool     `help:"Read by long-poll instead of Server-Sent Events."`
	JSON   bool     `name:"json" help:"Print each event as a JSON object."`
}

// Run prints events until ctx ends, and reconnects when a connection ends. It returns
// an error if the server does not answer at the beginning, or refuses the topics, the
// cursor or the token.
func (c *tailCommand) Run(ctx context.Context, io streams) error {
	reader, err := client.New(c.URL, client.WithToken(c.Token))
	if err != nil {
		return err
	}
	defer reader.CloseIdleConnections()
	if err := reach.Server(ctx, c.URL, reader); err != nil {
		return tailEnd(err)
	}
	follow := reader.Follow
	if c.Poll {
		follow = reader.FollowPoll
	}
	err = follow(ctx, c.Topics, c.Cursor, func(e client.Event) error { return c.print(e, io) },
		client.WithRetryFunc(func(err error, wait time.Duration) {
			fmt.Fprintf(io.err, "tidings: connection to %s ended (%s), reconnecting in %v\n",
				c.URL, printable.Text(err.Error()), wait.Round(time.Millisecond))
		}))
	return tailEnd(err)
}

// tailEnd returns nil for the error of a context: a signal ends tail as it should.
func tailEnd(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// print writes one event. Control events have no topic, and some have no id.
func (c *tailCommand) print(e client.Event, io streams) error {
	if c.JSON {
		return json.NewEncoder(io.out).Encode(struct {
			ID    string          `json:"id,omitempty"`
			Event string          `json:"event"`
			Topic string          `json:"topic,omitempty"`
			Data  json.RawMessage `json:"data"`
		}{e.ID, e.Name, e.Topic, e.Data})
	}
	id := e.ID
	if id == "" {
		id = "-"
	}
	fields := []any{printable.Text(id), printable.Text(e.Name), printable.Text(e.Topic), printable.Text(string(e.Data))}
	_, err := fmt.Fprintf(io.out, "%-12s %-18s %-16s %s\n", fields...)
	return err
}
