package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The examples of docs/embed.md, "Your own interface", show comments, their changes and likes.
func TestBrowser_DocumentedInterfacesAreLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := newFront(t, s.start(t))
	ben := token(t, auth.Identity{Subject: "ben", Name: "Ben", Expires: time.Now().Add(time.Hour)})
	npm := example(t, f, "Your own interface", "import { Tidings } from '@tidings-live/client'")
	for name, html := range map[string]string{
		"plain": example(t, f, "Plain JavaScript", ""),
		"React": inPage(t, npm+example(t, f, "React", "")+`
			import { createRoot } from 'react-dom/client'
			createRoot(document.getElementById('app')).render(<Comments post="kettle" />)`),
		"Vue": inPage(t, npm+example(t, f, "Vue", "")+`
			import { createApp } from 'vue'
			createApp(Comments, { post: 'kettle' }).mount('#app')`),
	} {
		p := newProfile(t).open(f.page(`<script>getToken = async () => '` + ben + `'</script>` + html))
		shows := func(text string) {
			t.Helper()
			p.await(name+": "+text, fmt.Sprintf(`[...document.querySelectorAll('li')].some((row) => row.textContent.trim() === %q)`, text))
		}
		s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('kettle', 'dan', $1)`, name)
		shows("dan: " + name + " 0")
		p.run(fmt.Sprintf(`[...document.querySelectorAll('li')].find((row) => row.textContent.includes(%q)).querySelector('button').click()`, name))
		shows("dan: " + name + " 1")
		streamtest.Eventually(t, "the like in the database", func() bool {
			return value[bool](t, s, `select exists (select from tidings.likes as l join tidings.comments as c on c.id = l.comment_id where body = $1 and l.user_id = 'ben')`, name)
		})
		s.exec(t, `update tidings.comments set body = 'New ' || body where body = $1`, name)
		shows("dan: New " + name + " 1")
		s.exec(t, `delete from tidings.comments where post_id = 'kettle'`)
		p.await(name+": no comment", `document.querySelectorAll('li').length === 0`)
	}
}

// example returns the first code below a heading of docs/embed.md that begins with a text, for the
// server behind a front.
func example(t *testing.T, f *front, heading, begin string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/embed.md")
	streamtest.Must(t, err)
	_, section, found := strings.Cut(string(doc), "# "+heading+"\n")
	for found {
		var block string
		if _, block, found = strings.Cut(section, "\n```"); !found {
			break
		}
		_, block, _ = strings.Cut(block, "\n")
		block, section, _ = strings.Cut(block, "\n```")
		if strings.HasPrefix(block, begin) {
			return strings.ReplaceAll(block, "https://c.example", f.url) + "\n"
		}
	}
	t.Fatalf("docs/embed.md has no code %q below %q", begin, heading)
	return ""
}

// inPage returns a page with a script that may import npm packages and the client.
func inPage(t *testing.T, script string) string {
	t.Helper()
	modules, err := nodeModules()
	streamtest.Must(t, err)
	client, err := filepath.Abs("../../api/web/package/tidings.js")
	streamtest.Must(t, err)
	result := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: script, Loader: api.LoaderJSX, ResolveDir: modules},
		Bundle: true, Format: api.FormatESModule, JSX: api.JSXAutomatic,
		Alias:  map[string]string{"@tidings-live/client": client, "vue": filepath.Join(modules, "vue/dist/vue.esm-browser.prod.js")},
		Define: map[string]string{"process.env.NODE_ENV": `"production"`},
	})
	for _, message := range result.Errors {
		t.Fatal(message.Text)
	}
	return `<div id="app"></div><script type="module">` + string(result.OutputFiles[0].Contents) + `</script>`
}
