package migrations_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

const publish = `select tidings.publish($1, $2, $3)`

func TestPublish_TakesWhatTheWireCanCarry(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	for name, c := range map[string]struct{ topic, name, data string }{
		"TheShortest":          {"a:b", "x", `0`},
		"TheLongest":           {"a" + strings.Repeat("-", 31) + ":" + strings.Repeat("x", 255), strings.Repeat("a", 64), `{}`},
		"AnyKind":              {"site:moderation", "x", `null`},
		"AnIdWithColons":       {"post::a:b:", "x", `[]`},
		"AnIdOfSigns":          {"user:._~:/|@+=,-", "x", `""`},
		"AnIdOfThreeDots":      {"post:...", "x", `true`},
		"ANameOfSigns":         {"post:p", "a.b-9", `{"a": [1, 2.50, "x"]}`},
		"ANameThatOnlyBegins":  {"post:p", "streamed", `1`},
		"ANameThatOnlyResults": {"post:p", "notification.read", `1`},
	} {
		t.Run(name, func(t *testing.T) {
			before := head(t, conn)
			exec(t, conn, publish, c.topic, c.name, c.data)
			want := []string{c.topic + " " + c.name + " " + c.data}
			if got := full(t, conn, before); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestPublish_RefusesTheRest(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	type call struct{ topic, name, data any }
	calls := map[string]call{
		"NoTopic": {nil, "x", `{}`},
		"NoName":  {"post:p", nil, `{}`},
		"NoData":  {"post:p", "x", nil},
	}
	for _, topic := range []string{
		"", "post", "post:", ":p", "Post:p", "1post:p", "-post:p", "pöst:p", "post:p ", " post:p", "post:p\n", "post:p\r", "post:a\nb",
		"post:.", "post:..", "post:é", "post:-", "post:a<b", "post:a`b", "post:a b", "post:\u2028", "post:*",
		"a" + strings.Repeat("b", 32) + ":x", "post:" + strings.Repeat("x", 513), "room:" + strings.Repeat("x", 256),
	} {
		calls["Topic "+topic] = call{topic, "x", `{}`}
	}
	for _, name := range append(reserved(),
		"", "X", "a b", "a_b", "a\n", "\na", "a:b", "é", strings.Repeat("a", 65), "stream.ready", "stream.", "stream.x",
	) {
		calls["Name "+name] = call{"post:p", name, `{}`}
	}
	for name, c := range calls {
		t.Run(name, func(t *testing.T) {
			if err := refused(t, conn, "22023", publish, c.topic, c.name, c.data); err.Hint == "" {
				t.Errorf("%s: no hint", err.Message)
			}
		})
	}
	if got := since(t, conn, 0); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// reserved lists the event names that tidings.publish refuses, besides stream.*: those
// that Tidings gives, and two that EventSource itself uses.
func reserved() []string {
	names := []string{"open", "error"}
	for _, kind := range stream.EventKinds {
		if !kind.Control {
			names = append(names, kind.Name.String())
		}
	}
	return names
}

func TestPublish_ReservesTheNamesOfEventKinds(t *testing.T) {
	t.Parallel()

	list := regexp.MustCompile(`(?s)check_event\.name in \((.*?)\)`).FindStringSubmatch(text(t, "functions/check_event.sql"))
	if list == nil {
		t.Fatal("functions/check_event.sql has no list of names")
	}
	var got []string
	for _, match := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(list[1], -1) {
		got = append(got, match[1])
	}
	want := reserved()
	slices.Sort(got)
	slices.Sort(want)
	Want(t, "list of reserved names in functions/check_event.sql, compared with stream.EventKinds", got, want)
	for _, kind := range stream.EventKinds {
		if kind.Control && !strings.HasPrefix(kind.Name.String(), "stream.") {
			t.Errorf("%s is not reserved: it does not begin with stream.", kind.Name)
		}
	}
}

// The limit is what the data weighs on the wire, where a few characters are escaped.
func TestPublish_LimitsTheSize(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	for name, character := range map[string]struct {
		is    string
		bytes int
	}{
		"Plain": {"x", 1}, "OfTwoBytes": {"é", 2}, "OfFour": {"😀", 4}, "Quote": {`"`, 2}, "Newline": {"\n", 2}, "Control": {"\x01", 6},
		"LineSeparator": {"\u2028", 6}, "ParagraphSeparator": {"\u2029", 6}, "NextLine": {"\u0085", 6},
	} {
		t.Run(name, func(t *testing.T) {
			const publish = `select tidings.publish('post:p', 'x', to_jsonb(repeat($1, $2) || repeat('.', $3)))`
			room := 59_000 - len(`""`)
			most, rest := room/character.bytes, room%character.bytes
			exec(t, conn, publish, character.is, most, rest)
			if err := refused(t, conn, "22023", publish, character.is, most, rest+1); err.Hint == "" {
				t.Error("no hint")
			}
			refused(t, conn, "22023", publish, character.is, most+1, 0)
		})
	}
	t.Run("ANumberWrittenOut", func(t *testing.T) {
		refused(t, conn, "22023", `select tidings.publish('post:p', 'x', '1e60000')`)
	})
}

func TestPublish_IsPartOfTheCallersTransaction(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	other := connect(t, dsn)
	exec(t, conn, `create table app (x integer);
		create function app_publishes() returns trigger language plpgsql as $$ begin
			perform tidings.publish('app:' || new.x, 'changed', to_jsonb(new));
			return null;
		end $$;
		create trigger publishes after insert on app for each row execute function app_publishes()`)
	exec(t, conn, `begin; insert into app values (1); savepoint s; insert into app values (2); rollback to s; insert into app values (3)`)
	if got := since(t, other, 0); len(got) != 0 {
		t.Errorf("before COMMIT there is %q", got)
	}
	exec(t, conn, `commit`)
	exec(t, conn, `begin; insert into app values (4); rollback`)
	exec(t, conn, `do $$ begin
		begin
			insert into app values (5);
			perform tidings.publish('not a topic', 'x', '{}');
		exception when invalid_parameter_value then
			insert into app values (6);
		end;
	end $$`)
	want := []string{`app:1 changed {"x": 1}`, `app:3 changed {"x": 3}`, `app:6 changed {"x": 6}`}
	if got := full(t, other, 0); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
