package storetest

import "flag"

// Rows returns how many rows a benchmark fills a table with: n, or a tenth if each benchmark
// runs once, as in make test, where the amount proves nothing.
func Rows(n int) int {
	if f := flag.Lookup("test.benchtime"); f != nil && f.Value.String() == "1x" {
		return n / 10
	}
	return n
}
