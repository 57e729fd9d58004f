package store

import (
	"context"
	"fmt"
)

// CheckSchema returns an error if row security hides rows of the schema from this role: an
// administrator has forced it on, or the role does not own the tables. Functions of the
// schema fail then, and lists would lack rows without a sign of it.
func (s *Store) CheckSchema(ctx context.Context) error {
	var tables string
	err := s.read(ctx, rowQuery([]any{&tables}, `
		select coalesce(string_agg('tidings.' || relname, ', ' order by relname), '')
		from pg_class
		where relnamespace = to_regnamespace('tidings')
			and relkind in ('r', 'p')
			and (relrowsecurity or relforcerowsecurity)
			and row_security_active(pg_class.oid)`))
	if err != nil {
		return err
	}
	if tables != "" {
		return fmt.Errorf("row security hides rows from this role: run ALTER TABLE … NO FORCE ROW LEVEL SECURITY for %s, "+
			"and connect as the owner of the schema", tables)
	}
	return nil
}
