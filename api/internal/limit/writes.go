package limit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Writes are the rates of what a user writes on one instance. A zero rate is the default.
type Writes struct {
	Comments Rate // default 10 a minute, burst 5
	Likes    Rate // likes and their removals; default 60 a minute, burst 20
	Tickets  Rate // default 60 a minute, burst 20
}

var defaultWrites = Writes{Comments: PerMinute(10, 5), Likes: PerMinute(60, 20), Tickets: PerMinute(60, 20)}

// PerMinute is a rate of n a minute.
func PerMinute(n float64, burst int) Rate { return Rate{n / 60, burst} }

// ParseWrites reads rates as "comments=10/5,likes=60/20": a name, the number a minute and
// the burst. Rates that are not named are zero.
func ParseWrites(text string) (w Writes, err error) {
	for part := range strings.SplitSeq(text, ",") {
		name, numbers, _ := strings.Cut(strings.TrimSpace(part), "=")
		var into *Rate
		switch name {
		case "comments":
			into = &w.Comments
		case "likes":
			into = &w.Likes
		case "tickets":
			into = &w.Tickets
		default:
			return Writes{}, fmt.Errorf("%q is not comments, likes or tickets", name)
		}
		if *into, err = parseRate(numbers); err != nil {
			return Writes{}, fmt.Errorf("rate of %s: %w", name, err)
		}
	}
	return w, nil
}

func parseRate(text string) (Rate, error) {
	minute, burst, found := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(minute, 64)
	most, err2 := strconv.ParseUint(burst, 10, 31)
	if !found || err != nil || err2 != nil || !(n > 0) || math.IsInf(n, 0) || most == 0 {
		return Rate{}, fmt.Errorf("%q is not two numbers above 0, a minute and burst, as 10/5", text)
	}
	return PerMinute(n, int(most)), nil
}

// A Charge is one token that a write has taken. The zero Charge has taken none.
type Charge struct {
	rates *Rates
	user  string
}

// Refund returns the token of a write that was not accepted.
func (c Charge) Refund() { c.rates.Return(c.user) }

// Write charges a write of a user. kind is Comments, Likes or Tickets. If the rate is
// exceeded, it returns how long the user has to wait.
func (l *Limiter) Write(kind Refusal, user string) (charge Charge, wait time.Duration) {
	rates := l.writes[kind]
	if wait = rates.Take(user); wait > 0 {
		return Charge{}, wait
	}
	return Charge{rates, user}, 0
}

// WriteRate returns the rate of a kind of writes.
func (l *Limiter) WriteRate(kind Refusal) Rate { return l.writes[kind].rate }
