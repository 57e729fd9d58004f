package migrations_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Whatever a transaction does with SET CONSTRAINTS, its events are numbered once, at
// COMMIT, and until then it does not hold the turn.
func TestFlush_WaitsForCommit(t *testing.T) {
	t.Parallel()

	const immediate = `set constraints all immediate;`
	db := share(t, 2)
	// Each string is one message, so its statements have one statement_timestamp.
	for name, messages := range map[string][]string{
		"WithoutSetConstraints":           {comment},
		"SetAfterTheWrite":                {comment, immediate},
		"SetBeforeTheWrite":               {immediate, comment},
		"SetAroundWrites":                 {immediate, comment, `set constraints all deferred`, immediate},
		"SetTwice":                        {comment, immediate, immediate},
		"SetByName":                       {comment, `set constraints tidings.flush immediate`, `set constraints tidings.flush immediate`},
		"SetInTheMessageOfTheWrite":       {comment + `;` + immediate},
		"SetTwiceInTheMessage":            {comment + `;` + immediate + immediate + immediate},
		"SetBetweenDeferralsInAMessage":   {comment + `;` + immediate + `set constraints all deferred;` + immediate},
		"SetBeforeAWriteInTheMessage":     {immediate + comment + `;` + immediate},
		"SetTwiceInAFunction":             {comment, `do $$ begin set constraints all immediate; set constraints all immediate; end $$`},
		"SetBeforeAWriteInAFunction":      {`do $$ begin set constraints all immediate; ` + comment + `; set constraints all immediate; end $$`},
		"SetInASavepointThatIsReleased":   {comment, `savepoint s; ` + immediate + immediate + `release s`},
		"SetInASavepointThatIsRolledBack": {comment, `savepoint s; ` + immediate + immediate + `rollback to s`},
		"SetAfterARollbackToASavepoint":   {`savepoint s; ` + comment + `;` + immediate + `rollback to s`, comment, immediate},
		"SetWhileASavepointIsRolledBack":  {comment + `; savepoint s; ` + immediate, `rollback to s; ` + immediate},
	} {
		t.Run(name, func(t *testing.T) {
			conn, other := db.again(t), db[1]
			exec(t, conn, `begin`)
			for _, message := range messages {
				exec(t, conn, message)
			}
			if turnIsTaken(t, other) {
				t.Fatal("the open transaction holds the turn")
			}
			exec(t, other, `select tidings.publish('post:other', 'meanwhile', '{}')`)
			exec(t, conn, `commit`)
			want := []string{"post:other meanwhile", "post:p new-comment", "post:p comment-count"}
			if got := since(t, other, 0); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			leavesNothing(t, conn)
		})
	}
}

// app is a table of the site with a deferred constraint trigger that waits for the
// advisory lock 1.
const app = `
	create table app (x integer);
	create function app_waits() returns trigger language plpgsql as $$
	begin
		perform pg_advisory_xact_lock(1);
		return null;
	end $$;
	create constraint trigger waits after insert on app
		deferrable initially deferred
		for each row execute function app_waits();`

// appComments is a table of the site with a deferred constraint trigger that inserts a
// comment on the post "late" at COMMIT.
const appComments = `
	create table app (x integer);
	create function app_comments() returns trigger language plpgsql as $$
	begin
		insert into tidings.comments (post_id, author_id, body) values ('late', 'app', 'said at COMMIT');
		return null;
	end $$;
	create constraint trigger comments after insert on app
		deferrable initially deferred
		for each row execute function app_comments();`

func TestFlush_RunsAfterAllOtherDeferredTriggers(t *testing.T) {
	t.Parallel()

	const hold, appRow = `select pg_advisory_xact_lock(1)`, `insert into app values (1)`
	const latePost = `insert into tidings.posts (id) values ('late')`
	db := share(t, 3)
	for name, c := range map[string]struct {
		schema string
		hold   string   // a lock of another transaction
		script []string // after BEGIN
	}{
		"QueuedBeforeIt":         {app, hold, []string{appRow, comment}},
		"QueuedAfterIt":          {app, hold, []string{comment, appRow}},
		"QueuedByTheSameCommand": {app, hold, []string{`insert into app select 1 from tidings.publish('post:p', 'x', '{}')`}},
		"InOneMessage":           {app, hold, []string{comment + `;` + appRow}},
		"InOneMessageAfterSet":   {app, hold, []string{comment + `; set constraints all immediate; set constraints all deferred;` + appRow}},
		"QueuedAtCommit": {
			// The comment's own foreign key is checked after COMMIT has fired flush once.
			appComments + latePost, `select from tidings.posts where id = 'late' for update`, []string{comment, appRow},
		},
		"QueuedAtCommitByATriggerQueuedAtCommit": {
			app + `
			alter table app rename to app2;
			create table app (x integer);
			create function app_chain() returns trigger language plpgsql as $$
			begin
				if new.x < 4 then
					insert into app values (new.x + 1);
				else
					insert into app2 values (1);
				end if;
				return null;
			end $$;
			create constraint trigger chain after insert on app
				deferrable initially deferred
				for each row execute function app_chain();`,
			hold, []string{comment, appRow},
		},
		"SetImmediateAtCommit": {
			app + `
			create function app_immediate() returns trigger language plpgsql as $$
			begin
				set constraints all immediate;
				return null;
			end $$;
			create constraint trigger immediate after insert on app
				deferrable initially deferred
				for each row execute function app_immediate();`,
			hold, []string{comment, appRow},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn, holder, other := db.again(t), db[1], db[2]
			exec(t, conn, c.schema)
			exec(t, holder, `begin; `+c.hold)
			exec(t, conn, `begin`)
			for _, message := range c.script {
				exec(t, conn, message)
			}
			committed := start(t, conn, `commit`)
			awaitBlocked(t, other, conn, holder)
			if turnIsTaken(t, other) {
				t.Fatal("the transaction waits for a lock of the site and holds the turn")
			}
			exec(t, other, `select tidings.publish('post:other', 'meanwhile', '{}')`)
			exec(t, holder, `commit`)
			if err := <-committed; err != nil {
				t.Fatal(explain(err))
			}
			if got := since(t, other, 0); len(got) < 2 || got[0] != "post:other meanwhile" {
				t.Errorf("got %q", got)
			}
			leavesNothing(t, conn)
		})
	}
}

func TestFlush_NumbersTheEventsOfDeferredTriggers(t *testing.T) {
	t.Parallel()

	late := []string{"post:late new-comment", "post:late comment-count"}
	both := []string{"post:p new-comment", "post:late new-comment", "post:late comment-count", "post:p comment-count"}
	db := share(t, 1)
	for name, c := range map[string]struct {
		script []string
		want   []string
	}{
		"NoOtherEvents":     {[]string{`insert into app values (1)`}, late},
		"BeforeOtherEvents": {[]string{`insert into app values (1)`, comment}, both},
		"AfterOtherEvents":  {[]string{comment, `insert into app values (1)`}, both},
		"InOneMessage":      {[]string{comment + `; insert into app values (1)`}, both},
		"WithSet":           {[]string{comment, `insert into app values (1)`, `set constraints all immediate`}, both},
		"WithSetBefore":     {[]string{`set constraints all immediate`, comment, `insert into app values (1)`}, both},
		"WithSetInMessage":  {[]string{comment + `; insert into app values (1); set constraints all immediate`}, both},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, appComments)
			exec(t, conn, `begin`)
			for _, message := range c.script {
				exec(t, conn, message)
			}
			exec(t, conn, `commit`)
			got := since(t, conn, 0)
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			countsAreRight(t, conn)
			leavesNothing(t, conn)
		})
	}
}

// postpones is a table of the site with a deferred trigger that postpones itself, as flush
// does, as often as the row says, and then waits for the advisory lock 1.
const postpones = `
	create table app (x integer);
	create function app_postpones() returns trigger language plpgsql as $$
	begin
		if new.x > 0 then
			insert into app values (new.x - 1);
		else
			perform pg_advisory_xact_lock(1);
		end if;
		return null;
	end $$;
	create constraint trigger postpones after insert on app
		deferrable initially deferred
		for each row execute function app_postpones();`

// Another trigger may hold the turn for as long as it likes if flush numbers before it.
func TestFlush_NeverNumbersBeforeATriggerThatPostponesItself(t *testing.T) {
	t.Parallel()

	db := share(t, 2)
	for name, set := range map[string]string{"Deferred": ``, "AfterSet": `set constraints all immediate; set constraints all deferred;`} {
		t.Run("WithoutEnd"+name, func(t *testing.T) {
			conn, holder := db.again(t), db[1]
			exec(t, conn, postpones)
			exec(t, holder, `select pg_advisory_lock(1)`)
			exec(t, conn, `begin; `+comment+`;`+set+` insert into app values (5000)`)
			if err := refused(t, conn, "0A000", `commit`); err.Hint == "" {
				t.Error("no hint")
			}
			if got := since(t, conn, 0); len(got) != 0 {
				t.Errorf("got %q", got)
			}
			leavesNothing(t, conn)
		})
	}
	t.Run("AFewHundredTimes", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, postpones)
		exec(t, conn, `begin; `+comment+`; insert into app values (500)`)
		exec(t, conn, `commit`)
		if got := len(since(t, conn, 0)); got != 2 {
			t.Errorf("%d events, want 2", got)
		}
		leavesNothing(t, conn)
	})
	t.Run("NorCountsWhatSetConstraintsFires", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, postpones)
		exec(t, conn, `begin; `+comment+`; do $$ begin
			for i in 1..1500 loop set constraints all immediate; set constraints all deferred; end loop; end $$;
			insert into app values (3)`)
		exec(t, conn, `commit`)
		if got := len(since(t, conn, 0)); got != 2 {
			t.Errorf("%d events, want 2", got)
		}
		leavesNothing(t, conn)
	})
}

// publishHere publishes an event in a block of PL/pgSQL.
const publishHere = `perform tidings.publish('post:p', 'x', '{}');`

// Postgres runs the query of a cursor WITH HOLD at COMMIT, after all triggers.
func TestFlush_RefusesACursorWithHold(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	declare := func(t *testing.T, conn *pgx.Conn) {
		exec(t, conn, `declare c cursor with hold for select pg_advisory_xact_lock(1)`)
	}
	t.Run("OpenAtCommit", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `begin; `+comment)
		declare(t, conn)
		if err := refused(t, conn, "0A000", `commit`); err.Hint == "" {
			t.Error("no hint")
		}
	})
	// The cursor is as old as the DO block, which is older than the second transaction.
	t.Run("OfADoBlockThatCommitsBefore", func(t *testing.T) {
		conn := db.again(t)
		for name, block := range map[string]string{
			"committed":   `do $$ begin commit; execute 'declare c cursor with hold for select pg_advisory_xact_lock(1)'; ` + publishHere + ` commit; end $$`,
			"rolled back": `do $$ begin rollback; execute 'declare c cursor with hold for select pg_advisory_xact_lock(1)'; ` + publishHere + ` end $$`,
			"a chain":     `do $$ begin commit and chain; execute 'declare c cursor with hold for select pg_advisory_xact_lock(1)'; ` + publishHere + ` end $$`,
		} {
			if err := refused(t, conn, "0A000", block); err.Hint == "" {
				t.Errorf("%s: no hint", name)
			}
		}
		if got := since(t, conn, 0); len(got) != 0 {
			t.Errorf("got %q", got)
		}
		leavesNothing(t, conn)
	})
	t.Run("OfAProcedureThatCommitsBefore", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `create procedure app() language plpgsql as $$ begin
			commit;
			execute 'declare c cursor with hold for select pg_advisory_xact_lock(1)';
			`+publishHere+`
		end $$`)
		refused(t, conn, "0A000", `call app()`)
	})
	t.Run("ButNotAClosedOne", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `begin; `+comment)
		declare(t, conn)
		exec(t, conn, `close c`)
		exec(t, conn, `commit`)
	})
	t.Run("NorOneOfAnEarlierTransaction", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `begin`)
		declare(t, conn)
		exec(t, conn, `commit`)
		exec(t, conn, comment)
	})
	t.Run("NorWithoutEvents", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `begin; insert into tidings.users (id, name) values ('zoe', 'Zoe')`)
		declare(t, conn)
		exec(t, conn, `commit`)
	})
}

func TestFlush_WorksInAProcedureThatCommits(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `
		do $$ begin
			for i in 1..3 loop
				perform tidings.publish('post:p', 'n' || i, '{}');
				set constraints all immediate;
				commit;
				perform tidings.publish('post:p', 'never', '{}');
				rollback;
			end loop;
		end $$`)
	if got, want := since(t, conn, 0), []string{"post:p n1", "post:p n2", "post:p n3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	leavesNothing(t, conn)
}
