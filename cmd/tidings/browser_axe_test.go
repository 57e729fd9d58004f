package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/chromedp"

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

// allLooks is for make torture-tabs: make test looks at each state once.
var allLooks = flag.Bool("browser.looks", false, "look at each state of the elements and pages at all widths, in light and dark")

// audit fails the test if the page is wider than the window at one of three widths, which are those of
// a desk, a phone and the narrowest phone, or if axe-core finds anything. It writes the pictures that
// are asked for. Without allLooks, axe-core looks at one width in one color scheme. n is the number of
// the state that the page is in: the next state has another width and scheme.
func (p *tab) audit(name string, n int) {
	p.t.Helper()
	for i, width := range []int64{1280, 390, 320} {
		p.do("emulate", chromedp.EmulateViewport(width, 900))
		if wide := eval[int64](p, `document.scrollingElement.scrollWidth`); wide > width {
			p.t.Errorf("%s is %d wide in a window of %d", name, wide, width)
		}
		for j, scheme := range []string{"light", "dark"} {
			if *allLooks || i == n%3 && j == n%2 {
				p.prefer(scheme)
				look := fmt.Sprintf("%s-%d-%s", name, width, scheme)
				p.look(look)
				p.accessible(look)
			}
		}
	}
	p.do("emulate", chromedp.EmulateViewport(1280, 900))
	p.prefer("light")
}
