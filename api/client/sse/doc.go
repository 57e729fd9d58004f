// Package sse parses event streams, the text/event-stream format of the HTML standard
// (section 9.2.6, https://html.spec.whatwg.org/multipage/server-sent-events.html), and
// one field more: "topic", which Tidings adds to each event.
//
// A [Parser] takes the bytes of a stream as they arrive, in pieces of any size, and
// never waits: it is for programs that read sockets themselves. A [Reader] reads an
// [io.Reader] and waits for each event.
//
// Both return an event as soon as the last byte of its blank line has arrived. Where
// the bytes are split makes no difference to the events. The standard's decoding is
// left out: bytes that are not UTF-8 are returned unchanged.
package sse
