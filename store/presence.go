package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// A Store is the [awareness.Board]: the tables tidings.instances and tidings.presence.
var _ awareness.Board = (*Store)(nil)

// takeLease returns the session of conn, which listens, as the lease of this instance.
// Postgres ends a session at once when the process of its client has ended, and within 4 s
// when the machine of its client, or the network, is gone: it is then told by TCP. The settings
// have no effect on a local socket.
func takeLease(ctx context.Context, conn *pgx.Conn) (l awareness.Lease, err error) {
	_, err = conn.Exec(ctx, `
		set tcp_keepalives_idle = 2;
		set tcp_keepalives_interval = 1;
		set tcp_keepalives_count = 2;
		set tcp_user_timeout = 4000;
		listen tidings_presence`)
	if err == nil {
		err = conn.QueryRow(ctx, `
			select pid, backend_start
			from pg_stat_get_activity(pg_backend_pid())`).Scan(&l.PID, &l.Start)
	}
	if err != nil {
		return l, fmt.Errorf("take the lease of presence: %w", err)
	}
	return l, nil
}

// Report implements [awareness.Board]. It is one statement, which also rings the doorbell.
func (s *Store) Report(ctx context.Context, r awareness.Report) error {
	topics := make([]string, len(r.Rows))
	watched := make([]bool, len(r.Rows))
	viewers := make([]int32, len(r.Rows))
	users := make([]string, len(r.Rows))
	members := make([][]byte, len(r.Rows))
	for i, row := range r.Rows {
		text, err := json.Marshal(append([]awareness.User{}, row.Users...)) // [] if there are none
		if err != nil {
			return fmt.Errorf("encode users: %w", err)
		}
		topics[i], watched[i], viewers[i] = row.Topic.String(), row.Watched, int32(row.Viewers)
		users[i], members[i] = string(text), encodeMembers(row.Members)
	}
	purge := make([]string, len(r.Purge))
	for i, topic := range r.Purge {
		purge[i] = topic.String()
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return s.exec(ctx, s.pool, `
		with instance as (
			insert into tidings.instances (id, pid, backend_start, asked, answered)
			values ($1, $2, $3, $4, $5)
			on conflict (id) do update
			set pid = excluded.pid, backend_start = excluded.backend_start,
				asked = excluded.asked, answered = excluded.answered
		),
		written as (
			insert into tidings.presence (instance, topic, watched, viewers, users, members, changed)
			select $1, topic, watched, viewers, users::jsonb, members, pg_current_xact_id()
			from unnest($6::text[], $7::boolean[], $8::integer[], $9::text[], $10::bytea[])
				as row (topic, watched, viewers, users, members)
			on conflict (instance, topic) do update
			set watched = excluded.watched, viewers = excluded.viewers, users = excluded.users,
				members = excluded.members, changed = excluded.changed
		),
		purged as (
			delete from tidings.presence
			where instance = $1 and topic = any ($11)
		),
		dead as (
			delete from tidings.instances
			where id = any ($12::uuid[])
				and not exists (`+sessionOf+`)
			returning id
		),
		buried as (
			delete from tidings.presence
			using dead
			where instance = dead.id
		)
		select set_config('synchronous_commit', 'off', true), pg_notify('tidings_presence', '')`,
		r.Instance, r.Lease.PID, r.Lease.Start, r.Asked, r.Answered,
		topics, watched, viewers, users, members, purge, r.Dead)
}

// sessionOf selects the session that a row of tidings.instances names. The start of a session
// of another role may be hidden.
const sessionOf = `
	select
	from pg_stat_get_activity(instances.pid) as session
	where session.backend_start is null or session.backend_start = instances.backend_start`

// Look implements [awareness.Board]. The instances are read before the rows, so that each row
// is at least as new as the answers of its instance.
func (s *Store) Look(ctx context.Context, instance string, since int64) (view awareness.View, err error) {
	var id *string
	var alive bool
	var asked *int64
	var answered map[string]int64
	batch := &pgx.Batch{}
	batch.Queue(`
		select oldest, instances.id::text, exists (`+sessionOf+`), asked, answered
		from (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest) as now
		left join tidings.instances on id <> $1`, instance,
	).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&view.Mark, &id, &alive, &asked, &answered}, func() error {
			if id != nil {
				view.Instances = append(view.Instances, awareness.Instance{ID: *id, Alive: alive, Asked: *asked, Answered: answered})
				answered = nil
			}
			return nil
		})
		return err
	})
	batch.Queue(`
		select instance::text, topic, watched, viewers, users, members
		from tidings.presence
		where instance <> $1 and changed >= $2::bigint::text::xid8`, instance, since,
	).Query(func(rows pgx.Rows) (err error) {
		view.Rows, err = pgx.CollectRows(rows, scanPresence)
		return err
	})
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	err = s.pool.SendBatch(ctx, batch).Close()
	return view, translate(err)
}

// Withdraw implements [awareness.Board].
func (s *Store) Withdraw(ctx context.Context, instance string) error {
	return s.exec(ctx, s.pool, `
		with instance as (
			delete from tidings.instances
			where id = $1
		),
		rows as (
			delete from tidings.presence
			where instance = $1
		)
		select set_config('synchronous_commit', 'off', true), pg_notify('tidings_presence', '')`,
		instance)
}

func scanPresence(row pgx.CollectableRow) (r awareness.Row, err error) {
	var topic string
	var users, members []byte
	if err = row.Scan(&r.Instance, &topic, &r.Watched, &r.Viewers, &users, &members); err != nil {
		return r, err
	}
	if r.Topic, err = stream.ParseTopic(topic); err != nil {
		return r, err
	}
	r.Members = decodeMembers(members)
	return r, json.Unmarshal(users, &r.Users)
}

// memberBytes is the length of a member in the column members.
const memberBytes = 8

func encodeMembers(members []awareness.Member) []byte {
	b := make([]byte, 0, memberBytes*len(members))
	for _, m := range members {
		b = binary.BigEndian.AppendUint64(b, uint64(m))
	}
	return b
}

func decodeMembers(b []byte) []awareness.Member {
	members := make([]awareness.Member, 0, len(b)/memberBytes)
	for ; len(b) >= memberBytes; b = b[memberBytes:] {
		members = append(members, awareness.Member(binary.BigEndian.Uint64(b)))
	}
	return members
}
