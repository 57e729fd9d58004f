package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

type runCommand struct {
	Program string   `default:"bin/tidings" type:"existingfile" help:"Of Tidings."`
	Rounds  int      `default:"3" help:"How often everything is measured."`
	Scale   float64  `default:"1" help:"Times as many readers: 0.01 to try it out."`
	Only    string   `help:"Cells whose name has this in it."`
	Peers   []string `help:"Contestants by name, with commas between. Default: all."`
	Out     string   `help:"File to write the page to. Default: standard output."`
}

// A row is what one cell found out of one contestant.
type row struct {
	round   int
	cell    string
	peer    string
	readers int
	figures figures
}

// Run measures, and writes the page when all is measured.
func (c *runCommand) Run(ctx context.Context) (err error) {
	if c.Rounds < 1 || c.Scale <= 0 {
		return errors.New("rounds and scale are more than nothing")
	}
	dir, err := os.MkdirTemp("", "tidings-peers-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	all, err := c.contestants(ctx, dir)
	if err != nil {
		return err
	}
	p := page{began: time.Now().UTC(), machine: bench.ThisMachine(), rounds: c.Rounds, scale: c.Scale}
	for _, cell := range cells(c.Scale) {
		if strings.Contains(strings.ToLower(cell.name), strings.ToLower(c.Only)) {
			p.cells = append(p.cells, cell)
		}
	}
	if len(p.cells) == 0 {
		return fmt.Errorf("no cell has %q in its name", c.Only)
	}
	for round := range c.Rounds {
		if err := c.round(ctx, round+1, all, &p); err != nil {
			return err
		}
	}
	for _, peer := range all { // who can tell more about themselves by now
		p.peers = append(p.peers, described{peer.name(), peer.about(ctx)})
	}
	if c.Out == "" {
		_, err = os.Stdout.WriteString(p.String())
		return err
	}
	if err := os.WriteFile(c.Out, []byte(p.String()), 0o644); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// contestants finds them and installs what can be in a folder.
func (c *runCommand) contestants(ctx context.Context, dir string) ([]contestant, error) {
	nginx, err := findNchan()
	if err != nil {
		return nil, err
	}
	socket, err := installSocketIO(ctx, dir)
	if err != nil {
		return nil, err
	}
	all := []contestant{tidings{c.Program, &bench.Machine{}}, nginx, socket, floor{}}
	if len(c.Peers) == 0 {
		return all, nil
	}
	return c.invited(all)
}

// invited are those that Peers names.
func (c *runCommand) invited(all []contestant) (invited []contestant, err error) {
	for _, name := range c.Peers {
		i := slices.IndexFunc(all, func(peer contestant) bool { return strings.EqualFold(peer.name(), name) })
		if i < 0 {
			return nil, fmt.Errorf("no contestant is called %q", name)
		}
		invited = append(invited, all[i])
	}
	return invited, nil
}

// round goes through all cells once, contestant after contestant.
func (c *runCommand) round(ctx context.Context, round int, all []contestant, p *page) error {
	for _, cell := range p.cells {
		for _, peer := range all {
			if !cell.of(peer.name()) {
				continue
			}
			say(os.Stderr, "round %d of %d: %s: %s", round, c.Rounds, cell.name, peer.name())
			err := peer.visit(ctx, cell.readers, cell.topics, func(s site) error {
				f, err := cell.run(ctx, cell, s)
				if err == nil {
					say(os.Stderr, "   %v", f)
					p.rows = append(p.rows, row{round, cell.name, peer.name(), cell.readers, f})
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %s: %w", cell.name, peer.name(), err)
			}
		}
	}
	return nil
}
