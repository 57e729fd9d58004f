package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
)

// charges limits what users write. The role service has no limit.
type charges struct {
	limits *limit.Limiter
	refuse func(limit.Refusal) *Problem
}

// begin charges a write before it is made; kind is limit.Comments, limit.Likes or
// limit.Tickets. The error is the problem rate_limited. The caller passes the outcome of
// the write to settle.
func (c charges) begin(who auth.Identity, kind limit.Refusal) (limit.Charge, error) {
	if who.Is(auth.RoleService) {
		return limit.Charge{}, nil
	}
	charge, wait := c.limits.Write(kind, who.Subject)
	if wait == 0 {
		return charge, nil
	}
	p := c.refuse(kind)
	p.retryAfter = wait.Truncate(time.Second) + time.Second
	p.rateLimit, p.ratePolicy = rateFields(kind, c.limits.WriteRate(kind), p.retryAfter)
	return limit.Charge{}, p
}

// settle refunds the charge of a write that was not accepted. A client that has left is
// charged, because its write may have been made.
func settle(charge limit.Charge, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		charge.Refund()
	}
}

// rateFields returns the header fields RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers): no request remains before the wait is over, and
// the burst is possible in the window in which the bucket fills.
func rateFields(kind limit.Refusal, rate limit.Rate, wait time.Duration) (state, policy string) {
	window := math.Ceil(float64(rate.Burst) / rate.PerSecond)
	name := strconv.Quote(string(kind))
	return fmt.Sprintf("%s;r=0;t=%d", name, int(wait.Seconds())), fmt.Sprintf("%s;q=%d;w=%.0f", name, rate.Burst, window)
}
