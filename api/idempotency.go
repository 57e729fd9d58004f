package api

import (
	"fmt"
	"strings"

	"github.com/labstack/echo/v4"
)

// maxKeyBytes is the length limit of an idempotency key.
const maxKeyBytes = 255

// idempotencyKey reads the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header):
// a quoted string, or the same without quotes. It returns "" if the header is absent, and
// the problem malformed unless the key has 1 to 255 visible ASCII characters.
func idempotencyKey(c echo.Context) (string, error) {
	headers := c.Request().Header.Values("Idempotency-Key")
	if len(headers) == 0 {
		return "", nil
	}
	key := headers[0]
	if quoted, ok := strings.CutPrefix(key, `"`); ok && len(quoted) > 0 && strings.HasSuffix(quoted, `"`) {
		key = strings.TrimSuffix(quoted, `"`)
	}
	visible := !strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' || r == '"' || r == '\\' })
	if len(headers) > 1 || key == "" || len(key) > maxKeyBytes || !visible {
		return "", problemMalformed.with(fmt.Sprintf("Idempotency-Key is not one string of 1 to %d visible ASCII characters", maxKeyBytes))
	}
	return key, nil
}
