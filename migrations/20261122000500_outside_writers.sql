-- Following everybody else: rows of call_events and conversation_transcripts become the roll-up, changes of leads.call_sid
-- become links and link events. The triggers never make the writer's statement fail: they catch their own errors into
-- link_errors, and wait for a lock at most 500 ms.
-- LOCK ORDER, everywhere: request id (advisory), leads by id, calls by SID. A writer holds its lead before our trigger
-- takes a call. Idempotent; may be pasted.

-- Make sure that the calls exist and lock them, in SID order. `where false`: a conflicting row is locked, not rewritten.
create or replace function public.patchbay_lock_calls(p_sids text[], p_seen_at timestamptz default clock_timestamp()) returns void
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.calls as c (call_sid, started_at)
  select distinct s, p_seen_at from unnest(p_sids) as s where s is not null order by s
  on conflict (call_sid) do update set set_aside = c.set_aside where false;
end $$;

-- Recompute some calls from their rows. A new call is inserted with what its rows say; a known one is locked first and then read
-- in a new statement, so that of two writers the second sees both. A call goes when nothing holds it any more: no row, no link,
-- no ledger entry. p_sids: distinct. Returns how many calls changed.
create or replace function public.patchbay_roll_up(p_sids text[]) returns int
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_new text[];
  v_known text[];
  v_changed text[];
  v_empty text[];
begin
  v_known := array(select c.call_sid from public.calls c where c.call_sid = any (p_sids) order by c.call_sid for update);
  if cardinality(v_known) < cardinality(p_sids) then
    v_new := array(select unnest(p_sids) except select unnest(v_known));
    with inserted as (
      insert into public.calls as c (call_sid, started_at, start_known, direction, from_number, to_number, status, duration, ended,
        event_count, transcript_count)
      select x.call_sid, coalesce(x.first_at, clock_timestamp()), x.first_at is not null, x.direction, x.from_number, x.to_number,
        x.status, x.duration, x.ended, x.event_count, x.transcript_count
      from public.patchbay_summary(v_new) x order by x.call_sid
      on conflict (call_sid) do update set set_aside = c.set_aside where false  -- somebody else's: locks, does not rewrite
      returning c.call_sid, c.event_count = 0 and c.transcript_count = 0 as empty)
    select array_agg(call_sid), array_agg(call_sid) filter (where empty) into v_new, v_empty from inserted;
    v_known := array(select unnest(p_sids) except select unnest(v_new));
  end if;
  if cardinality(v_known) > 0 then
    with changed as (
      update public.calls c set
        started_at = x.starts, start_known = c.start_known or x.first_at is not null,
        direction = x.direction, from_number = x.from_number, to_number = x.to_number, status = x.status,
        duration = x.duration, ended = x.ended, event_count = x.event_count, transcript_count = x.transcript_count
      from (
        select s.*, coalesce(case when k.start_known then least(k.started_at, s.first_at) else s.first_at end, k.started_at) as starts
        from public.patchbay_summary(v_known) s join public.calls k on k.call_sid = s.call_sid) x
      where x.call_sid = c.call_sid
        and (c.started_at, c.start_known, c.direction, c.from_number, c.to_number, c.status, c.duration, c.ended,
             c.event_count, c.transcript_count) is distinct from
            (x.starts, c.start_known or x.first_at is not null, x.direction, x.from_number, x.to_number, x.status, x.duration,
             x.ended, x.event_count, x.transcript_count)
      returning c.call_sid, c.event_count = 0 and c.transcript_count = 0 and c.lead_id is null as empty)
    select array_agg(call_sid), v_empty || array_agg(call_sid) filter (where empty) into v_changed, v_empty from changed;
  end if;
  if v_empty is not null then
    delete from public.calls c
    where c.call_sid = any (v_empty) and c.event_count = 0 and c.transcript_count = 0 and c.lead_id is null and not c.set_aside
      and not exists (select from public.link_events e where e.call_sid = c.call_sid);
  end if;
  insert into public.judge_queue (call_sid) select unnest(v_new || v_changed);
  return coalesce(cardinality(v_new || v_changed), 0);
end $$;

-- Note an error of a trigger; if even that fails, say so in the server's log and go on.
create or replace function public.patchbay_note_error(p_relation text, p_operation text, p_state text, p_message text,
  p_leads bigint[] default null, p_old text[] default null, p_new text[] default null, p_gone boolean[] default null,
  p_sids text[] default null) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if p_leads is null then
    insert into public.link_errors (relation, operation, error, message, call_sids)
    values (p_relation, lower(p_operation), p_state, p_message, p_sids);
  else
    insert into public.link_errors (relation, operation, error, message, lead_id, old_slot, new_slot, gone)
    select p_relation, lower(p_operation), p_state, p_message, x.id, x.old, x.new, x.gone
    from unnest(p_leads, p_old, p_new, p_gone) as x (id, old, new, gone);
  end if;
exception when others then
  raise log 'patchbay: % on % was not followed: %', p_operation, p_relation, p_message;
end $$;

-- Trigger: follow changes of call_events and conversation_transcripts.
create or replace function public.patchbay_on_rows() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '500ms' as $$
declare
  v_sids text[];
begin
  if tg_op = 'INSERT' then
    select array_agg(distinct public.patchbay_sid(call_sid)) into v_sids from new_rows;
  elsif tg_op = 'DELETE' then
    select array_agg(distinct public.patchbay_sid(call_sid)) into v_sids from old_rows;
  elsif tg_op = 'UPDATE' then
    select array_agg(distinct public.patchbay_sid(x.call_sid)) into v_sids
    from (select call_sid from new_rows union select call_sid from old_rows) as x;
  else
    select array_agg(call_sid) into v_sids from public.calls where event_count > 0 or transcript_count > 0;
  end if;
  v_sids := array_remove(v_sids, null);
  if cardinality(v_sids) > 0 then perform public.patchbay_roll_up(v_sids); end if;
  return null;
exception when others then
  perform public.patchbay_note_error(tg_table_name, tg_op, sqlstate, sqlerrm, p_sids => v_sids);
  return null;
end $$;

-- Does the ledger know of a lead's slot? (An event may name a lead that a call passed to, and say nothing of its slot.)
create or replace function public.patchbay_slot_is_known(p_lead bigint) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.link_events e where e.lead_ids @> array[p_lead] and e.after -> 'leads' ? p_lead::text) $$;

-- What the ledger says a lead's slot holds; null too where it knows nothing of it.
create or replace function public.patchbay_ledger_slot(p_lead bigint) returns text
language sql stable security definer set search_path = '' as $$
  select e.after -> 'leads' ->> p_lead::text from public.link_events e
  where e.lead_ids @> array[p_lead] and e.after -> 'leads' ? p_lead::text order by e.id desc limit 1 $$;

-- Slots that the installation has not come to yet: when such a lead changes meanwhile, or its call, what it held is taken in
-- first, the lowest lead first, as the installation would have.
create or replace function public.patchbay_baseline_first(p_ids bigint[], p_old text[], p_new text[]) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_lead record;
begin
  if exists (select from public.patchbay_state where key = 'install' and value ->> 'phase' = 'done') then return; end if;
  for v_lead in
    select held.id, held.sid from (
      select x.id, x.sid from unnest(p_ids, p_old) as x (id, sid)
      union all
      select l.id, l.call_sid from public.leads l where l.call_sid = any (p_old || p_new) and l.id <> all (p_ids)) as held
    where held.sid is not null and not public.patchbay_slot_is_known(held.id) order by held.id
  loop
    perform public.patchbay_slot_changed(v_lead.id, null, v_lead.sid, 'baseline');
  end loop;
end $$;

-- A lead's slot changed (or was found changed). The lead and both calls are locked by the caller.
create or replace function public.patchbay_slot_changed(p_lead bigint, p_old text, p_new text, p_source text default 'outside')
returns void language plpgsql security definer set search_path = '' as $$
begin
  if p_new is not null then perform public.patchbay_slot_filled(p_lead, p_old, p_new, p_source); end if;
  if p_old is not null then perform public.patchbay_slot_left(p_lead, p_old, p_new, p_source); end if;
end $$;

-- The call in a slot that was just set becomes linked and current. Another lead that still has it in its own slot keeps it:
-- that is a claim, a conflict to be resolved.
create or replace function public.patchbay_slot_filled(p_lead bigint, p_old text, p_new text, p_source text)
returns void language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_call public.calls;
  v_holder bigint;
  v_action text;
begin
  select * into v_call from public.calls where call_sid = p_new;
  select id into v_holder from public.leads where id = v_call.lead_id and id <> p_lead and call_sid = p_new;
  if p_source = 'baseline' and v_holder is null then  -- its lead has just given it up: to the lowest one that has been read
    select id into v_holder from public.leads
    where call_sid = p_new and (id = p_lead or public.patchbay_ledger_slot(id) = p_new) order by id limit 1;
    v_holder := nullif(v_holder, p_lead);
  end if;
  v_action := case when v_holder is not null then 'claim' when v_call.lead_id is null then 'link'
                   when v_call.lead_id = p_lead then 'make_current' else 'move' end;
  update public.calls set lead_id = coalesce(v_holder, p_lead), set_aside = false, by_hand = false where call_sid = p_new;
  insert into public.judge_queue (call_sid) values (p_new);
  perform public.patchbay_record(v_action, p_source, p_new, p_lead,
    jsonb_build_object('call_lead', v_call.lead_id, 'set_aside', v_call.set_aside, 'by_hand', v_call.by_hand,
      'leads', jsonb_build_object(p_lead, p_old)),
    jsonb_build_object('call_lead', coalesce(v_holder, p_lead), 'set_aside', false, 'by_hand', false,
      'leads', jsonb_build_object(p_lead, p_new)));
end $$;

-- The call that a slot gave up: to another lead that claims it, else it stays as history; emptied by hand, it is unlinked.
create or replace function public.patchbay_slot_left(p_lead bigint, p_old text, p_new text, p_source text)
returns void language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_call public.calls;
  v_next bigint;
  v_slots_before jsonb := case when p_new is null then jsonb_build_object(p_lead, p_old) else '{}' end;
  v_slots_after jsonb := case when p_new is null then jsonb_build_object(p_lead, null) else '{}' end;
begin
  select * into v_call from public.calls where call_sid = p_old;
  v_next := v_call.lead_id;
  if v_call.lead_id = p_lead then
    select min(id) into v_next from public.leads where call_sid = p_old and id <> p_lead;
    if p_new is not null then v_next := coalesce(v_next, p_lead); end if;
  end if;
  if p_new is not null and v_next is not distinct from v_call.lead_id then return; end if;
  update public.calls set lead_id = v_next, by_hand = by_hand or v_next is null where call_sid = p_old;
  insert into public.judge_queue (call_sid) values (p_old);
  perform public.patchbay_record(
    case when v_next is null then 'unlink' when v_next = v_call.lead_id then 'unclaim' else 'move' end,
    p_source, p_old, p_lead,
    jsonb_build_object('call_lead', v_call.lead_id, 'set_aside', v_call.set_aside, 'by_hand', v_call.by_hand, 'leads', v_slots_before),
    public.patchbay_facts(p_old, '{}') || jsonb_build_object('leads', v_slots_after));
end $$;

-- A lead is gone: each of its calls goes to a lead that claims it, else is unlinked; the ledger keeps whose it was.
create or replace function public.patchbay_lead_gone(p_lead bigint, p_slot text) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_call public.calls;
  v_held boolean;
begin
  for v_call in
    select * from public.calls where lead_id = p_lead union select * from public.calls where call_sid = p_slot order by call_sid
  loop
    v_held := v_call.call_sid is not distinct from p_slot;
    update public.calls c set lead_id = (select min(l.id) from public.leads l where l.call_sid = c.call_sid)
    where c.call_sid = v_call.call_sid and c.lead_id = p_lead;
    insert into public.judge_queue (call_sid) values (v_call.call_sid);
    perform public.patchbay_record('lead_deleted', 'outside', v_call.call_sid, p_lead,
      jsonb_build_object('call_lead', v_call.lead_id, 'set_aside', v_call.set_aside, 'by_hand', v_call.by_hand,
        'leads', case when v_held then jsonb_build_object(p_lead, p_slot) else '{}' end),
      public.patchbay_facts(v_call.call_sid, '{}')
        || jsonb_build_object('leads', case when v_held then jsonb_build_object(p_lead, null) else '{}'::jsonb end));
  end loop;
end $$;

-- Follow a set of slot changes: lock every call involved in SID order, then filled slots first, so that a call which changes
-- hands in one statement moves instead of being unlinked and linked.
create or replace function public.patchbay_follow_leads(p_ids bigint[], p_old text[], p_new text[], p_gone boolean[],
  p_source text default 'outside') returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_change record;
begin
  perform public.patchbay_lock_calls(array(
    select unnest(p_old || p_new)
    union select c.call_sid from public.calls c join unnest(p_ids, p_gone) as x (id, gone) on x.gone and c.lead_id = x.id));
  if p_source = 'outside' then perform public.patchbay_baseline_first(p_ids, p_old, p_new); end if;
  for v_change in
    select * from unnest(p_ids, p_old, p_new, p_gone) as x (id, old, new, gone) order by x.new is null, x.id
  loop
    -- rewritten since by a trigger of the customer's: that change is followed by itself
    continue when not v_change.gone
      and v_change.new is distinct from (select public.patchbay_sid(call_sid) from public.leads where id = v_change.id);
    if v_change.gone then perform public.patchbay_lead_gone(v_change.id, v_change.old);
    else perform public.patchbay_slot_changed(v_change.id, v_change.old, v_change.new, p_source); end if;
  end loop;
end $$;

-- Trigger: follow changes of leads. Our own commands announce themselves by a setting that lives as long as their function.
create or replace function public.patchbay_on_leads() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '500ms' as $$
declare
  v_ids bigint[]; v_old text[]; v_new text[]; v_gone boolean[];
begin
  if current_setting('patchbay.writer', true) = 'ours' then return null; end if;
  if tg_op = 'INSERT' then
    select array_agg(id), array_agg(null::text), array_agg(slot), array_agg(false) into v_ids, v_old, v_new, v_gone
    from (select id, public.patchbay_sid(call_sid) as slot from new_rows) as x where slot is not null;
    perform public.patchbay_note_leads(array(select id from new_rows where phone is not null or notes is not null));
  elsif tg_op = 'UPDATE' then  -- a lead whose id changed is one gone and one new
    select array_agg(id), array_agg(was), array_agg(slot), array_agg(gone) into v_ids, v_old, v_new, v_gone
    from (
      select coalesce(o.id, n.id) as id, public.patchbay_sid(o.call_sid) as was, public.patchbay_sid(n.call_sid) as slot, n.id is null as gone
      from old_rows o full join new_rows n on n.id = o.id) as x
    where was is distinct from slot or gone;
    perform public.patchbay_note_leads(array(
      select coalesce(o.id, n.id) from old_rows o full join new_rows n on n.id = o.id
      where (o.phone, o.notes) is distinct from (n.phone, n.notes) or o.id is null or n.id is null));
  elsif tg_op = 'DELETE' then
    select array_agg(id), array_agg(public.patchbay_sid(call_sid)), array_agg(null::text), array_agg(true)
    into v_ids, v_old, v_new, v_gone from old_rows;
    perform public.patchbay_note_leads(array(select id from old_rows));
  else
    select array_agg(lead), array_agg(r.call_sid), array_agg(null::text), array_agg(true) into v_ids, v_old, v_new, v_gone
    from (select lead_id as lead from public.calls where lead_id is not null
          union select lead_id from public.link_replay_slots where call_sid is not null) as x
    left join public.link_replay_slots r on r.lead_id = x.lead;
    perform public.patchbay_note_leads(array(select lead_id from public.lead_numbers union select lead_id from public.lead_mentions));
  end if;
  if v_ids is not null then perform public.patchbay_follow_leads(v_ids, v_old, v_new, v_gone); end if;
  return null;
exception when others then
  perform public.patchbay_note_error(tg_table_name, tg_op, sqlstate, sqlerrm, v_ids, v_old, v_new, v_gone);
  return null;
end $$;
