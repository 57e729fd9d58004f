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

// runCommand measures the peers and writes the page. It is the default command.
type runCommand struct {
	Program string   `default:"bin/tidings" type:"existingfile" help:"Program of Tidings to measure."`
	Rounds  int      `default:"3" help:"Number of rounds. The page shows medians over them."`
	Scale   float64  `default:"1" help:"Factor for the number of readers. Use 0.01 for a trial."`
	Only    string   `help:"Text that the names of the measured cells contain. Default: all cells."`
	Peers   []string `help:"Names of the peers to measure, separated by commas. Default: all."`
	Out     string   `help:"File to write the page to. Default: standard output."`
}

// A row has the figures of one cell for one peer in one round. The page shows all rows at
// its end, and computes medians and ratios from them.
type row struct {
	round   int    // from 1
	cell    string // its name
	peer    string // its name
	readers int
	figures figures // those that are known: CPU time and memory need /proc
}

// Run measures all cells and then writes the page. It returns the first error of a peer:
// a page without one of the figures would not be comparable with earlier pages.
func (c *runCommand) Run(ctx context.Context) (err error) {
	if c.Rounds < 1 || c.Scale <= 0 {
		return errors.New("--rounds and --scale must be greater than 0")
	}
	dir, err := os.MkdirTemp("", "tidings-peers-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	all, err := c.peers(ctx, dir)
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
	for _, peer := range all { // after the measurements: about needs the last withServer
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

// peers returns the peers that c.Peers names, or all. It installs Socket.IO in dir. It
// returns an error if nginx's module is missing or npm fails, also if neither is named.
func (c *runCommand) peers(ctx context.Context, dir string) ([]peer, error) {
	nginx, err := findNchan()
	if err != nil {
		return nil, err
	}
	socket, err := installSocketIO(ctx, dir)
	if err != nil {
		return nil, err
	}
	all := []peer{tidings{c.Program, &bench.Machine{}}, nginx, socket, floor{}}
	if len(c.Peers) == 0 {
		return all, nil
	}
	return c.selected(all)
}

// selected returns the peers that c.Peers names, in that order.
func (c *runCommand) selected(all []peer) (selected []peer, err error) {
	for _, name := range c.Peers {
		i := slices.IndexFunc(all, func(peer peer) bool { return strings.EqualFold(peer.name(), name) })
		if i < 0 {
			return nil, fmt.Errorf("no peer has the name %q", name)
		}
		selected = append(selected, all[i])
	}
	return selected, nil
}

// round measures all cells once, one peer after another, and appends the figures to the rows
// of the page. It writes its progress to standard error.
func (c *runCommand) round(ctx context.Context, round int, all []peer, p *page) error {
	for _, cell := range p.cells {
		for _, peer := range all {
			if !cell.of(peer.name()) {
				continue
			}
			logf(os.Stderr, "round %d of %d: %s: %s", round, c.Rounds, cell.name, peer.name())
			err := peer.withServer(ctx, cell.readers, cell.topics, func(s peerServer) error {
				f, err := cell.run(ctx, cell, s)
				if err == nil {
					logf(os.Stderr, "   %v", f)
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
