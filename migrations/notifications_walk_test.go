package migrations_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	. "github.com/tidings-live/tidings/stream/streamtest"
)

// After each of many random statements, the notifications are those of a model in Go, which knows
// the rules and none of the functions. A notification that comes back has the id that it had.
func TestNotifications_AreThoseOfAModel(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			conn := db.again(t)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			w := noticeWalk{t: t, conn: conn, rand: rand.New(rand.NewPCG(seed, 0)), ids: map[noticeKey]int64{}}
			w.begin()
			for range 120 {
				w.step()
				if w.compare(); t.Failed() {
					t.Fatalf("after %s", strings.Join(w.done[max(0, len(w.done)-12):], ";\n"))
				}
			}
			countsAreRight(t, conn)
			leavesNothing(t, conn)
		})
	}
}

// A noticeKey identifies a notification. Those about comments have no actor and no like.
type noticeKey struct {
	user, post string
	comment    int64 // 0: the post
	like       string
}

// A notice is a notification of the model.
type notice struct {
	kind, actor string
	read        bool
	away        string // withdrawn or dismissed; "" if the user has it
}

// A remark is a comment of the model.
type remark struct {
	id, parent   int64
	post, author string
	shown        bool
	mentions     []string
}

type noticeWalk struct {
	t    *testing.T
	conn *pgx.Conn
	rand *rand.Rand
	done []string

	authors map[string]string // of posts
	remarks map[int64]*remark
	likes   map[noticeKey]bool // user is the one who likes
	notices map[noticeKey]*notice
	ids     map[noticeKey]int64 // of the notifications that were there
	last    int64
}

var (
	walkUsers = []string{"ann", "bob", "cy", "dee", "eve"}
	walkPosts = []string{"p", "q"}
)

func (w *noticeWalk) begin() {
	w.authors, w.remarks = map[string]string{}, map[int64]*remark{}
	w.likes, w.notices = map[noticeKey]bool{}, map[noticeKey]*notice{}
	for _, p := range walkPosts {
		w.post(p)
	}
}

func (w *noticeWalk) run(sql string, args ...any) {
	w.t.Helper()
	text := fmt.Sprintf(sql, args...)
	w.done = append(w.done, text)
	exec(w.t, w.conn, text)
}

func (w *noticeWalk) user() string { return walkUsers[w.rand.IntN(len(walkUsers))] }

// some returns comments that satisfy a condition, in the order of ids, at most three.
func (w *noticeWalk) some(ok func(*remark) bool) []*remark {
	var found []*remark
	for _, id := range slices.Sorted(maps.Keys(w.remarks)) {
		if ok(w.remarks[id]) {
			found = append(found, w.remarks[id])
		}
	}
	w.rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	found = found[:min(len(found), 1+w.rand.IntN(3))]
	slices.SortFunc(found, func(a, b *remark) int { return int(a.id - b.id) })
	return found
}

func (w *noticeWalk) post(id string) {
	w.authors[id] = w.user()
	w.run(`insert into tidings.posts (id, author_id) values ('%s', '%s')`, id, w.authors[id])
}

func (w *noticeWalk) step() {
	switch n := w.rand.IntN(100); {
	case n < 22:
		w.write()
	case n < 38:
		w.hideOrShow()
	case n < 62:
		w.like()
	case n < 72:
		w.mention()
	case n < 79:
		w.reassign()
	case n < 84:
		p := walkPosts[w.rand.IntN(2)]
		w.authors[p] = w.user()
		w.run(`update tidings.posts set author_id = '%s' where id = '%s'`, w.authors[p], p)
		w.reassignLikes(p, 0, w.authors[p])
	case n < 90:
		w.read()
	case n < 95:
		w.dismiss()
	case n < 98:
		w.remove()
	default:
		w.removePost()
	}
	if w.rand.IntN(10) == 0 { // no thread reaches its limit
		w.run(`update tidings.notifications set created_at = created_at - interval '1 hour'`)
	}
}

func array(ids []string) string { return "'{" + strings.Join(ids, ",") + "}'" }

func (w *noticeWalk) names() (names []string) {
	for range w.rand.IntN(3) {
		names = append(names, w.user())
	}
	return names
}

// write inserts one to three comments in one statement.
func (w *noticeWalk) write() {
	var rows []string
	var added []*remark
	for range 1 + w.rand.IntN(3) {
		w.last++
		r := &remark{id: w.last, post: walkPosts[w.rand.IntN(2)], author: w.user(), shown: w.rand.IntN(5) > 0, mentions: w.names()}
		if above := w.some(func(p *remark) bool { return p.post == r.post }); len(above) > 0 && w.rand.IntN(3) > 0 {
			r.parent = above[0].id
		}
		status := "published"
		if !r.shown {
			status = "pending"
		}
		rows = append(rows, fmt.Sprintf(`(%d, '%s', nullif(%d, 0), '%s', 'x', '%s', %s)`, r.id, r.post, r.parent, r.author, status, array(r.mentions)))
		w.remarks[r.id] = r
		added = append(added, r)
	}
	w.run(`insert into tidings.comments (id, post_id, parent_id, author_id, body, status, mentions) values %s`, strings.Join(rows, ", "))
	for _, r := range added {
		if r.shown {
			w.show(r)
		}
	}
}

// show notifies of a comment that became visible, and restores what its likes notified of.
func (w *noticeWalk) show(r *remark) {
	w.notifyMentioned(r)
	if parent := w.remarks[r.parent]; parent != nil {
		w.notify(parent.author, "reply", r)
	}
	w.notify(w.authors[r.post], "comment", r)
	for key, n := range w.notices {
		if key.comment == r.id && key.user == r.author && key.like != "" && n.away == "withdrawn" && w.likes[noticeKey{key.like, r.post, r.id, ""}] {
			n.away = ""
		}
	}
}

// reassignLikes takes what likes of a post or comment notified of from all but its author, and
// gives back to the author what was taken before.
func (w *noticeWalk) reassignLikes(post string, comment int64, author string) {
	for key, n := range w.notices {
		switch {
		case key.post != post || key.comment != comment || key.like == "":
		case key.user != author:
			n.withdraw()
		case n.away == "withdrawn" && w.likes[noticeKey{key.like, post, comment, ""}]:
			n.away = ""
		}
	}
}

func (w *noticeWalk) notifyMentioned(r *remark) {
	for _, m := range r.mentions {
		for _, other := range w.remarks {
			if other.post == r.post && other.author == m && other.shown {
				w.notify(m, "mention", r)
			}
		}
	}
}

func (w *noticeWalk) notify(user, kind string, r *remark) {
	key := noticeKey{user, r.post, r.id, ""}
	switch n := w.notices[key]; {
	case user == r.author:
	case n == nil:
		w.notices[key] = &notice{kind: kind, actor: r.author}
	case n.away == "withdrawn":
		n.kind, n.actor, n.away = kind, r.author, ""
	}
}

// withdraw takes a notification from its user.
func (n *notice) withdraw() {
	if n.away == "" {
		n.away = "withdrawn"
	}
}

func ids(all []*remark) string {
	var texts []string
	for _, r := range all {
		texts = append(texts, fmt.Sprint(r.id))
	}
	return strings.Join(texts, ", ")
}

func (w *noticeWalk) hideOrShow() {
	hide := w.rand.IntN(2) == 0
	all := w.some(func(r *remark) bool { return r.shown == hide })
	if len(all) == 0 {
		return
	}
	status := "published"
	if hide {
		status = []string{"pending", "spam", "rejected"}[w.rand.IntN(3)]
	}
	w.run(`update tidings.comments set status = '%s' where id in (%s)`, status, ids(all))
	for _, r := range all {
		r.shown = !hide
	}
	for _, r := range all {
		if !hide {
			w.show(r)
			continue
		}
		for key, n := range w.notices {
			if key.comment == r.id {
				n.withdraw()
			}
		}
	}
}

// like likes a post or comment, or removes the like.
func (w *noticeWalk) like() {
	by, post, comment := w.user(), walkPosts[w.rand.IntN(2)], int64(0)
	author, shown := w.authors[post], true
	if all := w.some(func(r *remark) bool { return r.post == post }); len(all) > 0 && w.rand.IntN(3) > 0 {
		comment, author, shown = all[0].id, all[0].author, all[0].shown
	}
	like := noticeKey{by, post, comment, ""}
	if w.likes[like] {
		w.run(`delete from tidings.likes where post_id = '%s' and coalesce(comment_id, 0) = %d and user_id = '%s'`, post, comment, by)
		delete(w.likes, like)
		for key, n := range w.notices {
			if key.post == post && key.comment == comment && key.like == by {
				n.withdraw()
			}
		}
		return
	}
	w.run(`insert into tidings.likes (post_id, comment_id, user_id) values ('%s', nullif(%d, 0), '%s')`, post, comment, by)
	w.likes[like] = true
	key := noticeKey{author, post, comment, by}
	switch n := w.notices[key]; {
	case author == by || !shown:
	case n == nil:
		w.notices[key] = &notice{kind: "like", actor: by}
	case n.away == "withdrawn":
		n.away = ""
	}
}

func (w *noticeWalk) mention() {
	for _, r := range w.some(func(*remark) bool { return true })[:min(1, len(w.remarks))] {
		names := w.names()
		w.run(`update tidings.comments set mentions = %s where id = %d`, array(names), r.id)
		same := slices.Equal(names, r.mentions)
		r.mentions = names
		if !r.shown || same {
			return
		}
		for key, n := range w.notices {
			parent := w.remarks[r.parent]
			if key.comment == r.id && n.kind == "mention" && !slices.Contains(names, key.user) &&
				key.user != w.authors[r.post] && (parent == nil || key.user != parent.author) {
				n.withdraw()
			}
		}
		w.notifyMentioned(r)
	}
}

func (w *noticeWalk) reassign() {
	all := w.some(func(*remark) bool { return true })
	if len(all) == 0 {
		return
	}
	author := w.user()
	w.run(`update tidings.comments set author_id = '%s' where id in (%s)`, author, ids(all))
	for _, r := range all {
		changed := r.author != author
		if r.author = author; !r.shown || !changed {
			continue
		}
		w.reassignLikes(r.post, r.id, author)
		for key, n := range w.notices {
			switch {
			case key.comment != r.id || key.like != "" || n.away != "":
			case key.user == author:
				n.withdraw()
			default:
				n.actor = author
			}
		}
	}
}

func (w *noticeWalk) read() {
	user, remainder := w.user(), w.rand.IntN(2)
	w.run(`update tidings.notifications set read_at = now() where user_id = '%s' and id %% 2 = %d and read_at is null`, user, remainder)
	for key, n := range w.notices {
		if key.user == user && n.away == "" && w.ids[key]%2 == int64(remainder) {
			n.read = true
		}
	}
}

func (w *noticeWalk) dismiss() {
	user, remainder := w.user(), w.rand.IntN(3)
	w.run(`delete from tidings.notifications where user_id = '%s' and id %% 3 = %d`, user, remainder)
	for key, n := range w.notices {
		if key.user == user && n.away == "" && w.ids[key]%3 == int64(remainder) {
			n.away = "dismissed"
		}
	}
}

// forget drops the notifications and likes that satisfy a condition.
func (w *noticeWalk) forget(gone func(noticeKey) bool) {
	maps.DeleteFunc(w.notices, func(key noticeKey, _ *notice) bool { return gone(key) })
	maps.DeleteFunc(w.ids, func(key noticeKey, _ int64) bool { return gone(key) })
	maps.DeleteFunc(w.likes, func(key noticeKey, _ bool) bool { return gone(key) })
}

func (w *noticeWalk) remove() {
	leaf := func(r *remark) bool {
		for _, other := range w.remarks {
			if other.parent == r.id {
				return false
			}
		}
		return true
	}
	all := w.some(leaf)
	if len(all) == 0 {
		return
	}
	w.run(`delete from tidings.comments where id in (%s)`, ids(all))
	for _, r := range all {
		delete(w.remarks, r.id)
		w.forget(func(key noticeKey) bool { return key.comment == r.id })
	}
}

func (w *noticeWalk) removePost() {
	p := walkPosts[w.rand.IntN(2)]
	w.run(`delete from tidings.posts where id = '%s'`, p)
	maps.DeleteFunc(w.remarks, func(_ int64, r *remark) bool { return r.post == p })
	w.forget(func(key noticeKey) bool { return key.post == p })
	w.post(p)
}

// compare compares the tables with the model.
func (w *noticeWalk) compare() {
	w.t.Helper()
	var want []string
	unread := map[string]map[noticeKey]bool{}
	for key, n := range w.notices {
		if n.away != "" {
			continue
		}
		want = append(want, fmt.Sprintf("%s %s %d %s %s %v", key.user, key.post, key.comment, n.kind, n.actor, n.read))
		if !n.read {
			target := noticeKey{key.user, key.post, key.comment, n.kind}
			if unread[key.user] == nil {
				unread[key.user] = map[noticeKey]bool{}
			}
			unread[key.user][target] = true
		}
	}
	slices.Sort(want)
	var got []string
	rows, _ := w.conn.Query(w.t.Context(), `
		select id, user_id, post_id, coalesce(comment_id, 0), kind, actor_id, read_at is not null
		from tidings.notifications`)
	var id int64
	var key noticeKey
	var n notice
	_, err := pgx.ForEachRow(rows, []any{&id, &key.user, &key.post, &key.comment, &n.kind, &n.actor, &n.read}, func() error {
		got = append(got, fmt.Sprintf("%s %s %d %s %s %v", key.user, key.post, key.comment, n.kind, n.actor, n.read))
		if key.like = ""; n.kind == "like" {
			key.like = n.actor
		}
		if known := w.ids[key]; known != 0 && known != id {
			w.t.Errorf("%v has the id %d, and had %d", key, id, known)
		}
		w.ids[key] = id
		return nil
	})
	Must(w.t, err)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(got, s) })
		extra := slices.DeleteFunc(got, func(s string) bool { return slices.Contains(want, s) })
		w.t.Errorf("notifications are missing: %q, and there are also %q", missing, extra)
	}
	for _, user := range walkUsers {
		noted := value[int](w.t, w.conn, `
			select coalesce((select unread from tidings.counts where target = 'user:' || $1 order by position desc limit 1), 0)`, user)
		Want(w.t, "unread of "+user, noted, len(unread[user]))
		told := value[int](w.t, w.conn, `
			select coalesce((
				select (data ->> 'unread')::integer
				from tidings.events
				where topic = 'user:' || $1 and name = 'notification'
				order by position desc
				limit 1
			), 0)`, user)
		Want(w.t, "unread in the last event of "+user, told, noted)
	}
}
