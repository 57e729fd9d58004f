package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

type tailCommand struct {
	Topics []string `arg:"" name:"topic" help:"Topics, like post:42 or me."`
	URL    string   `name:"url" default:"http://127.0.0.1:8080" help:"Of the server."`
	Token  string   `env:"TIDINGS_TOKEN" help:"For private topics."`
	Cursor string   `default:"now" help:"Where to begin: a cursor, now or earliest."`
	Poll   bool     `help:"Read by long-poll instead of Server-Sent Events."`
	JSON   bool     `name:"json" help:"One JSON object a line, control events included."`
}

func (c *tailCommand) Run(ctx context.Context, io streams) error {
	reader, err := client.New(c.URL, client.WithToken(c.Token))
	if err != nil {
		return err
	}
	defer reader.CloseIdleConnections()
	follow := reader.Follow
	if c.Poll {
		follow = reader.FollowPoll
	}
	err = follow(ctx, c.Topics, c.Cursor, func(e client.Event) error { return c.print(e, io) },
		client.WithRetryFunc(func(err error, wait time.Duration) {
			fmt.Fprintf(io.err, "tidings: connection ended (%v), back in %v\n", err, wait.Round(time.Millisecond))
		}))
	if errors.Is(err, context.Canceled) {
		return nil // asked to stop
	}
	return err
}

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
	_, err := fmt.Fprintf(io.out, "%-12s %-18s %-16s %s\n", id, e.Name, e.Topic, e.Data)
	return err
}
