// Package bench measures a running server from outside. It opens thousands of
// connections and writes events over the same HTTP calls as any client, all in one
// process, so that one clock times both sending and receiving.
//
// # How a figure is measured
//
//   - Each event that bench sends carries a [mark]: its number and the time at which it
//     was sent. A [reader] finds the mark in each event that arrives. The latency is the
//     arrival time minus that time. It includes the request of the writer.
//   - A [tally] records the events of one reader. At the end of a [load] it is compared
//     with the events that the server acknowledged. The differences are [Faults].
//   - Percentiles are exact: see [Summary]. Warm-up is not left out.
//   - CPU time is that of the processes, from /proc: the server, Postgres and this client.
//     A [Cost] divides it by the number of deliveries, comments or likes. The kernel counts
//     in units of 10 ms, so short loads give coarse figures.
//   - Memory is the resident memory of the server's process, read when it has not changed
//     by more than 0.5 % for a second. Memory per reader is the difference that connecting
//     makes, divided by the number of readers.
//   - The floor is the same work by Postgres without a server, over a connection of this
//     process: see [Floor] and [SameRows].
//   - Client, server and database share one machine. Each takes CPU time from the others.
//
// # Parts
//
// A [target] is the server that is measured. It is either at a given URL, or bench starts
// it ([ownServer]). A [readerPool] holds the readers of a measurement; on Linux their
// connections are read by a few goroutines over epoll ([epollReaders]). A [protocol] is a
// way to subscribe, and a [feeder] parses what arrives. A [load] is what the writers do.
//
// A [section] is one kind of measurement. Each has a file, with the type of its figures,
// the method of [Config] that measures them, and the method that prints them. It is listed
// in [sections], its faults in [Report.faults], and its figures for comparisons in
// [Report.figures].
//
// [Compare] measures two builds of Tidings in turns. [ConnectReaders] offers the readers to
// other programs, which measure servers other than Tidings.
package bench
