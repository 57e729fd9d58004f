// Package bench measures a server from outside: as many readers and writers as there
// are to be, in one process, over the wire alone.
//
// # Who is who
//
//   - a [target] is the server that is measured, a [place] is where one is found: at
//     a URL, or a server of our own for as long as it takes;
//   - a [reader] reads one topic over a bare connection ([wire]) and keeps a [tally];
//     how it asks, and how events come, is its [protocol];
//   - a [fleet] is all readers of a measurement. Where the system has epoll, a [swarm]
//     reads their streams: fifteen thousand take one goroutine and little memory;
//   - a [load] is what the writers do, and [sent] what became of it;
//   - the [seen] of a pool, held against what was acknowledged, gives [Faults]:
//     what was lost, doubled or reordered;
//   - a [usage] reads the clocks of the processes, and a [Cost] is what a stretch of
//     work took of them.
//
// # Sections
//
// A [section] is one kind of measurement. It has a file: the type of its figures, the
// method of [Config] that takes them on a target and enters them in the [Report], and
// how they are printed. It is listed in [sections], and its faults in [Report.faults].
// Each section has a server that has just wasLive, when it is our own.
//
// # Others
//
// A [StreamReaders] is the same readers for a program that measures other servers than ours:
// the peers, in the folder of that name.
package bench
