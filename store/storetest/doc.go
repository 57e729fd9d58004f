// Package storetest gives tests their databases. Each test binary has one private
// Postgres, which starts when a test first asks for a database. Each test has a new
// database, copied from a template that is migrated once.
//
//	func TestMain(m *testing.M) { storetest.Main(m) }
//
//	func TestStore_Likes(t *testing.T) {
//		t.Parallel()
//		pool, err := pgxpool.New(t.Context(), storetest.Database(t))
//		…
//
// The shared server runs without fsync and may lose its data in a crash, so no test may
// stop it. A test that crashes or restarts a server starts another one with NewServer.
// Tests may run in parallel without limit: no two tests share a database.
//
// Proxy puts a proxy between a test and its database, to break the connection or to
// delay it.
package storetest
