// Package localpg runs a private Postgres from the programs that are installed on this
// machine. `tidings dev` and the tests use it.
//
//	server, err := localpg.Start(ctx, localpg.Config{Dir: ".tidings/postgres"})
//	…
//	pool, err := pgxpool.New(ctx, server.DSN("tidings"))
//	…
//	err = server.Stop(ctx)
//
// A server belongs to one directory and to the process that started it:
//
//	data/         the cluster, made by initdb at the first start and kept
//	run/          the Unix socket; there is no TCP port
//	postgres.log  the log of Postgres; every process of the server holds a lock on it
//	lock          the owner, which is the process that started the server, holds a lock on it
//
// # The end of a server
//
// A server ends when its owner ends, even if the owner is killed by SIGKILL. A shell waits
// at the reading end of a pipe whose writing end only the owner has. When the owner ends,
// the kernel closes the pipe, and the shell sends Postgres the signal for a fast shutdown.
//
// Postgres is in a separate process group. A Ctrl-C in the terminal therefore reaches the
// owner only, which can finish its work before it stops Postgres.
//
// # Root
//
// Postgres refuses to run as root. If the owner is root, Postgres runs as an unprivileged
// user. If that user cannot reach the directory, the server uses another directory below
// /var/lib or /var/tmp: [Server.Dir] returns it, and a warning is logged.
package localpg
