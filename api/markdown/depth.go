package markdown

import (
	"fmt"
	"regexp"
)

// maxDepth is the number of quotes and lists that one line may open inside each other. The
// parser takes time that is quadratic in it, and browsers nest at most 512 elements.
const maxDepth = 50

// tooDeep matches a line that opens more than maxDepth quotes and lists.
var tooDeep = regexp.MustCompile(fmt.Sprintf(`(?m)^[ \t]*(?:(?:>|[-+*][ \t]|[0-9]{1,9}[.)][ \t])[ \t]*){%d}`, maxDepth+1))
