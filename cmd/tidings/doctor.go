package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/cmd/internal/doctor"
)

// doctorCommand checks what proxies and the database of an installation do to delivery.
// The exit status is 0 only if nothing is wrong. Package doctor lists the checks.
type doctorCommand struct {
	URL         string        `name:"url" required:"" placeholder:"URL" help:"Address that browsers use, with the path of the API if it has one."`
	Secret      string        `env:"TIDINGS_JWT_SECRET" help:"Secret of the server's tokens (HS256), to sign one with the role service. Without it and without --token, two checks are skipped. Default: none."`
	Token       string        `env:"TIDINGS_TOKEN" help:"Token with the role service, for servers with a public key. Default: none."`
	DatabaseURL string        `name:"database-url" env:"DATABASE_URL" placeholder:"URL" help:"Address of the server's database. Without it, its settings are not checked. Default: none."`
	ListenURL   string        `name:"listen-url" env:"TIDINGS_LISTEN_URL" placeholder:"URL" help:"Address of the same database without a pooler, if the server has this setting. Default: the database URL."`
	Idle        time.Duration `default:"80s" help:"Time that a stream without events is watched. 0 skips this check."`
	Poll        time.Duration `default:"28s" help:"Time that a poll waits. 0 skips this check."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`
}

// doctorPatience is how long the first event of a stream may take. It is less than a
// heartbeat, which could push an event out of a buffer.
const doctorPatience = 10 * time.Second

// errDoctorFaults makes the exit status 1 when a check found a fault.
var errDoctorFaults = errors.New("something is wrong with this installation: see the report")

// Validate is called by kong. An error makes the command line a wrong one.
func (c *doctorCommand) Validate() error {
	if c.Idle < 0 || c.Poll < 0 {
		return errors.New("--idle and --poll must not be negative")
	}
	return nil
}

// Run checks and prints the report, also if ctx ends. It returns errDoctorFaults if
// something is wrong, and another error if there is no report or ctx ended.
func (c *doctorCommand) Run(ctx context.Context, io streams) error {
	token := c.Token
	if token == "" && c.Secret != "" {
		var err error
		who := auth.Identity{Subject: "tidings-doctor", Roles: []string{auth.RoleService}, Expires: time.Now().Add(time.Hour)}
		if token, err = auth.SignToken(c.Secret, who); err != nil {
			return err
		}
	}
	report, err := doctor.Run(ctx, doctor.Config{
		URL: c.URL, Token: token, DatabaseURL: c.DatabaseURL, ListenURL: c.ListenURL, Idle: c.Idle, Poll: c.Poll, Patience: doctorPatience,
	})
	if report == nil {
		return err
	}
	if err := c.print(report, io); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	if report.Any() {
		return errDoctorFaults
	}
	return err // of ctx, if it ended some of the checks
}

// print writes the report as text or as JSON.
func (c *doctorCommand) print(r *doctor.Report, io streams) error {
	if c.JSON {
		encoder := json.NewEncoder(io.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	r.Print(io.out)
	return nil
}
