package limit

// A Refusal is the reason why a request was turned away; "" means that it was not. It
// is the label of a metric, so the set is fixed: see [Refusals].
type Refusal string

// The refusals. Full, Address, User, Starts, Replays and Typing are limits of this
// package; Draining and NotReady are states of the server.
const (
	Full     Refusal = "process_full"
	Address  Refusal = "address_full"
	User     Refusal = "user_full"
	Starts   Refusal = "too_many_new"
	Replays  Refusal = "too_many_replays"
	Typing   Refusal = "typing"
	Draining Refusal = "draining"
	NotReady Refusal = "not_ready"
)

// Refusals lists all of them.
var Refusals = []Refusal{Full, Address, User, Starts, Replays, Typing, Draining, NotReady}
