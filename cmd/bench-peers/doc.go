// Command bench-peers measures Tidings, its peers (Nchan, Socket.IO) and a program that
// only writes ("the floor"), with the same readers, on one machine, in one run. It prints
// a page in Markdown; "make bench-peers" writes the page to docs/benchmarks.md.
//
// A [peer] starts a server in a child process. A [cell] is one measurement of each peer,
// on a server that has just started. The cells are measured in rounds, one peer after
// another, because the machine's speed changes over time. A [page] shows medians over
// the rounds, and medians of the ratios within a round.
//
// Readers are those of package bench. They connect over TCP on this machine, and check that
// no event is lost, repeated or reordered, so that the figures of a peer are those of
// complete deliveries. The client, the server and the database share the processors.
//
// The program needs Linux, nginx with the module Nchan, HAProxy, Node.js with npm, and
// Postgres.
// "make bench-peers" installs them.
//
// A new peer is a type with the methods of [peer] and an entry in runCommand.peers. A new
// measurement is an entry in [cells].
package main
