package store_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// cookbookFile is written for people, and run here as it stands.
const cookbookFile = "../docs/postgres.md"

// TestCookbook runs each block of the document, in order, and wants what it promises:
// what the block answers, and which events it causes, no more and no less.
func TestCookbook(t *testing.T) {
	t.Parallel()
	recipes := readCookbook(t)
	if len(recipes) < 30 {
		t.Fatalf("%s has %d blocks to run: are they marked otherwise now?", cookbookFile, len(recipes))
	}
	book := newCookbook(t)
	for _, r := range recipes {
		if r.language == "sh" {
			book.runScript(t, r)
		} else if got := book.runSQL(t, r); r.answer != "" {
			wantText(t, r, "answers", got, r.answer)
		}
		wantText(t, r, "causes", book.news(t), r.events)
	}
	book.wantRestored(t)
}

// A recipe is one fenced block that does something, and what the blocks behind it
// promise of it. In those, … stands for anything.
//
//	```sql session=NAME error=SQLSTATE    run as psql does, statement by statement
//	```sh                                 a script that knows DATABASE_URL and RESTORED_URL
//	```text                               the rows of the last statement, or its error
//	```events                             topic, name and data, an event a line; no block: none
type recipe struct {
	line            int // of the document
	language, text  string
	session, failed string
	answer, events  string
}

var fence = regexp.MustCompile("(?m)^```(\\w+)(.*)\n((?s:.*?))^```$")

func readCookbook(t *testing.T) (recipes []recipe) {
	t.Helper()
	document, err := os.ReadFile(cookbookFile)
	streamtest.Must(t, err)
	for _, at := range fence.FindAllSubmatchIndex(document, -1) {
		part := func(n int) string { return string(document[at[2*n]:at[2*n+1]]) }
		language, text := part(1), strings.TrimSpace(part(3))
		switch language {
		case "sql", "sh":
			r := recipe{line: 1 + strings.Count(string(document[:at[0]]), "\n"), language: language, text: text}
			for _, mark := range strings.Fields(part(2)) {
				switch name, value, _ := strings.Cut(mark, "="); name {
				case "session":
					r.session = value
				case "error":
					r.failed = value
				default:
					t.Fatalf("%s:%d: unknown mark %q", cookbookFile, r.line, mark)
				}
			}
			recipes = append(recipes, r)
		case "text":
			recipes[len(recipes)-1].answer = text
		case "events":
			recipes[len(recipes)-1].events = text
		case "ini": // to be read
		default:
			t.Fatalf("%s: what is a block of %q?", cookbookFile, language)
		}
	}
	return recipes
}

// A cookbook is where recipes run: on a server of their own, because roles are
// everybody's, and one recipe is about prepared transactions.
type cookbook struct {
	server   *localpg.Server
	sessions map[string]*pgx.Conn
	position int64 // of the last event that was looked at
}

func newCookbook(t *testing.T) *cookbook {
	t.Helper()
	server, err := localpg.Start(t.Context(), localpg.Config{
		Dir: storetest.Cluster(t), Settings: map[string]string{"max_prepared_transactions": "2", "fsync": "off"},
	})
	streamtest.Must(t, err)
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	streamtest.Must(t, migrations.Up(t.Context(), server.DSN("tidings"), slog.New(slog.DiscardHandler)))
	return &cookbook{server: server, sessions: make(map[string]*pgx.Conn)}
}

// session returns a connection that keeps its transaction from block to block.
func (b *cookbook) session(t *testing.T, name string) *pgx.Conn {
	t.Helper()
	if b.sessions[name] == nil {
		conn, err := pgx.Connect(t.Context(), b.server.DSN("tidings"))
		streamtest.Must(t, err)
		t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
		b.sessions[name] = conn
	}
	return b.sessions[name]
}

// runSQL returns the last statement's rows or, if that is to fail, its complaint.
func (b *cookbook) runSQL(t *testing.T, r recipe) (answer string) {
	t.Helper()
	statements := split(r.text)
	for n, sql := range statements {
		results, err := b.session(t, r.session).PgConn().Exec(t.Context(), sql).ReadAll()
		var refused *pgconn.PgError
		switch {
		case n == len(statements)-1 && r.failed != "":
			if !errors.As(err, &refused) || refused.Code != r.failed {
				t.Fatalf("%s:%d: got %v, the document says it fails with %s", cookbookFile, r.line, err, r.failed)
			}
			return complaint(refused)
		case err != nil:
			t.Fatalf("%s:%d: %v in\n%s", cookbookFile, r.line, err, sql)
		}
		answer = rows(results)
	}
	return answer
}

// split finds statements as they are written in the document: each ends with a line,
// and only a function's body has semicolons within.
func split(text string) (statements []string) {
	var sql string
	for line := range strings.Lines(text + "\n") {
		sql += line
		if strings.HasSuffix(line, ";\n") && strings.Count(sql, "$$")%2 == 0 {
			statements, sql = append(statements, sql), ""
		}
	}
	if strings.TrimSpace(sql) != "" {
		statements = append(statements, sql)
	}
	return statements
}

func rows(results []*pgconn.Result) string {
	var lines []string
	for _, row := range results[len(results)-1].Rows {
		var values []string
		for _, value := range row {
			values = append(values, string(value))
		}
		lines = append(lines, strings.Join(values, " | "))
	}
	return strings.Join(lines, "\n")
}

// complaint is an error as psql shows it.
func complaint(err *pgconn.PgError) string {
	text := "ERROR:  " + err.Message
	if err.Detail != "" {
		text += "\nDETAIL:  " + err.Detail
	}
	if err.Hint != "" {
		text += "\nHINT:  " + err.Hint
	}
	return text
}

func (b *cookbook) runScript(t *testing.T, r recipe) {
	t.Helper()
	bin, _, err := localpg.Find()
	streamtest.Must(t, err)
	script := exec.CommandContext(t.Context(), "/bin/sh", "-eu", "-c", r.text)
	script.Dir = t.TempDir()
	script.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"),
		"DATABASE_URL="+b.server.DSN("tidings"), "RESTORED_URL="+b.server.DSN("restored"))
	if out, err := script.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%s:%d: %v\n%s", cookbookFile, r.line, err, out)
	}
}

// news are the events since it was asked last.
func (b *cookbook) news(t *testing.T) string {
	t.Helper()
	found, err := b.session(t, "reader").Query(t.Context(), `
		select position, topic || '  ' || name || '  ' || data
		from tidings.log
		where position > $1
		order by position`, b.position)
	streamtest.Must(t, err)
	var line string
	var lines []string
	_, err = pgx.ForEachRow(found, []any{&b.position, &line}, func() error {
		lines = append(lines, line)
		return nil
	})
	streamtest.Must(t, err)
	return strings.Join(lines, "\n")
}

// wantText wants what the document says.
func wantText(t *testing.T, r recipe, verb, got, says string) {
	t.Helper()
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(says), "…", ".*") + "$"
	if !regexp.MustCompile(pattern).MatchString(got) {
		t.Fatalf("%s:%d %s\n%s\n\nthe document says\n%s", cookbookFile, r.line, verb, got, says)
	}
}

// wantRestored looks at what the document restored: the log is whole, another history
// has begun, and it goes on.
func (b *cookbook) wantRestored(t *testing.T) {
	t.Helper()
	const look = `select count(*), max(position), (select count(*) from tidings.comments) from tidings.events`
	var was, is [3]int64
	streamtest.Must(t, b.session(t, "").QueryRow(t.Context(), look).Scan(&was[0], &was[1], &was[2]))
	restored, err := pgx.Connect(t.Context(), b.server.DSN("restored"))
	streamtest.Must(t, err)
	defer restored.Close(context.WithoutCancel(t.Context()))
	streamtest.Must(t, restored.QueryRow(t.Context(), look).Scan(&is[0], &is[1], &is[2]))
	streamtest.Want(t, "what was restored", is, was)

	_, err = restored.Exec(t.Context(), `insert into orders (customer) values ('ann')`)
	streamtest.Must(t, err)
	var epochs, next int64
	streamtest.Must(t, restored.QueryRow(t.Context(), `
		select (select count(*) from tidings.epochs), min(position)
		from tidings.events
		where position > $1`, is[1]).Scan(&epochs, &next))
	streamtest.Want(t, "epochs", epochs, 2)
	if next <= is[1] {
		t.Errorf("the log goes on at %d after %d", next, is[1])
	}
}
