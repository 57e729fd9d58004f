package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// A Store is the [awareness.Board]: the tables tidings.instances and tidings.presence.
var _ awareness.Board = (*Store)(nil)

// takeLease makes the session of conn, which listens, the lease of this instance. Postgres ends
// a session at once when the process of its client has ended, and within 4 s when the machine
// of its client, or the network, is gone: it is then told by TCP. The settings have no effect
// on a local socket.
//
// pg_stat_activity hides the start of a session from roles that are not members of its login,
// but every role may read pg_locks. The lock is shared and the key the same for each session of
// this process: a pooler that LISTEN does not work with keeps sessions with locks, and they are
// then at most as many as its sessions. If another role has taken the lock, the key changes.
func takeLease(ctx context.Context, conn *pgx.Conn, key *int64) (l awareness.Lease, err error) {
	_, err = conn.Exec(ctx, `
		set tcp_keepalives_idle = 2;
		set tcp_keepalives_interval = 1;
		set tcp_keepalives_count = 2;
		set tcp_user_timeout = 4000;
		listen tidings_presence`)
	for locked := false; err == nil && !locked; {
		l.Key = *key
		err = conn.QueryRow(ctx, `select pg_backend_pid(), pg_try_advisory_lock_shared($1)`, l.Key).Scan(&l.PID, &locked)
		if !locked {
			*key = mathrand.Int64()
		}
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
			insert into tidings.instances (id, pid, lock_key, asked, answered)
			values ($1, $2, $3, $4, $5)
			on conflict (id) do update
			set pid = excluded.pid, lock_key = excluded.lock_key,
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
				and not `+leased+`
			returning id
		),
		buried as (
			delete from tidings.presence
			using dead
			where instance = dead.id
		)
		select set_config('synchronous_commit', 'off', true), pg_notify('tidings_presence', '')`,
		r.Instance, r.Lease.PID, r.Lease.Key, r.Asked, r.Answered,
		topics, watched, viewers, users, members, purge, r.Dead)
}

// leased is true for a row of tidings.instances whose lease exists.
const leased = `exists (
	select
	from pg_locks as l
	where l.locktype = 'advisory' and l.pid = instances.pid and l.granted
		and l.classid::bigint << 32 | l.objid::bigint = instances.lock_key)`

// Look implements [awareness.Board]. A mark is the snapshot of a look, as pg_snapshot. A row
// that is not of an instance, because SQL has written it, is left out, counted and logged once.
func (s *Store) Look(ctx context.Context, instance, since string) (view awareness.View, err error) {
	instances := readQuery{`
		select mark, instances.id::text, ` + leased + `, asked, answered
		from (select pg_current_snapshot()::text as mark) as now
		left join tidings.instances on id <> $1`, []any{instance}, func(rows pgx.Rows) error {
		var id *string // nil: there is no other instance
		var alive bool
		var asked *int64
		var text []byte
		view.Instances = nil
		_, err := pgx.ForEachRow(rows, []any{&view.Mark, &id, &alive, &asked, &text}, func() error {
			if id == nil {
				return nil
			}
			var answered map[string]int64
			if err := json.Unmarshal(text, &answered); err != nil {
				return s.leaveOut(ctx, "instances", *id, err)
			}
			view.Instances = append(view.Instances, awareness.Instance{ID: *id, Alive: alive, Asked: *asked, Answered: answered})
			return nil
		})
		return err
	}}
	changed := readQuery{`
		select instance::text, topic, watched, viewers, users, members
		from tidings.presence
		where instance <> $1
			and changed >= pg_snapshot_xmin($2::text::pg_snapshot)
			and not pg_visible_in_snapshot(changed, $2::text::pg_snapshot)`,
		[]any{instance, cmp.Or(since, "1:1:")}, // before the first transaction
		func(rows pgx.Rows) error {
			view.Rows = nil
			var r awareness.Row
			var topic string
			var users, members []byte
			_, err := pgx.ForEachRow(rows, []any{&r.Instance, &topic, &r.Watched, &r.Viewers, &users, &members}, func() (err error) {
				row := r
				row.Members = decodeMembers(members)
				if row.Topic, err = stream.ParseTopic(topic); err == nil {
					err = json.Unmarshal(users, &row.Users)
				}
				if err != nil {
					return s.leaveOut(ctx, "presence", r.Instance+" "+topic, err)
				}
				view.Rows = append(view.Rows, row)
				return nil
			})
			return err
		}}
	err = s.read(ctx, instances, changed)
	return view, err
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
