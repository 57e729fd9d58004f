package store

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// IdempotencyLifetime is how long a key is remembered.
const IdempotencyLifetime = 24 * time.Hour

// fingerprint is the same for the same request: its author and key are looked up by.
func (c NewComment) fingerprint() []byte {
	if c.IdempotencyKey == "" {
		return nil
	}
	parent := "none"
	if c.ParentID != nil {
		parent = fmt.Sprint(*c.ParentID)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s", c.PostID, parent, c.Body))
	return sum[:]
}
