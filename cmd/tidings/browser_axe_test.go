package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A violation is what axe-core finds.
type violation struct {
	Rule, Help string
	Nodes      []string // the node's path through shadow roots, its HTML, and what is wrong
}

// accessible fails the test if axe-core finds anything on the page.
func (p *tab) accessible(what string) {
	p.t.Helper()
	if !eval[bool](p, `'axe' in window`) {
		modules, err := nodeModules()
		streamtest.Must(p.t, err)
		script, err := os.ReadFile(filepath.Join(modules, "axe-core", "axe.min.js"))
		streamtest.Must(p.t, err)
		eval[bool](p, string(script)+";true")
	}
	found := eval[[]violation](p, `axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } }).then(({ violations }) => violations.map(({ id, help, nodes }) => ({
		Rule: id, Help: help, Nodes: nodes.map((node) => node.target.flat().join(' ') + ' ' + node.html.slice(0, 200) + ' ' + node.failureSummary),
	})))`)
	for _, v := range found {
		p.t.Errorf("%s: %s: %s\n%s", what, v.Rule, v.Help, strings.Join(v.Nodes, "\n"))
	}
}
