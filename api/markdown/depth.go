package markdown

import (
	"fmt"
	"regexp"

	"github.com/yuin/goldmark/ast"
)

// maxDepth is the number of quotes and lists that one line may open inside each other. The
// parser takes time that is quadratic in it, and browsers nest at most 512 elements.
const maxDepth = 50

// tooDeep matches a line that opens more than maxDepth quotes and lists.
var tooDeep = regexp.MustCompile(fmt.Sprintf(`(?m)^[ \t]*(?:(?:>|[-+*][ \t]|[0-9]{1,9}[.)][ \t])[ \t]*){%d}`, maxDepth+1))

// maxNested is the number of nodes that may be inside each other. Many lines, or emphasis in one
// line, can open more quotes and lists than maxDepth.
const maxNested = 200

// tooNested reports whether more than maxNested nodes are inside each other.
func tooNested(document ast.Node) bool {
	depth, most := 0, 0
	_ = ast.Walk(document, func(_ ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			depth--
			return ast.WalkContinue, nil
		}
		depth++
		most = max(most, depth)
		return ast.WalkContinue, nil
	})
	return most > maxNested
}
