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
//	postgres.log  what Postgres says; every process of the server holds a lock on it
//	lock          held by the process that started the server
//
// It never outlives its owner. Postgres runs on a leash, a pipe whose far end only
// the owner holds: when the owner dies, however it dies, the pipe closes and a tiny
// shell asks Postgres for a fast shutdown. It sits in a process group of its own,
// so that a Ctrl-C reaches the owner alone, who drains first and stops it after.
//
// Root's servers run as an unprivileged user, because Postgres refuses root; when
// that user cannot reach the directory, the server lives elsewhere and says where.
package localpg
