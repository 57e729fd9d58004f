package store

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/store/storetest"
)

var riskyValues = []string{
	``, `{`, `{"a":NaN}`, "\"\x00\"", "\"\xff\"", `"\u0000"`, `{"\u0000":1}`, `["a","\\\u0000"]`,
	`"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\ud83dx"`, `"\ud83d\n"`, `"\uD83D\uDe00\uDBFF"`,
	`1e9999`, `[1E+999999]`, `{"a":-1.5e-99999}`, strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	`"` + strings.Repeat("x", riskyBytes) + `"`,
}

var safeValues = []string{
	`{}`, `null`, `[true,false]`, `1e999`, `-0.5E-12`, `"1e99999"`, `"\\u0000"`, `"\\\\u0000"`, `"\u0001\u00e4\ufffd"`,
	`"\ud83d\ude00"`, `{"\uD83D\uDE00":"\uDBFF\udfff"}`, `{"hash":"5e12345","e":[1,2e3]}`, `"é` + strings.Repeat("x", 1000) + `"`,
	strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "1" + strings.Repeat("0", 10_000), "0." + strings.Repeat("0", 10_000) + "1",
	"0." + strings.Repeat("3", riskyBytes-7) + "e-999",
}

func TestRiskyJSON(t *testing.T) {
	t.Parallel()
	for _, text := range riskyValues {
		if !riskyJSON(text) {
			t.Errorf("%.40q is not risky", text)
		}
	}
	for _, text := range safeValues {
		if riskyJSON(text) {
			t.Errorf("%.40q is risky", text)
		}
	}
}

func TestRisky(t *testing.T) {
	t.Parallel()
	comment := func(name, body string) group.Write {
		return &commentWrite{NewComment: NewComment{Author: User{ID: "ann", Name: name}, Body: body}}
	}
	like := func(name string) group.Write { return &likeWrite{post: "42", user: User{ID: "ann", Name: name}} }
	for name, c := range map[string]struct {
		write group.Write
		want  bool
	}{
		"LongestComment":      {comment("Ann", strings.Repeat("é", MaxBodyRunes)), false},
		"NULInBody":           {comment("Ann", "a\x00"), true},
		"BodyThatIsNotUTF8":   {comment("Ann", "a\xff"), true},
		"BodyThatIsTooLong":   {comment("Ann", strings.Repeat("é", MaxBodyRunes+1)), true},
		"NULInName":           {comment("\x00", "a"), true},
		"Like":                {like("Ann"), false},
		"NULInNameOfLike":     {like("\x00"), true},
		"Event":               {&publishWrite{"room:1", "tick", `{}`}, false},
		"TopicWithoutKind":    {&publishWrite{"room", "tick", `{}`}, true},
		"NameInUpperCase":     {&publishWrite{"room:1", "Tick", `{}`}, true},
		"DataThatIsNotStored": {&publishWrite{"room:1", "tick", `"\u0000"`}, true},
	} {
		if got := c.write.Risky(); got != c.want {
			t.Errorf("%s: Risky() is %v, want %v", name, got, c.want)
		}
	}
}

// FuzzRiskyJSON checks with Postgres that it takes every value that is not risky.
func FuzzRiskyJSON(f *testing.F) {
	for _, text := range append(riskyValues, safeValues...) {
		f.Add(text)
	}
	conn, err := pgx.Connect(context.Background(), storetest.Database(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, text string) {
		if riskyJSON(text) {
			return
		}
		var taken bool
		if err := conn.QueryRow(context.Background(), `select $1::text::jsonb is not null`, text).Scan(&taken); err != nil {
			t.Errorf("%.80q: %v", text, err)
		}
	})
}
