// Package cluster runs a Postgres and several Tidings instances as child processes
// that a caller can kill, restart and disconnect.
//
//	c, err := cluster.Start(ctx, cluster.Config{Program: program})
//	…
//	defer c.Close(true)
//	i := c.Instances()[0]
//	err = i.Kill()
//	err = i.Start(ctx)
//
// Each instance stands behind two proxies on 127.0.0.1. Clients connect through
// [Instance.Clients], so the instance keeps its URL when it restarts on another port.
// Its LISTEN connection goes through [Instance.Listen]; its other connections to
// Postgres are direct.
//
// Postgres runs with fsync and synchronous_commit on: a transaction that was
// acknowledged survives [Cluster.CrashPostgres].
package cluster
