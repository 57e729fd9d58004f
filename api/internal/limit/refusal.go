package limit

// A Refusal is the reason why a request was turned away; "" means that it was not. It
// is the label of a metric, so the set is fixed: see [Refusals].
type Refusal string

// The refusals. Draining and NotReady are states of the server; the others are limits of
// this package.
const (
	Full          Refusal = "process_full"
	Address       Refusal = "address_full"
	User          Refusal = "user_full"
	Starts        Refusal = "too_many_new"
	AddressStarts Refusal = "address_too_many_new"
	AddressConns  Refusal = "address_connections"

	AddressRequests Refusal = "address_requests"

	ProcessConns Refusal = "process_connections"
	AddressBytes Refusal = "address_bytes"
	ProcessBytes Refusal = "process_bytes"
	Replays      Refusal = "too_many_replays"
	Comments     Refusal = "comments"
	Likes        Refusal = "likes"
	Tickets      Refusal = "tickets"
	Typing       Refusal = "typing"
	Draining     Refusal = "draining"
	NotReady     Refusal = "not_ready"
)

// Refusals lists all of them.
var Refusals = []Refusal{Full, Address, User, Starts, AddressStarts, AddressBytes, ProcessBytes, AddressConns, AddressRequests, ProcessConns, Replays, Typing, Comments, Likes, Tickets, Draining, NotReady}
