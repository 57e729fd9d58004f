// Package session makes the sessions of our connections independent of the settings of
// the site. ALTER DATABASE … SET and ALTER ROLE … SET may change what text means, which
// table a name stands for, how long a statement may take, or whether a session is closed.
//
// A session that leads to Postgres itself gets all settings once, when it connects:
// [Pin]. A pooler shares its sessions with other programs, and refuses unknown startup
// parameters. So a connection to a pooler gets only the parameters that poolers pass on:
// [PinPooled]. Each of its transactions begins with the statement [Local].
//
// One setting stays as the site has it: default_transaction_read_only. Providers set it
// when a disk is nearly full. Writes then fail with SQLSTATE 25006, and reading goes on.
package session
