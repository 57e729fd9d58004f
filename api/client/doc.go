// Package client is the Go client of the Tidings HTTP API: comments, likes, posts,
// notifications, publishing, and the events over Server-Sent Events or long-poll.
//
// A [Client] calls one server as one user. [Client.As] returns a client of the same
// server, over the same connections, for another user:
//
//	c, err := client.New("https://tidings.example.org", client.WithToken(token))
//	…
//	err = c.Follow(ctx, []string{"post:42"}, "", func(ev client.Event) error {
//		fmt.Println(ev.ID, ev.Name, string(ev.Data))
//		return nil
//	})
//
// # Events
//
// There are three ways to read events:
//
//   - [Client.Follow] and [Client.FollowPoll] reconnect until their context ends, and
//     resume from the last id. Their callback gets every event of its topics exactly
//     once and in order.
//   - [Client.Stream] is one connection. It ends when the connection ends;
//     [Stream.Cursor] then tells where the next one starts.
//   - [Client.Poll] is one request.
//
// All of them also return control events: an event whose name begins with "stream."
// is about the stream itself. After a stream.gap events are missing that the server
// no longer has: read the state again over the API (for example with
// [Client.Comments]).
//
// # Errors
//
// An answer that is not a success is a [*Problem], which errors.As finds. The error of
// a call begins with the name of the act ("create comment: …"). It never contains the
// address of the request, because an address can contain a ticket.
//
// The package imports only the standard library and nothing of the server, so that a
// test with this client tests the wire format.
package client
