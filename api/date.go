package api

import (
	"net/http"
	"sync/atomic"
	"time"
)

// A dateField formats times for the field Date (RFC 9110 section 6.6.1). It keeps the last
// text, because many answers are written in one second. It is safe for concurrent use.
type dateField struct{ last atomic.Pointer[dateText] }

type dateText struct {
	second int64 // since 1970
	text   string
}

// text returns the time without its fraction of a second.
func (d *dateField) text(now time.Time) string {
	last := d.last.Load()
	if second := now.Unix(); last == nil || last.second != second {
		last = &dateText{second, now.UTC().Format(http.TimeFormat)}
		d.last.Store(last)
	}
	return last.text
}
