package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
)

var _ stream.Log = (*Store)(nil)

// Read returns events of the log and its state, from one snapshot: see [stream.Log]. A
// row that is no valid event, or that Postgres cannot read, is skipped: it is counted by
// [Store.SkippedEvents] and logged once. Events about
// comments have the text that may be read in that snapshot. Read returns ErrUnavailable if a
// table stays locked for a second.
func (s *Store) Read(ctx context.Context, q stream.Query) (stream.Batch, error) {
	batch, err := s.readPage(ctx, q)
	if err != nil && isOfRow(err) {
		return s.readAround(ctx, q, err)
	}
	return batch, err
}

// readPage is Read, but fails if Postgres cannot read one of the rows.
func (s *Store) readPage(ctx context.Context, q stream.Query) (stream.Batch, error) {
	var batch stream.Batch
	page := logPage{html: s.html}
	err := s.readLog(ctx, giveUpLocks, stateQuery(&batch.State), eventsQuery(q, &page))
	switch {
	case errors.Is(err, ErrBusy):
		return stream.Batch{}, fmt.Errorf("%w: a table that the log is read from is locked: %w", ErrUnavailable, err)
	case err != nil:
		return stream.Batch{}, err
	}
	batch.Through = batch.State.Head
	if last := len(page.rows) - 1; last+1 == q.Limit || page.full {
		batch.Through = page.rows[last].position
	}
	for _, r := range page.rows {
		event, err := r.event(batch.State)
		if err != nil {
			if err := s.skip(ctx, r.position, err); err != nil {
				return stream.Batch{}, err
			}
			continue
		}
		batch.Events = append(batch.Events, event)
	}
	return batch, nil
}

// stateQuery reads the state of the log. Positions become visible in order, so the head
// of a snapshot is the last event that the snapshot has.
func stateQuery(into *stream.State) readQuery {
	return readQuery{`
		select
			greatest((select position from tidings.events order by position desc limit 1), floor.position),
			floor.position,
			array(select epoch from tidings.epochs order by epoch),
			array(select started_after from tidings.epochs order by epoch)
		from tidings.floor
		where one`,
		nil,
		func(rows pgx.Rows) error {
			into.Epochs = nil
			var numbers, startedAfter []int64
			_, err := pgx.ForEachRow(rows, []any{&into.Head, &into.Floor, &numbers, &startedAfter}, func() error {
				for i, number := range numbers {
					into.Epochs = append(into.Epochs, stream.Epoch{Number: number, StartedAfter: startedAfter[i]})
				}
				return nil
			})
			if err == nil && into.Epochs == nil {
				err = errors.New("the log has no epoch: its tables were restored without their rows")
			}
			return err
		}}
}

// pageBytes bounds the data of one read. The event that exceeds the bound is still read. A
// read needs several times as much memory, and several reads may run at the same time.
const pageBytes = 4 << 20

// A logPage has the rows of one read of the log.
type logPage struct {
	html  toHTML
	rows  []eventRow
	bytes int  // size of the data of rows
	full  bool // the result had more rows
}

// An eventRow is a row of selectEvents that is not checked yet.
type eventRow struct {
	position    int64
	topic, name string
	data        []byte
	comment     *int64 // the id of the comment that the event is about; nil for none
	createdAt   time.Time
}

// take keeps rows up to pageBytes and skips the rest of the result.
func (p *logPage) take(rows pgx.Rows) error {
	*p = logPage{html: p.html}
	var r eventRow
	for rows.Next() {
		if p.full = p.bytes >= pageBytes; p.full {
			continue
		}
		r.data = nil // Scan would overwrite the data of the row before
		if err := rows.Scan(&r.position, &r.topic, &r.name, &r.data, &r.comment, &r.createdAt); err != nil {
			return err
		}
		if r.comment != nil {
			r.data = p.html.addTo(r.name, r.data)
		}
		p.rows = append(p.rows, r)
		p.bytes += len(r.data)
	}
	return rows.Err()
}

// eventsQuery reads the events after a position. Each parameter is in a subselect, so that
// the planner does not see how near to the end of the log the position is. Otherwise
// Postgres would make a plan for each read, which takes longer than the read.
func eventsQuery(q stream.Query, into *logPage) readQuery {
	if q.Topics == nil {
		return readQuery{selectEvents + `
			from (
				select *
				from tidings.events
				where position > (select $1::bigint)
				order by position
				limit (select $2::bigint)
			) as e
			order by e.position`,
			[]any{q.After, q.Limit}, into.take}
	}
	topics := topicTexts(q.Topics)
	// Postgres scans a short part of the index for each topic and merges the parts. With
	// topic = any(…) it would sort all events of the topics. DISTINCT is there because a
	// topic that is given twice would otherwise return its events twice. Comments are looked
	// up last, only for the events that are returned.
	return readQuery{selectEvents + `
		from (
			select e.*
			from (select distinct unnest($1::text[])) as given (topic)
			cross join lateral (
				select *
				from tidings.events
				where events.topic = given.topic and position > (select $2::bigint)
				order by position
				limit (select $3::bigint)
			) as e
			order by e.position
			limit (select $3::bigint)
		) as e
		order by e.position`,
		[]any{topics, q.After, q.Limit}, into.take}
}

// topicTexts returns topics as an array for SQL, and nil for no topics.
func topicTexts(topics []stream.Topic) (texts []string) {
	for _, t := range topics {
		texts = append(texts, t.String())
	}
	return texts
}

// selectText selects the members of a comment that a read of the log takes from its row, if the row
// meets a condition. Without such a row, they are those of a comment that was removed.
func selectText(condition string) string {
	return `coalesce((
					select jsonb_build_object(
						'author', jsonb_build_object(
							'id', c.author_id, 'name', coalesce(u.name, c.author_id), 'avatarUrl', u.avatar_url),
						'body', c.body,
						'status', c.status,
						'editedAt', to_char(c.edited_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
						'version', c.version)
					from tidings.comments as c
					left join lateral (
						select name, avatar_url
						from tidings.users
						where users.id = c.author_id
						offset 0
					) as u on true
					where c.id = e.comment_id and ` + condition + `
				), '{"author": null, "body": "", "status": "deleted", "editedAt": null, "version": 1}')`
}

// selectEvents selects what readers get of the rows e of tidings.events. It is the same as
// in the view tidings.log, but reads the columns of comments, posts and users and not the JSON
// of their rows, which takes 1.4 times as long. A comment that is hidden, deleted or gone is
// shown without author and body, but moderators get what its row has.
var selectEvents = `
	select
		e.position, e.topic, e.name,
		case
			when e.name in ('new-comment', 'comment-updated') and e.comment_id is not null then
				e.data || ` + selectText(`c.status = 'published'`) + `
			when e.name = 'moderation' and e.topic = 'site:moderation' and e.comment_id is not null then
				e.data || jsonb_build_object('comment', (e.data -> 'comment') || ` + selectText(`true`) + `)
			when e.name = 'post-updated' and e.topic like 'post:%' then
				e.data || coalesce((
					select jsonb_build_object('title', title, 'url', url, 'authorId', author_id, 'locked', locked)
					from tidings.posts
					where posts.id = e.data ->> 'id'
				), '{"title": null, "url": null, "authorId": null, "locked": false}')
			when e.data ? 'actor' and (e.name = 'notification' or e.topic = 'tidings') then
				e.data || jsonb_build_object('actor', coalesce((
					select jsonb_build_object('id', id, 'name', name, 'avatarUrl', avatar_url)
					from tidings.users
					where users.id = e.data #>> '{actor,id}'
				), jsonb_build_object(
					'id', e.data #> '{actor,id}', 'name', e.data #> '{actor,id}', 'avatarUrl', null)))
			else e.data
		end,
		e.comment_id, e.created_at`

// serversTopic is the topic of events that only servers read. Their stream.Topic is zero.
const serversTopic = "tidings"

// event returns the event in the row, or an error if the row has no valid event.
func (r eventRow) event(state stream.State) (stream.Event, error) {
	var topic stream.Topic
	var err error
	if r.topic != serversTopic {
		if topic, err = stream.ParseTopic(r.topic); err != nil {
			return stream.Event{}, err
		}
	}
	name, err := stream.ParseName(r.name)
	if err != nil {
		return stream.Event{}, err
	}
	data, err := stream.NewData(r.data)
	if err != nil {
		return stream.Event{}, err
	}
	e := stream.Event{Cursor: state.Cursor(r.position), Topic: topic, Name: name, Data: data, Committed: r.createdAt}
	if r.comment != nil {
		e.Comment = *r.comment
	}
	return e, nil
}
