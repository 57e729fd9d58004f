package migrations

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A trigger is a trigger of a file in functions/.
type trigger struct {
	table  string // without its schema, which is tidings
	name   string
	create string // the statement, as plain returns it
	always bool   // it also fires in sessions with session_replication_role = replica
}

var (
	createTrigger = regexp.MustCompile(`^create (?:constraint )?trigger (\w+) .* on tidings\.(\w+) `)
	enableAlways  = regexp.MustCompile(`^alter table tidings\.(\w+) enable always trigger (\w+)$`)
	commentLine   = regexp.MustCompile(`(?m)^--.*$`)
)

// parseTriggers reads the statements that follow a function: CREATE TRIGGER, and ALTER
// TABLE … ENABLE ALWAYS TRIGGER for one of these triggers.
func parseTriggers(text string) (all []trigger, err error) {
	for statement := range strings.SplitSeq(commentLine.ReplaceAllString(text, ""), ";") {
		statement = plain(statement)
		if m := createTrigger.FindStringSubmatch(statement); m != nil {
			all = append(all, trigger{table: m[2], name: m[1], create: statement})
		} else if m := enableAlways.FindStringSubmatch(statement); m != nil {
			i := slices.IndexFunc(all, func(t trigger) bool { return t.table == m[1] && t.name == m[2] })
			if i < 0 {
				return nil, fmt.Errorf("%s: the file creates no such trigger", statement)
			}
			all[i].always = true
		} else if statement != "" {
			return nil, fmt.Errorf("only triggers may follow the function, not %q", statement)
		}
	}
	return all, nil
}

// plain returns a statement in lower case, with single spaces, and without OR REPLACE:
// the form in which definitions of triggers are compared.
func plain(statement string) string {
	statement = strings.Join(strings.Fields(strings.ToLower(statement)), " ")
	return strings.Replace(statement, "create or replace trigger ", "create trigger ", 1)
}

func (t trigger) constraint() bool { return strings.HasPrefix(t.create, "create constraint ") }

// enabled is the trigger's value of pg_trigger.tgenabled.
func (t trigger) enabled() string {
	if t.always {
		return "A"
	}
	return "O"
}

// install makes the trigger what it should be. It locks the table only if the trigger
// differs.
func (t trigger) install(ctx context.Context, tx pgx.Tx) error {
	var definition, enabled string
	err := tx.QueryRow(ctx, `
		select pg_get_triggerdef(oid), tgenabled::text
		from pg_trigger
		where tgrelid = to_regclass('tidings.' || $1) and tgname = $2 and not tgisinternal`,
		t.table, t.name).Scan(&definition, &enabled)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if plain(definition) != t.create {
		if err := t.replace(ctx, tx, err == nil); err != nil {
			return err
		}
		enabled = "O"
	}
	if enabled == t.enabled() {
		return nil
	}
	state := "enable"
	if t.always {
		state = "enable always"
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`alter table tidings.%s %s trigger %s`, t.table, state, t.name))
	return err
}

// replace creates the trigger. CREATE OR REPLACE takes a weaker lock than DROP, but
// Postgres has it for ordinary triggers only.
func (t trigger) replace(ctx context.Context, tx pgx.Tx, exists bool) error {
	create := t.create
	if !t.constraint() {
		create = strings.Replace(create, "create trigger", "create or replace trigger", 1)
	} else if exists {
		if err := dropTrigger(ctx, tx, t.table, t.name); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, create)
	return err
}

func dropTrigger(ctx context.Context, tx pgx.Tx, table, name string) error {
	_, err := tx.Exec(ctx, `drop trigger `+pgx.Identifier{name}.Sanitize()+` on `+pgx.Identifier{"tidings", table}.Sanitize())
	return err
}

// dropOthers drops the triggers on tables of the schema tidings that call a function of
// the schema and are not in functions. Triggers of the site call functions elsewhere.
func dropOthers(ctx context.Context, tx pgx.Tx, functions []function) error {
	type id struct{ Table, Name string }
	keep := map[id]bool{}
	for _, f := range functions {
		for _, t := range f.triggers {
			keep[id{t.table, t.name}] = true
		}
	}
	rows, _ := tx.Query(ctx, `
		select relname, tgname
		from pg_trigger
		join pg_class on pg_class.oid = tgrelid
		join pg_proc on pg_proc.oid = tgfoid
		where not tgisinternal
			and relnamespace = 'tidings'::regnamespace
			and pronamespace = 'tidings'::regnamespace
		order by relname, tgname`)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[id])
	if err != nil {
		return err
	}
	for _, t := range found {
		if !keep[t] {
			if err := dropTrigger(ctx, tx, t.Table, t.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
