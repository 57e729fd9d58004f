package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
)

type tokenCommand struct {
	Sub     string        `required:"" help:"Id of the user, as your site knows it."`
	Name    string        `help:"Name to show. Default: the id."`
	Picture string        `help:"URL of an avatar."`
	Role    []string      `help:"A role: service, admin or moderator. May be repeated."`
	TTL     time.Duration `name:"ttl" default:"24h" help:"How long the token is good."`
	Secret  string        `env:"TIDINGS_JWT_SECRET" help:"Secret to sign with (HS256). Default: the one of 'tidings dev' in --dir."`
	Dir     string        `default:".tidings" type:"path" help:"Folder of 'tidings dev'."`
}

func (c *tokenCommand) Run(io streams) error {
	if err := stream.ValidID(c.Sub); err != nil {
		return fmt.Errorf("--sub: %w", err)
	}
	if c.TTL <= 0 {
		return errors.New("--ttl: want more than nothing")
	}
	if c.Secret == "" {
		secret, err := os.ReadFile(secretFile(c.Dir))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set TIDINGS_JWT_SECRET: there is no secret of 'tidings dev' in %s", c.Dir)
		}
		if err != nil {
			return fmt.Errorf("read secret: %w", err)
		}
		c.Secret = string(secret)
	}
	who := auth.Identity{Subject: c.Sub, Name: c.Name, Roles: c.Role, Expires: time.Now().Add(c.TTL)}
	if c.Picture != "" {
		who.Picture = &c.Picture
	}
	token, err := auth.SignToken(c.Secret, who)
	if err != nil {
		return err
	}
	fmt.Fprintln(io.out, token)
	return nil
}
