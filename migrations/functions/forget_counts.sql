-- Removes counters of posts that are deleted, and of the comments that go with them. In `pending`,
-- the changes of this transaction to them are dropped.
--
-- Nobody adds to such a counter at the same time: whatever does has locked, inserted or deleted a
-- row of the post, and the DELETE of the post has waited for it. flush only appends to `counts`,
-- so it does not wait for this transaction, and it has nothing to do for these counters.
create or replace function tidings.forget_counts(targets text[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
declare
    gone jsonb; -- has the targets as keys, to look up each in a few steps
begin
    if targets is null then
        return;
    end if;
    delete from tidings.counts
    where target = any (targets);

    if exists (select from tidings.pending where xact = pg_current_xact_id() and target is not null and came is null) then
        select jsonb_object_agg(target, null)
        into gone
        from unnest(targets) as forgotten (target);

        update tidings.pending
        set target = null
        where xact = pg_current_xact_id() and came is null and gone ? target;
    end if;
end
$$;
