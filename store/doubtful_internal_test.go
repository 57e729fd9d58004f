package store

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/storetest"
)

var doubtfulValues = []string{
	``, `{`, `{"a":NaN}`, "\"\x00\"", "\"\xff\"", `"\u0000"`, `{"\u0000":1}`, `["a","\\\u0000"]`,
	`"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\ud83dx"`, `"\ud83d\n"`, `"\uD83D\uDe00\uDBFF"`,
	`1e9999`, `[1E+999999]`, `{"a":-1.5e-99999}`, strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	`"` + strings.Repeat("x", plainBytes) + `"`,
}

var plainValues = []string{
	`{}`, `null`, `[true,false]`, `1e999`, `-0.5E-12`, `"1e99999"`, `"\\u0000"`, `"\\\\u0000"`, `"\u0001\u00e4\ufffd"`,
	`"\ud83d\ude00"`, `{"\uD83D\uDE00":"\uDBFF\udfff"}`, `{"hash":"5e12345","e":[1,2e3]}`, `"é` + strings.Repeat("x", 1000) + `"`,
	strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "1" + strings.Repeat("0", 10_000), "0." + strings.Repeat("0", 10_000) + "1",
	"0." + strings.Repeat("3", plainBytes-7) + "e-999",
}

func TestDoubtfulJSON(t *testing.T) {
	t.Parallel()
	for _, text := range doubtfulValues {
		if !doubtfulJSON(text) {
			t.Errorf("%.40q is not in doubt", text)
		}
	}
	for _, text := range plainValues {
		if doubtfulJSON(text) {
			t.Errorf("%.40q is in doubt", text)
		}
	}
}

func TestDoubtfulWrites(t *testing.T) {
	t.Parallel()
	by := User{ID: "ann", Name: "Ann"}
	for name, c := range map[string]struct {
		of   func(w *write)
		want bool
	}{
		"Comment":             {func(w *write) { w.comment = &NewComment{Body: strings.Repeat("é", MaxBodyRunes)} }, false},
		"NulInBody":           {func(w *write) { w.comment = &NewComment{Body: "a\x00"} }, true},
		"BodyThatIsNotUTF8":   {func(w *write) { w.comment = &NewComment{Body: "a\xff"} }, true},
		"BodyThatIsTooLong":   {func(w *write) { w.comment = &NewComment{Body: strings.Repeat("é", MaxBodyRunes+1)} }, true},
		"NulInName":           {func(w *write) { w.comment, w.user.Name = &NewComment{Body: "a"}, "\x00" }, true},
		"Like":                {func(w *write) {}, false},
		"NulInNameOfLike":     {func(w *write) { w.user.Name = "\x00" }, true},
		"Event":               {func(w *write) { w.event = &newEvent{"room:1", "tick", `{}`} }, false},
		"TopicWithoutKind":    {func(w *write) { w.event = &newEvent{"room", "tick", `{}`} }, true},
		"NameInUpperCase":     {func(w *write) { w.event = &newEvent{"room:1", "Tick", `{}`} }, true},
		"DataThatIsNotStored": {func(w *write) { w.event = &newEvent{"room:1", "tick", `"\u0000"`} }, true},
	} {
		w := newWrite(context.Background(), "42", by)
		c.of(w)
		if got := w.doubtful(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// FuzzDoubtfulJSON holds it against Postgres: what is not in doubt is taken.
func FuzzDoubtfulJSON(f *testing.F) {
	for _, text := range append(doubtfulValues, plainValues...) {
		f.Add(text)
	}
	conn, err := pgx.Connect(context.Background(), storetest.Database(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, text string) {
		if doubtfulJSON(text) {
			return
		}
		var taken bool
		if err := conn.QueryRow(context.Background(), `select $1::text::jsonb is not null`, text).Scan(&taken); err != nil {
			t.Errorf("%.80q: %v", text, err)
		}
	})
}
