package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
)

// tokenCommand signs a token, as a site's backend does for its users. It signs with
// HS256 only: a site with a private key signs its tokens itself.
type tokenCommand struct {
	Sub     string        `required:"" help:"Id of the user in your site."`
	Name    string        `help:"Name of the user that others see. Default: the id."`
	Picture string        `help:"URL of the user's avatar. Default: none."`
	Role    []string      `placeholder:"ROLE" help:"Roles of the user: service, admin or moderator. Default: none."`
	Topic   []string      `placeholder:"TOPIC" help:"Private topics that the user may read, each as KIND:ID, or KIND:* for all of a kind. Default: none."`
	TTL     time.Duration `name:"ttl" default:"24h" help:"Time until the token expires."`
	Secret  string        `env:"TIDINGS_JWT_SECRET" help:"Secret that signs the token (HS256). Default: the secret of 'tidings dev' in --dir."`
	Dir     string        `default:".tidings" type:"path" help:"Folder of 'tidings dev'."`
}

// Run prints the token on standard output and nothing else, so that a shell can use it
// as $(tidings token --sub ann). It returns an error if a server would refuse the token.
func (c *tokenCommand) Run(io streams) error {
	if err := stream.ValidID(c.Sub); err != nil {
		return fmt.Errorf("--sub: %w", err)
	}
	if c.TTL <= 0 {
		return errors.New("--ttl: must be greater than 0")
	}
	for _, role := range c.Role {
		if !slices.Contains([]string{auth.RoleService, auth.RoleAdmin, auth.RoleModerator}, role) {
			return fmt.Errorf("--role: %q is not a role; the roles are service, admin and moderator", role)
		}
	}
	for _, topic := range c.Topic {
		if err := checkClaimedTopic(topic); err != nil {
			return fmt.Errorf("--topic: %w", err)
		}
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
	who := auth.Identity{Subject: c.Sub, Name: c.Name, Roles: c.Role, Topics: c.Topic, Expires: time.Now().Add(c.TTL)}
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

// checkClaimedTopic returns an error for a text that opens nothing in the claim topics.
func checkClaimedTopic(text string) error {
	if kind, all := strings.CutSuffix(text, ":*"); all {
		text = kind + ":all"
	}
	topic, err := stream.ParseTopic(text)
	if err == nil && (topic.Kind() == "user" || topic.Kind() == "site") {
		err = fmt.Errorf("a token opens no %s topics by its claim", topic.Kind())
	}
	return err
}
