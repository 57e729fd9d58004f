package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/reach"
	"github.com/tidings-live/tidings/store/session"
)

// reach returns an error for each server that does not answer as Tidings does.
func (r *run) reach(ctx context.Context) []error {
	return r.askAll(func(i int) error { return reach.Server(ctx, r.cfg.URLs[i], r.servers[i]) })
}

// askAll calls ask for all servers at once and returns the errors.
func (r *run) askAll(ask func(server int) error) (errs []error) {
	found := make([]error, len(r.servers))
	var all sync.WaitGroup
	for i := range r.servers {
		all.Go(func() { found[i] = ask(i) })
	}
	all.Wait()
	for _, err := range found {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// connect connects to the database, if one is configured, and begins to copy the log.
func (r *run) connect(ctx context.Context) (err error) {
	if r.cfg.DatabaseURL == "" {
		return nil
	}
	cfg, err := pgxpool.ParseConfig(r.cfg.DatabaseURL)
	if err != nil {
		return fmt.Errorf("parse database URL: %w", err)
	}
	session.PinPooled(cfg.ConnConfig, "tidings verify")
	if r.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return r.askDatabase(ctx, func(ctx context.Context) error {
		r.checker.recorder, err = newRecorder(ctx, r.pool, r.participants.topics(), r.checker.log, r.writes, r.findings)
		return err
	})
}

// askDatabase makes one request to the database.
func (r *run) askDatabase(ctx context.Context, request func(context.Context) error) error {
	return reach.Database(ctx, r.pool.Config().ConnConfig, request)
}

// ask makes one request to a server.
func (r *run) ask(ctx context.Context, server int, request func(context.Context) error) error {
	return reach.Ask(ctx, r.cfg.URLs[server], request)
}

// prepare creates the posts, whose authors get notifications, and the unauthorized
// reader. Without a secret there are no tokens for that: SQL creates the posts.
func (r *run) prepare(ctx context.Context) error {
	p := r.participants
	if !p.private() {
		return r.askDatabase(ctx, func(ctx context.Context) error {
			_, err := r.pool.Exec(ctx, `
				insert into tidings.posts (id)
				select unnest($1::text[])`, p.posts)
			return err
		})
	}
	token, err := p.token("verify-"+p.run+"-site", auth.RoleService)
	if err != nil {
		return err
	}
	r.service = asUser(r.servers, token)
	if token, err = p.token("verify-"+p.run+"-moderator", auth.RoleModerator); err != nil {
		return err
	}
	r.moderators = asUser(r.servers, token)
	for i, post := range p.posts {
		err := r.ask(ctx, 0, func(ctx context.Context) error {
			_, err := r.service[0].PutPost(ctx, post, client.PostInput{AuthorID: client.Value(p.author(i))})
			return err
		})
		if err != nil {
			return err
		}
	}
	forbidden, err := p.forbidden(r.servers)
	if err != nil {
		return err
	}
	r.unauthorized = &unauthorizedReader{
		participants: p, forbidden: forbidden, random: r.cfg.random("unauthorized", 0), findings: r.findings, progress: r.progress,
	}
	return nil
}

// checkSame returns an error unless all servers and the database that is configured have
// the posts of this run: if one of them belongs to another deployment, each write to it
// would look like a lost one.
func (r *run) checkSame(ctx context.Context) error {
	post := r.participants.posts[0]
	if r.pool != nil {
		var has bool
		err := r.askDatabase(ctx, func(ctx context.Context) error {
			return r.pool.QueryRow(ctx, `
				select exists (
					select from tidings.posts
					where id = $1
				)`, post,
			).Scan(&has)
		})
		if err != nil {
			return err
		}
		if !has {
			return fmt.Errorf("%s is not that of %s: it does not have a post that was created there", r.databaseName(), r.cfg.URLs[0])
		}
	}
	return errors.Join(r.askAll(func(i int) error {
		err := r.ask(ctx, i, func(ctx context.Context) error {
			_, err := r.servers[i].Post(ctx, post)
			return err
		})
		var p *client.Problem
		switch {
		case !errors.As(err, &p) || p.Status != http.StatusNotFound:
			return err
		case r.service == nil:
			return fmt.Errorf("%s is not that of %s: the server does not have a post that was created there", r.databaseName(), r.cfg.URLs[i])
		}
		return fmt.Errorf("%s and %s do not use the same database: a post that one created is unknown to the other", r.cfg.URLs[0], r.cfg.URLs[i])
	})...)
}

func (r *run) databaseName() string { return reach.Name(r.pool.Config().ConnConfig) }
