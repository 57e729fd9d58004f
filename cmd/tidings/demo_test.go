package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// screenshot writes a picture of the demo page, for the README:
//
//	go test ./cmd/tidings -run DemoPage -args -screenshot "$PWD/docs/demo.png"
var screenshot = flag.String("screenshot", "", "write a picture of the demo page to this file")

// pane selects the element with the role in the pane of a user.
func pane(user, role string) chromedp.CSS {
	return chromedp.CSS(fmt.Sprintf("[data-user=%s] [data-role=%s]", user, role))
}

// A browser shows the panes of Ann and Ben. What one does appears in the pane of the
// other without a reload.
func TestDemoPage_IsLive(t *testing.T) {
	t.Parallel()

	s := newSite(t)
	streamtest.Must(t, seed(t.Context(), s.dsn))
	srv := s.start(t, func(i *instance) { i.demo = newDemo(testSecret, "psql", "$TOKEN") })
	tab := openTab(t)
	page := tab.ctx
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		ctx, cancel := context.WithTimeout(page, streamtest.Patience)
		defer cancel()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v\nconsole: %s", what, err, strings.Join(tab.said(), "\n"))
		}
	}
	do("both panes go live", chromedp.EmulateViewport(1280, 960), chromedp.Navigate(srv.url+"/"),
		chromedp.WaitVisible(pane("ann", "state")+"[data-state=live]"),
		chromedp.WaitVisible(pane("ben", "state")+"[data-state=live]"))
	do("Ann sees Ben type", chromedp.SendKeys(pane("ben", "body"), "Good morning, Ann!"),
		awaitText(pane("ann", "typing"), "Ben"))
	do("Ann sees Ben's comment, the count and the badge", chromedp.Click(pane("ben", "post")),
		awaitText(pane("ann", "comments"), "Good morning, Ann!"),
		awaitText(pane("ann", "comment-count"), "2"), awaitText(pane("ben", "comment-count"), "2"),
		awaitText(pane("ann", "badge"), "1"))
	do("Ann sees Ben's like", chromedp.Click(pane("ben", "like")),
		awaitText(pane("ann", "like-count"), "1"), awaitText(pane("ann", "badge"), "2"),
		chromedp.WaitVisible(pane("ben", "like")+"[aria-pressed=true]"))
	do("Ben sees Ann's answer", chromedp.SendKeys(pane("ann", "body"), "Morning, Ben. Seen the new log?"),
		chromedp.Click(pane("ann", "post")), awaitText(pane("ben", "comments"), "Morning, Ben."))

	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('demo', 'dan', 'Hello from psql')`)
	do("both see what SQL inserted", awaitText(pane("ann", "comments"), "Hello from psql"),
		awaitText(pane("ben", "comments"), "Hello from psql"))
	if *screenshot != "" {
		do("Ben types again", chromedp.SendKeys(pane("ben", "body"), "On it"), awaitText(pane("ann", "typing"), "Ben"))
		picture, err := chromedp.Run(page, chromedp.CaptureScreenshot())
		streamtest.Must(t, err)
		streamtest.Must(t, os.WriteFile(*screenshot, picture, 0o644))
	}
	if said := tab.said(); len(said) > 0 {
		t.Errorf("the console has messages:\n%s", strings.Join(said, "\n"))
	}
}

// awaitText waits until an element contains the text.
func awaitText(selector chromedp.CSS, text string) chromedp.Action[chromedp.Void] {
	script := fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%q)`, selector, text)
	return chromedp.Poll[chromedp.Void](script, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(streamtest.Patience))
}
