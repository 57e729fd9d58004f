package markdown

import (
	"crypto/sha256"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// entryBytes is the memory of a cache entry without its HTML.
const entryBytes = 160

// A cache keeps the HTML of the texts that were used most recently, up to a number of bytes.
// It is safe for concurrent use.
type cache struct {
	max int

	mu    sync.Mutex // guards the fields below
	html  *simplelru.LRU[[sha256.Size]byte, string]
	bytes int // of all entries
}

// newCache returns a cache of at most max bytes; none if max is not positive.
func newCache(max int) *cache {
	if max <= 0 {
		return nil
	}
	c := &cache{max: max}
	// The number of entries is bounded by the number of bytes.
	c.html, _ = simplelru.NewLRU(max/entryBytes+1, func(_ [sha256.Size]byte, html string) {
		c.bytes -= entryBytes + len(html)
	})
	return c
}

// get returns the HTML of a text.
func (c *cache) get(text string) (html string, known bool) {
	if c == nil {
		return "", false
	}
	key := sha256.Sum256([]byte(text))
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.html.Get(key)
}

// add keeps the HTML of a text, and drops the entries that were unused for the longest time.
func (c *cache) add(text, html string) {
	if c == nil {
		return
	}
	key := sha256.Sum256([]byte(text))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.html.Contains(key) {
		return
	}
	c.html.Add(key, html)
	c.bytes += entryBytes + len(html)
	for c.bytes > c.max && c.html.Len() > 0 {
		c.html.RemoveOldest()
	}
}
