-- Numbers the events of a transaction at COMMIT: moves its rows from `pending` to `events`
-- with the next positions, and adds what follows from them (functions/number.sql).
--
-- A deferred constraint trigger on `commits`, which has one row for each transaction.
-- ENABLE ALWAYS: it also fires in sessions with session_replication_role = replica.
--
-- The turn. Before it numbers, it takes LOCK TABLE tidings.turn IN EXCLUSIVE MODE, which
-- is held until the commit is visible. So positions become visible in order, and a reader
-- that asks for `position > cursor` never skips a row. A table and not an advisory lock,
-- because any role may take an advisory lock. While it holds the turn it waits for
-- nothing: what it writes has no foreign keys and no other writer, or it leaves out the rows that
-- others have locked (functions/settle_likes.sql). It has locked the tables before the turn, because
-- ALTER TABLE, VACUUM FULL and roles that may change rows lock tables, too. Of most transactions the
-- tables are locked already, because their statements have used them. A commit without changes of
-- notifications, without likes and other authors, and without hidden or shown comments, needs no
-- other table. After flush, Postgres takes the lock of NOTIFY, which all
-- databases of a server share: commits with NOTIFY are serial in the whole server.
--
-- When. At COMMIT, Postgres fires the deferred triggers in a queue, and each may write and
-- so queue others. flush does its work only on the second of two consecutive firings at
-- COMMIT with no command between them. By then every other deferred trigger has run, so
-- none of them can wait for a lock while this transaction holds the turn. Until then it
-- postpones itself to the end of the queue, by an update of `firing`. It tells by:
--   pg_trigger_depth() > 1: another command fired it, because SET CONSTRAINTS has made
--   constraints immediate. It defers itself again, and at_commit becomes 0;
--   at_commit of the row that fired it, the number of firings in a row at the top level.
--   Where SET CONSTRAINTS and not COMMIT was the cause of a firing, the update of `firing`
--   fired it again at once, at depth 2, which set at_commit to 0;
--   cmin: the number of the command that wrote a row. It writes its own row, and compares
--   the numbers of the new version and the old. They differ by 1 if no other command ran
--   in between.
-- After 1,000 firings at COMMIT it refuses the transaction (SQLSTATE 0A000). Another trigger
-- postpones itself behind flush in the same way, and would run while this transaction
-- holds the turn.
--
-- A commit with events
--   is synchronous: synchronous_commit = off becomes on, for this transaction. A commit that
--   is lost in a crash would let other events have its positions. The values local,
--   remote_write and on stay, so a synchronous standby is waited for with the turn held.
--   remote_apply becomes on: the standby then has the commit on its disk, and the turn is
--   not held until a query there lets it apply the commit;
--   waits for the turn for as long as tidings.turn_timeout says, where the session has set
--   it, and else lock_timeout. So a writer can bound its waits for rows, those of foreign
--   keys at COMMIT included, and still wait for the turn as long as needed;
--   cannot leave a cursor WITH HOLD open (SQLSTATE 0A000): Postgres would run the query of
--   the cursor after flush, and keep the turn for as long as that takes. A cursor is as old
--   as the statement that the client sent, which is older than the transaction in a DO
--   block that has committed before: cursors since that statement are refused, too;
--   in REPEATABLE READ and SERIALIZABLE fails if another transaction has numbered events
--   since its snapshot (40001): it would add to counts that are not the newest;
--   begins a new epoch if the history is not that of the last one (functions/note_epoch.sql).
--
-- Settings: the plans are made once per session and kept, because planning takes twice as
-- long as running. So they must suit tables of any size, also one that was empty when the
-- plan was made, or `pending` when a long transaction keeps vacuum from it: no sequential
-- scans, and one index lookup for each row (LATERAL … OFFSET 0) where a join might read a
-- whole table. JIT would compile each plan (40 ms per commit).
create or replace function tidings.flush() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
declare
    noted   bigint; -- the number of the command that wrote the row before
    this    bigint; -- the number of the command that writes the row now
    here    text; -- the timeline
    system  bigint; -- the system identifier
    history bigint; -- a hash of timeline, start of the server, database, and `events`
    known   boolean; -- whether the last flush was in the same history
    held    boolean; -- whether a cursor outlives the transaction
    wide    boolean; -- whether notifications have changed, comments were hidden or shown, or likes have an author
    placed  boolean; -- whether timeline, database and `events` are those of the last epoch
    begun   bigint; -- the system identifier of the last epoch
    unused  text; -- of functions without a result. An assignment costs less than PERFORM, which is a query
begin
    if pg_trigger_depth() > 1 then
        set constraints tidings.flush deferred;
        update tidings.commits
        set firing = firing + 1, at_commit = 0
        where xact = new.xact and firing = new.firing;
        return null;
    end if;

    -- Compare the numbers of the commands. If the row has been updated since this firing
    -- was queued, none is found: that update has queued a firing of its own.
    if new.at_commit > 0 then
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

    -- Postpone.
    if (this = noted + 1) is not true then
        if new.at_commit >= 1000 then
            raise exception 'a deferred trigger runs again and again at COMMIT, so the events cannot be numbered'
                using errcode = 'feature_not_supported',
                      hint = 'A deferred constraint trigger must not queue itself again without end.';
        end if;
        update tidings.commits
        set firing = firing + 1, at_commit = at_commit + 1
        where xact = new.xact and firing = new.firing;
        return null;
    end if;

    if current_setting('synchronous_commit') in ('off', 'remote_apply') then
        perform set_config('synchronous_commit', 'on', true);
    end if;

    wide := exists (
        select from tidings.pending
        where xact = new.xact
            and (came is not null or kind = 'like' or comment_id is not null and (name = 'comment-deleted' or name = 'liked' and likes <= 0))
    );
    if wide then
        lock table tidings.posts, tidings.comments, tidings.likes in access share mode;
        lock table tidings.notifications in row exclusive mode;
    end if;
    if current_setting('tidings.turn_timeout', true) <> '' then
        unused := set_config('lock_timeout', current_setting('tidings.turn_timeout'), true);
    end if;

    here := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
    lock table tidings.turn in exclusive mode;

    -- The start of the server stands for the system identifier, which is slow to read from
    -- pg_control: a running server does not change it.
    select
        exists (
            select from pg_cursors
            where is_holdable and creation_time >= least(transaction_timestamp(), statement_timestamp())
        ),
        h.last_value = now.history,
        s.last_value,
        now.history,
        e.timeline = here and e.database_oid = d.oid and e.events_oid = 'tidings.events'::regclass,
        e.system_identifier
    into held, known, system, history, placed, begun
    from tidings.last_history as h
    cross join tidings.this_system as s
    cross join (select oid from pg_database where datname = current_database()) as d
    cross join lateral (
        select hashtextextended(concat_ws(' ',
            here, extract(epoch from pg_postmaster_start_time()), d.oid, 'tidings.events'::regclass::oid
        ), 0) & 9223372036854775807
    ) as now (history)
    left join (
        select timeline, system_identifier, database_oid, events_oid
        from tidings.epochs
        order by epoch desc
        limit 1
    ) as e on true;

    if held then
        raise exception 'a transaction that has events cannot commit with an open cursor WITH HOLD'
            using errcode = 'feature_not_supported',
                  hint = 'Close the cursor before COMMIT, or declare it in another transaction.';
    end if;

    -- Two conditions, because one with subqueries is a query. Sequences are read past the snapshot.
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        if (select last_value from tidings.last_history) = history
            and (select last_value from tidings.last_flush) <> pg_current_xact_id()::text::bigint
            and not pg_visible_in_snapshot((select last_value from tidings.last_flush)::text::xid8, pg_current_snapshot())
        then
            raise exception 'could not number events: another transaction committed events since this one''s snapshot'
                using errcode = 'serialization_failure',
                      hint = 'Retry the transaction, or write in READ COMMITTED.';
        end if;
    end if;
    this := setval('tidings.last_flush', pg_current_xact_id()::text::bigint);

    if not known then
        system := (pg_control_system()).system_identifier;
        perform setval('tidings.this_system', system), setval('tidings.last_history', history);
    end if;

    if (placed and begun = system) is not true then
        perform tidings.note_epoch();
    end if;
    -- These write to pending: before the row of commits goes.
    if wide then
        perform tidings.settle_likes(new.xact);
    end if;
    unused := tidings.number(new.xact);
    delete from tidings.commits where xact = new.xact;
    unused := pg_notify('tidings_log', '');
    return null;
end
$$;

create constraint trigger flush after insert or update of firing on tidings.commits
    deferrable initially deferred
    for each row execute function tidings.flush();
alter table tidings.commits enable always trigger flush;
