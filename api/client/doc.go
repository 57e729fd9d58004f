// Package client is the Go client of the Tidings HTTP API: the comment calls,
// the event stream and the long-poll that carries the same events.
//
// A Client is one server seen by one user; As gives the same server, and the
// same connections, to another user:
//
//	c, err := client.New("https://tidings.example.org", client.WithToken(token))
//	…
//	err = c.Follow(ctx, []string{"post:42"}, "", func(ev client.Event) error {
//		fmt.Println(ev.ID, ev.Name, string(ev.Data))
//		return nil
//	})
//
// There are three ways to listen, from the most to the least done for you:
//
//   - Follow and FollowPoll reconnect for ever and resume from the last id, so
//     that fn sees every event of its topics once and in order;
//   - Stream is one connection: it ends when the connection ends, and
//     Stream.Cursor says where to go on from;
//   - Poll is one request.
//
// All three hand out the control events (stream.ready, stream.gap, …) with the
// others: an event whose name starts with "stream." is about the stream itself.
// After a stream.gap, read again by REST what must not be missed.
//
// An answer of the server that is not a success is a *Problem; errors.As finds
// it. The error of a call names what was being done, never the address, because
// an address can hold a ticket.
//
// The package depends on the standard library alone and on nothing else of
// Tidings, so what it proves about a server, it proves about the wire.
package client
