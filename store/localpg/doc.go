// Package localpg runs a private Postgres from the binaries that are installed
// on this machine: for `tidings dev`, and for tests that want the real thing.
//
//	server, err := localpg.Start(ctx, localpg.Config{Dir: ".tidings/postgres"})
//	…
//	pool, err := pgxpool.New(ctx, server.DSN("tidings"))
//	…
//	err = server.Stop(ctx)
//
// A server belongs to one directory and to the process that started it:
//
//	data/         the cluster, made by initdb on the first start and kept
//	run/          the Unix socket; there is no TCP port
//	postgres.log  the log of Postgres; every process of the server holds a lock on it
//	lock          held by the process that started the server
//
// A server never outlives its owner. It has a leash: a pipe of which only the owner holds
// the write end. When the owner ends, even by SIGKILL, the kernel closes the pipe, and a
// shell that reads from it asks Postgres for a fast shutdown. Postgres runs in a new
// process group: a Ctrl-C reaches only the owner, which can finish its work first.
//
// If root starts the server, Postgres runs as an unprivileged user, because it refuses
// root. If that user cannot reach the directory, the server uses another directory below
// /var/lib or /var/tmp and logs its path.
package localpg
