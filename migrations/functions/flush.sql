create or replace function tidings.flush() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    noted   bigint; -- the command that wrote the note
    this    bigint; -- one that writes now
    here    text; -- the timeline
    system  bigint; -- its identifier
    history bigint; -- a hash of what only this history has, while its server runs
    known   boolean; -- whether the system was looked up in it
    held    boolean; -- whether a cursor outlives the transaction
begin
    -- Fired within a trigger: not by COMMIT, but because constraints are immediate.
    if pg_trigger_depth() > 1 then
        set constraints tidings.flush deferred;
        update tidings.commits
        set firing = firing + 1, at_commit = false
        where xact = new.xact and firing = new.firing;
        return null;
    end if;

    -- Work only when COMMIT has fired us twice and nothing was written in between: then
    -- nothing else is queued any more, and no lock that an app's own constraint waits
    -- for is waited for under the turn. But don't wait for ever for one that in the same
    -- manner waits for us. A note that was replaced has a later firing of its own.
    if new.at_commit then
        update tidings.commits
        set calm = true
        from (
            select cmin::text::bigint as command
            from tidings.commits
            where xact = new.xact and firing = new.firing
        ) as note
        where xact = new.xact
        returning note.command, commits.cmin::text::bigint
        into noted, this;
        if not found then
            return null;
        end if;
    end if;
    if (this = noted + 1) is not true and (new.firing < 1000 or not new.at_commit) then
        -- To the end of the queue. If SET CONSTRAINTS has fired us, and not COMMIT, then
        -- this update fires us too, at once, and there the note becomes an early one.
        update tidings.commits
        set firing = firing + 1, at_commit = true
        where xact = new.xact and firing = new.firing;
        return null;
    end if;

    -- A commit that is lost in a crash would hand its positions out a second time.
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'on', true);
    end if;

    if current_setting('tidings.turn_timeout', true) <> '' then
        perform set_config('lock_timeout', current_setting('tidings.turn_timeout'), true);
    end if;

    here := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
    lock table tidings.turn in exclusive mode;

    history := hashtextextended(concat_ws(' ',
        here, extract(epoch from pg_postmaster_start_time()), 'tidings.events'::regclass::oid
    ), 0) & 9223372036854775807;
    select
        exists (
            select from pg_cursors
            where is_holdable and creation_time >= transaction_timestamp()
        ),
        h.last_value = history,
        s.last_value
    into held, known, system
    from tidings.last_history as h
    cross join tidings.this_system as s;

    -- Its query would run after us, as long as it likes, under the turn.
    if held then
        raise exception 'a transaction that has events cannot commit with an open cursor WITH HOLD'
            using errcode = 'feature_not_supported',
                  hint = 'Close it before COMMIT, or declare it in a transaction of its own.';
    end if;

    -- An older snapshot would count from stale counters.
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable')
        and (select last_value from tidings.last_history) = history
        and (select last_value from tidings.last_flush) <> pg_current_xact_id()::text::bigint
        and not pg_visible_in_snapshot((select last_value from tidings.last_flush)::text::xid8, pg_current_snapshot())
    then
        raise exception 'could not number events: another transaction committed events since this one''s snapshot'
            using errcode = 'serialization_failure',
                  hint = 'Retry the transaction, or write in READ COMMITTED.';
    end if;
    this := setval('tidings.last_flush', pg_current_xact_id()::text::bigint); -- PERFORM would be a query

    if not known then
        system := (pg_control_system()).system_identifier;
        perform setval('tidings.this_system', system), setval('tidings.last_history', history);
    end if;

    if (here, system, 'tidings.events'::regclass::oid) is distinct from (
        select (timeline, system_identifier, events_oid)
        from tidings.epochs
        order by epoch desc
        limit 1
    ) then
        perform tidings.note_epoch();
    end if;
    delete from tidings.commits where xact = new.xact;
    perform tidings.number(new.xact);
    perform pg_notify('tidings_log', '');
    return null;
end
$$;

create constraint trigger flush after insert or update of firing on tidings.commits
    deferrable initially deferred
    for each row execute function tidings.flush();
alter table tidings.commits enable always trigger flush;
