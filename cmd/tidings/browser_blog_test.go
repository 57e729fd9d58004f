package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidings-live/tidings/store/localpg/child"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The blog of docs/examples/mern-blog starts with one command. Two readers see new comments, the
// number of comments, each other's typing, likes and notifications, without a reload.
func TestBrowser_ExampleBlogIsLive(t *testing.T) {
	t.Parallel()
	url, dsn := startBlog(t)
	s := siteAt(t, dsn)
	reader := func(user string) *tab {
		p := newProfile(t).open(url)
		p.await("the posts", `document.querySelectorAll('nav button').length === 2`)
		p.run(fmt.Sprintf(`
			const select = document.querySelector('select');
			select.value = %q;
			select.dispatchEvent(new Event('change', { bubbles: true }));`, user))
		p.await("the bell of "+user, `document.querySelector(".bell") !== null`)
		p.run(`document.getElementById('kettle').click()`)
		p.await("the post", `document.querySelector("article input") !== null`)
		return p
	}
	ann, ben := reader("ann"), reader("ben")
	shows := func(p *tab, selector, text string) {
		t.Helper()
		p.await(selector+" with "+text, fmt.Sprintf(`[...document.querySelectorAll(%q)].some((one) => one.textContent.includes(%q))`, selector, text))
	}

	ben.run(`
		window.enter = (text) => {
			const input = document.querySelector('article input');
			Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, text);
			input.dispatchEvent(new Event('input', { bubbles: true }));
		};
		window.keys = setInterval(() => enter(String(performance.now())), 100); // a signal reaches only readers that are connected`)
	shows(ann, ".typing", "Ben")
	ben.run(`clearInterval(keys); enter('Does it whistle?')`)
	ben.run(`document.querySelector('form button').click()`)
	for _, p := range []*tab{ann, ben} {
		shows(p, ".comments > li", "Does it whistle?")
		shows(p, "#kettle", "(1)")
	}
	shows(ann, ".badge", "1")
	ann.run(`document.querySelector('.comments .like').click()`)
	shows(ben, ".comments .like", "1")
	shows(ben, ".badge", "1")
	ben.run(`document.querySelector('.bell').click()`)
	ben.await("that all are read", `!document.querySelector('.badge')`)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body, parent_id) select 'kettle', 'dan', 'From SQL', id from tidings.comments where post_id = 'kettle'`)
	for _, p := range []*tab{ann, ben} {
		shows(p, ".comments li li", "From SQL")
		shows(p, "#kettle", "(2)")
	}
}

// startBlog starts the blog as its README says. It returns its address and that of its database.
func startBlog(t *testing.T) (url, dsn string) {
	t.Helper()
	modules, err := installed("../../docs/examples/mern-blog")
	streamtest.Must(t, err)
	dir := storetest.Dir(t)
	streamtest.Must(t, os.Chmod(dir, 0o755)) // if we are root, Postgres runs as another user
	streamtest.Must(t, os.CopyFS(filepath.Join(dir, "blog"), os.DirFS("../../docs/examples/mern-blog")))
	streamtest.Must(t, os.Symlink(modules, filepath.Join(dir, "blog", "node_modules")))
	address, err := child.FreeAddress()
	streamtest.Must(t, err)
	_, port, _ := strings.Cut(address, ":")
	node := exec.Command("node", "start.js") // as npm start, which passes no signals on
	node.Dir, node.Stdout, node.Stderr = filepath.Join(dir, "blog"), t.Output(), t.Output()
	node.Env = append(os.Environ(), asProgram+"=1", "PORT="+port, "TIDINGS="+os.Args[0], "TIDINGS_ADDR=127.0.0.1:0",
		"DATA="+filepath.Join(dir, "tidings"))
	running, err := child.Start(node, syscall.SIGTERM)
	streamtest.Must(t, err)
	t.Cleanup(func() { streamtest.Must(t, running.Stop(syscall.SIGTERM, stopLimit)) })
	url = "http://" + address
	streamtest.Eventually(t, "the blog", func() bool {
		answer, err := http.Get(url)
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
	read, err := os.ReadFile(filepath.Join(dir, "tidings", databaseURLName))
	streamtest.Must(t, err)
	return url, string(read)
}
