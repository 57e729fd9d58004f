// Package storetest is the rig for tests that need a database: one private Postgres
// a test binary, started by the first test that asks, and a fresh database a test,
// copied from a template that is migrated once.
//
//	func TestMain(m *testing.M) { storetest.Main(m) }
//
//	func TestStore_Likes(t *testing.T) {
//		t.Parallel()
//		pool, err := pgxpool.New(t.Context(), storetest.Database(t))
//		…
//
// The shared server is tuned for speed and loses everything in a crash, so no test
// may stop it; one that wants to see a crash takes a server of its own, NewServer.
// Tests are as parallel as they like: nobody else uses a test's database.
package storetest
