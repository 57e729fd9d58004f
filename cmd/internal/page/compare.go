package page

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidings-live/tidings/api/client"
)

// Differences compares the page with the same list as [LoadWhole] has loaded it again, and returns
// a line for each difference. What the page has not loaded is not compared, nor are the names and
// avatars of authors, and with the sort top the order.
func (p *Page) Differences(again *Page) (lines []string) {
	if p.Post != again.Post {
		lines = append(lines, fmt.Sprintf("post: the page has %s, loaded again %s", text(p.Post), text(again.Post)))
	}
	lines = append(lines, p.differencesOf("list", &p.shown, &again.shown)...)
	for _, root := range p.shown.comments {
		if other := again.known[root.ID]; other != nil && root.below != nil && other.below != nil {
			lines = append(lines, p.differencesOf("replies of "+root.ID, root.below, other.below)...)
		}
	}
	return lines
}

// differencesOf compares the loaded part of a list.
func (p *Page) differencesOf(name string, s, again *span) (lines []string) {
	var want []*Comment
	for _, c := range again.comments {
		if s.order == asLoaded && p.known[c.ID] != nil || s.covers(s.order.place(c)) {
			want = append(want, c)
		}
	}
	if got, want := idsOf(s, s.comments), idsOf(s, want); !slices.Equal(got, want) {
		lines = append(lines, fmt.Sprintf("%s: the page has %v, loaded again %v", name, got, want))
	}
	for _, c := range want {
		known := p.known[c.ID]
		if known == nil {
			continue
		}
		if got, want := text(compared(known.Comment)), text(compared(c.Comment)); got != want {
			lines = append(lines, fmt.Sprintf("comment: the page has %s, loaded again %s", got, want))
		}
	}
	return lines
}

func idsOf(s *span, comments []*Comment) (ids []string) {
	for _, c := range comments {
		ids = append(ids, c.ID)
	}
	if s.order == asLoaded {
		slices.Sort(ids)
	}
	return ids
}

// compared returns the comment without what is as of the newest event or load.
func compared(c client.Comment) client.Comment {
	if c.Author != nil {
		c.Author = &client.Author{ID: c.Author.ID}
	}
	return c
}

// text shows a value in a line.
func text(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
