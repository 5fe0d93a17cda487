-- Installation, rebuild, drift, and who may call what. The triggers come first (short locks); the backfill follows in steps
-- that are transactions of their own: patchbay_install_step until it returns 0. Idempotent; may be pasted.

set local lock_timeout = '2s';

-- Take in up to p_batch slots: each becomes a link with a baseline event, the lowest lead id first where several claim a call.
create or replace function public.patchbay_take_in_slots(p_ids bigint[]) returns void
language plpgsql security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_claim record;
begin
  perform 1 from public.leads where id = any (p_ids) order by id for update;
  create temp table if not exists patchbay_slots (lead_id bigint, sid text, seen timestamptz) on commit drop;
  truncate pg_temp.patchbay_slots;
  insert into pg_temp.patchbay_slots
  select l.id, public.patchbay_sid(l.call_sid), coalesce(l.last_contacted_at::timestamptz, l.created_at::timestamptz, clock_timestamp())
  from public.leads l
  where l.id = any (p_ids) and public.patchbay_sid(l.call_sid) is not null
    and l.id <> all (array(  -- once for all of them: see patchbay_slot_is_known
      select k::bigint from public.link_events e cross join lateral jsonb_object_keys(e.after -> 'leads') as k where e.lead_ids && p_ids));
  insert into public.calls (call_sid, started_at) select sid, min(seen) from pg_temp.patchbay_slots group by sid order by sid
  on conflict do nothing;
  perform 1 from public.calls where call_sid in (select sid from pg_temp.patchbay_slots) order by call_sid for update;
  -- nobody else claims these: all at once
  with plain as (
    select s.* from pg_temp.patchbay_slots s join public.calls c on c.call_sid = s.sid
    where c.lead_id is null and not c.by_hand and not c.set_aside
      and not exists (select from public.leads o where o.call_sid = s.sid and o.id <> s.lead_id))
  , linked as (update public.calls c set lead_id = p.lead_id from plain p where c.call_sid = p.sid returning c.call_sid, c.lead_id)
  , done as (delete from pg_temp.patchbay_slots s using plain p where s.lead_id = p.lead_id)
  , queued as (insert into public.judge_queue (call_sid) select call_sid from linked)
  insert into public.link_events (actor, source, action, call_sid, lead_id, before, after, lead_ids)
  select public.patchbay_writer(), 'baseline', 'link', call_sid, lead_id,
    jsonb_build_object('call_lead', null, 'set_aside', false, 'by_hand', false, 'leads', jsonb_build_object(lead_id, null)),
    jsonb_build_object('call_lead', lead_id, 'set_aside', false, 'by_hand', false, 'leads', jsonb_build_object(lead_id, call_sid)),
    array[lead_id]
  from linked order by lead_id;
  for v_claim in
    select s.* from pg_temp.patchbay_slots s order by s.lead_id
  loop
    perform public.patchbay_slot_changed(v_claim.lead_id, null, v_claim.sid, 'baseline');
  end loop;
end $$;

-- One step of the installation; returns how many rows it looked at, 0 when all is done. Phases: the customer's calls are rolled
-- up by SID from event rows, then from transcripts, then leads are read by id (slots, numbers, SIDs in notes).
create or replace function public.patchbay_install_step(p_batch int default 1000) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_state jsonb;
  v_phase text;
  v_after text;
  v_sids text[];
  v_ids bigint[];
begin
  perform public.patchbay_set_state('install', '{"phase": "call_events"}')
  where not exists (select from public.patchbay_state where key = 'install');
  select value into v_state from public.patchbay_state where key = 'install' for update;
  v_phase := v_state ->> 'phase';
  v_after := v_state ->> 'after';
  if v_phase in ('call_events', 'conversation_transcripts') then
    execute format('select array_agg(call_sid) from (select distinct call_sid::text as call_sid from public.%I
      where call_sid is not null and ($1 is null or call_sid > $1) order by 1 limit $2) as x', v_phase) into v_sids using v_after, p_batch;
    if v_sids is null then
      v_state := jsonb_build_object('phase', case v_phase when 'call_events' then 'conversation_transcripts' else 'leads' end);
      perform public.patchbay_set_state('install', v_state);
      return 1;
    end if;
    perform public.patchbay_roll_up(array_remove(array(select public.patchbay_sid(s) from unnest(v_sids) as s order by 1), null));
    perform public.patchbay_set_state('install', jsonb_build_object('phase', v_phase, 'after', v_sids[cardinality(v_sids)]));
    return cardinality(v_sids);
  elsif v_phase = 'leads' then
    v_ids := array(select l.id from public.leads l where v_after is null or l.id > v_after::bigint order by l.id limit p_batch);
    if cardinality(v_ids) = 0 then
      perform public.patchbay_set_state('install', '{"phase": "done"}');
      return 1;
    end if;
    perform public.patchbay_take_in_slots(v_ids);
    perform public.patchbay_note_leads(v_ids);
    perform public.patchbay_set_state('install', jsonb_build_object('phase', 'leads', 'after', v_ids[cardinality(v_ids)]));
    return cardinality(v_ids);
  end if;
  return 0;
end $$;

-- Everything that is not as rows, slots and ledger say; empty when all is well. A start may be earlier than its rows, never later.
create or replace view public.link_drift with (security_invoker) as
with known as (
  select call_sid::text from public.calls union select call_sid from public.link_events
  union select public.patchbay_sid(call_sid) from public.call_events
  union select public.patchbay_sid(call_sid) from public.conversation_transcripts)
select 'roll-up' as kind, s.call_sid as key, to_jsonb(s) as should_be, to_jsonb(c) as is_now
  from public.patchbay_summary(array(select call_sid from known where call_sid is not null)) s
  left join public.calls c on c.call_sid = s.call_sid
  where (s.direction, s.from_number, s.to_number, s.status, s.duration, s.ended, s.event_count, s.transcript_count) is distinct from
        (c.direction, c.from_number, c.to_number, c.status, c.duration, c.ended, c.event_count, c.transcript_count)
     or c.started_at > s.first_at or c.start_known is distinct from (c.start_known or s.first_at is not null)
union all
select 'link', coalesce(r.call_sid, c.call_sid), to_jsonb(r), to_jsonb(c)
  from public.link_replay_calls r full join public.calls c on c.call_sid = r.call_sid
  where (r.lead_id, coalesce(r.set_aside, false), coalesce(r.by_hand, false)) is distinct from (c.lead_id, c.set_aside, c.by_hand)
union all
select 'slot', coalesce(r.lead_id, l.id)::text, to_jsonb(r.call_sid), to_jsonb(l.call_sid)
  from public.link_replay_slots r full join public.leads l on l.id = r.lead_id
  where r.call_sid is distinct from public.patchbay_sid(l.call_sid)
union all  -- the invariant: a slot is null or names a call that is linked to that lead, claims excepted
select 'invariant', l.id::text, null, to_jsonb(c) from public.leads l left join public.calls c on c.call_sid = l.call_sid
  where public.patchbay_sid(l.call_sid) is not null and c.lead_id is distinct from l.id
    and not exists (select from public.leads h where h.id = c.lead_id and h.call_sid = l.call_sid);

-- Replay what triggers could not follow, oldest first. One that fails stays for the next time and does not stop the others; no
-- lock is waited for long: a writer may hold a lead for minutes. Returns how many were replayed.
create or replace function public.patchbay_replay_errors(p_limit int default 1000) returns int
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_error public.link_errors;
  v_began timestamptz := clock_timestamp();
  v_count int := 0;
begin
  for v_error in select * from public.link_errors where replayed_at is null order by id limit p_limit for update skip locked loop
    begin
      if v_error.lead_id is not null then perform public.patchbay_replay_slot(v_error, v_began);
      elsif v_error.relation = 'leads' then
        perform public.patchbay_note_leads(array(select id from public.leads
          union select lead_id from public.lead_numbers union select lead_id from public.lead_mentions));
      else
        perform public.patchbay_roll_up(coalesce(v_error.call_sids, array(select call_sid::text from public.calls)));
      end if;
      update public.link_errors set replayed_at = clock_timestamp() where id = v_error.id;
      v_count := v_count + 1;
    exception when others then
      raise log 'patchbay: missed change % could not be replayed: %', v_error.id, sqlerrm;
    end;
  end loop;
  return v_count;
end $$;

-- Replay one missed slot change. A slot that still holds what the writer set is followed as usual; then the calls that passed
-- through it meanwhile are looked at.
create or replace function public.patchbay_replay_slot(p_error public.link_errors, p_began timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_known text;
  v_slot text;
begin
  perform 1 from public.leads where id = p_error.lead_id for update;
  perform public.patchbay_note_leads(array[p_error.lead_id]);
  perform public.patchbay_lock_calls(array_remove(array[p_error.old_slot, p_error.new_slot], null));
  v_known := public.patchbay_ledger_slot(p_error.lead_id);
  v_slot := (select public.patchbay_sid(call_sid) from public.leads where id = p_error.lead_id);
  if p_error.gone then
    perform public.patchbay_lead_gone(p_error.lead_id, p_error.old_slot)
    where not exists (select from public.leads where id = p_error.lead_id);
  else
    if v_slot is not distinct from p_error.new_slot and v_known is distinct from v_slot then
      perform public.patchbay_slot_changed(p_error.lead_id, p_error.old_slot, v_slot);
    end if;
    perform public.patchbay_replay_passed(p_error.lead_id, p_error.old_slot, p_error.new_slot, p_error.at, p_began);
  end if;
end $$;

-- What a missed slot change left behind where the slot alone does not tell: the call it set is the lead's history, the call it
-- emptied is unlinked by hand, unless the ledger says (from after the change was missed, before this replay) what became of it.
create or replace function public.patchbay_replay_passed(p_lead bigint, p_old text, p_new text, p_missed_at timestamptz,
  p_began timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_call public.calls;
begin
  select * into v_call from public.calls where call_sid = coalesce(p_new, p_old);
  if exists (select from public.link_events e where e.call_sid = v_call.call_sid and e.at > p_missed_at and e.at < p_began) then return; end if;
  if p_new is not null and v_call.lead_id is distinct from p_lead and exists (select from public.leads where id = p_lead)
     and not exists (select from public.leads where id = v_call.lead_id and call_sid = p_new) then
    update public.calls set lead_id = p_lead, set_aside = false, by_hand = false where call_sid = p_new;
  elsif p_new is null and v_call.lead_id = p_lead
     and not exists (select from public.leads where call_sid = p_old) then
    update public.calls set lead_id = null, by_hand = true where call_sid = p_old;
  else return;
  end if;
  insert into public.judge_queue (call_sid) values (v_call.call_sid);
  perform public.patchbay_record(
    case when p_new is null then 'unlink' when v_call.lead_id is null then 'link' else 'move' end, 'outside', v_call.call_sid, p_lead,
    jsonb_build_object('call_lead', v_call.lead_id, 'set_aside', v_call.set_aside, 'by_hand', v_call.by_hand, 'leads', '{}'::jsonb),
    public.patchbay_facts(v_call.call_sid, '{}'));
end $$;

-- Roll up the next p_batch calls after a SID; {"after", "changed"}, or null when there are no more. Rebuild goes through them in
-- transactions of their own, so that no writer waits for the whole.
create or replace function public.patchbay_roll_up_after(p_after text, p_batch int default 1000) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1s' as $$
declare
  v_sids text[];
begin
  v_sids := array(
    select x.sid from (
      (select call_sid::text as sid from public.calls where call_sid > p_after order by 1 limit p_batch)
      union (select distinct call_sid::text from public.link_events where call_sid > p_after order by 1 limit p_batch)
      union (select distinct call_sid::text from public.call_events
             where call_sid > p_after and public.patchbay_sid(call_sid) is not null order by 1 limit p_batch)
      union (select distinct call_sid::text from public.conversation_transcripts
             where call_sid > p_after and public.patchbay_sid(call_sid) is not null order by 1 limit p_batch)) as x
    order by x.sid limit p_batch);
  if cardinality(v_sids) = 0 then return null; end if;
  return jsonb_build_object('after', v_sids[cardinality(v_sids)], 'changed', public.patchbay_roll_up(v_sids));
end $$;

-- Repair whatever drifted (triggers were off, a restore …): replay missed changes, follow slots that differ from the ledger,
-- roll every call up again (unless that was done in steps), take links from the ledger. Returns what differed.
create or replace function public.patchbay_rebuild(p_roll_up boolean default true) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '1s' as $$
declare
  v_ids bigint[]; v_old text[]; v_new text[]; v_gone boolean[];
  v_errors int := 0;
  v_links int;
  v_rolled int := 0;
begin
  v_errors := public.patchbay_replay_errors(100000);
  while public.patchbay_install_step(1000) > 0 loop end loop;
  perform 1 from public.leads l left join public.link_replay_slots r on r.lead_id = l.id
  where r.call_sid is distinct from public.patchbay_sid(l.call_sid) order by l.id for update of l;
  select array_agg(id), array_agg(was), array_agg(slot), array_agg(gone) into v_ids, v_old, v_new, v_gone from (
    select coalesce(l.id, r.lead_id) as id, r.call_sid as was, public.patchbay_sid(l.call_sid) as slot, l.id is null as gone
    from public.leads l full join public.link_replay_slots r on r.lead_id = l.id
    where r.call_sid is distinct from public.patchbay_sid(l.call_sid)) as x;
  if p_roll_up then
    v_rolled := public.patchbay_roll_up(array(
      select x.sid from (
        select call_sid::text as sid from public.calls union select call_sid from public.link_events
        union select public.patchbay_sid(call_sid) from public.call_events
        union select public.patchbay_sid(call_sid) from public.conversation_transcripts) as x where x.sid is not null order by x.sid));
  end if;
  with differs as (
    select c.call_sid, r.lead_id, coalesce(r.set_aside, false) as set_aside, coalesce(r.by_hand, false) as by_hand
    from public.calls c left join public.link_replay_calls r on r.call_sid = c.call_sid
    where (c.lead_id, c.set_aside, c.by_hand) is distinct from (r.lead_id, coalesce(r.set_aside, false), coalesce(r.by_hand, false)))
  , queued as (insert into public.judge_queue (call_sid) select call_sid from differs)
  update public.calls c set lead_id = d.lead_id, set_aside = d.set_aside, by_hand = d.by_hand from differs d where d.call_sid = c.call_sid;
  get diagnostics v_links = row_count;
  if v_ids is not null then perform public.patchbay_follow_leads(v_ids, v_old, v_new, v_gone); end if;
  perform public.patchbay_note_leads(array(select id from public.leads
    union select lead_id from public.lead_numbers union select lead_id from public.lead_mentions));
  return jsonb_build_object('roll_ups', v_rolled, 'links', v_links, 'slots', coalesce(cardinality(v_ids), 0), 'missed_changes', v_errors);
end $$;

-- The newest migration that these objects come from; readers refuse to work with another.
create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122000900' $$;

-- Facts for the System page's checks.
create or replace function public.patchbay_doctor() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'server_version', current_setting('server_version'),
    'schema_version', public.patchbay_schema_version(),
    'install_phase', (select value ->> 'phase' from public.patchbay_state where key = 'install'),
    'call_sid_column', (select format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
      where a.attrelid = 'public.leads'::regclass and a.attname = 'call_sid' and not a.attisdropped),
    'call_sid_index', exists (select from pg_catalog.pg_class where oid = to_regclass('public.idx_leads_call_sid')),
    'call_sid_unique', public.has_call_sid_constraint(),
    'duplicate_slots', (select count(*)::int from public.duplicate_slots),
    'triggers_missing', (select coalesce(jsonb_agg(t.relation || '.' || t.name order by 1), '[]')
      from (select r as relation, n as name from unnest(array['leads', 'call_events', 'conversation_transcripts']) as r,
            unnest(array['patchbay_inserted', 'patchbay_updated', 'patchbay_deleted', 'patchbay_emptied']) as n) as t
      where not exists (select from pg_catalog.pg_trigger g where g.tgrelid = format('public.%I', t.relation)::regclass
        and g.tgname = t.name and g.tgenabled <> 'D')),
    'missed_changes', (select count(*)::int from public.link_errors where replayed_at is null),
    'judge_queue', (select count(*)::int from public.judge_queue) + (select count(*)::int from public.judge_marks),
    'drift', (select coalesce(jsonb_object_agg(kind, n), '{}') from (select kind, count(*)::int as n from public.link_drift group by kind) as d),
    'own_numbers', (select coalesce(jsonb_agg(to_jsonb(o) order by o.number), '[]') from public.own_numbers o)) $$;

-- The triggers, one short transaction.
do $$
declare
  v_relation text;
  v_follow text;
begin
  foreach v_relation in array array['call_events', 'conversation_transcripts', 'leads'] loop
    v_follow := case v_relation when 'leads' then 'patchbay_on_leads' else 'patchbay_on_rows' end;
    continue when 4 = (select count(*) from pg_catalog.pg_trigger where tgrelid = format('public.%I', v_relation)::regclass
                       and tgname in ('patchbay_inserted', 'patchbay_updated', 'patchbay_deleted', 'patchbay_emptied'));
    execute format('create or replace trigger patchbay_inserted after insert on public.%1$I referencing new table as new_rows
      for each statement execute function public.%2$I()', v_relation, v_follow);
    execute format('create or replace trigger patchbay_updated after update on public.%1$I referencing old table as old_rows new table as new_rows
      for each statement execute function public.%2$I()', v_relation, v_follow);
    execute format('create or replace trigger patchbay_deleted after delete on public.%1$I referencing old table as old_rows
      for each statement execute function public.%2$I()', v_relation, v_follow);
    execute format('create or replace trigger patchbay_emptied after truncate on public.%1$I
      for each statement execute function public.%2$I()', v_relation, v_follow);
  end loop;
end $$;

-- Who may do what: until roles exist nobody but the owner and a service's key. (Hosted defaults grant anon a lot.) For our
-- tables, views and functions of these names, and every function whose name begins with patchbay_.
create or replace function public.patchbay_lock_down(p_names text[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_object record;
  v_role text;
begin
  for v_object in
    select 'function ' || p.oid::regprocedure as name, 'execute' as service from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and (p.proname like 'patchbay\_%'
      or p.proname = any (p_names) and array_to_string(p.proconfig, ',') like '%search_path=%')  -- ours pin it; a namesake of the customer's is left alone
    union all
    select 'table ' || c.oid::regclass, 'select' from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') and c.relname = any (p_names)
  loop
    execute format('revoke all on %s from public', v_object.name);
    for v_role in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
      execute format('revoke all on %s from %I', v_object.name, v_role);
    end loop;
    for v_role in select rolname from pg_catalog.pg_roles where rolname = 'service_role' loop
      execute format('grant %s on %s to %I', v_object.service, v_object.name, v_role);
    end loop;
  end loop;
end $$;

select public.patchbay_lock_down(array[
  'calls', 'link_events', 'link_event_values', 'link_errors', 'judge_queue', 'judge_marks', 'lead_numbers', 'lead_mentions', 'own_numbers',
  'patchbay_state', 'call_links', 'link_replay_slots', 'link_replay_calls', 'link_drift', 'duplicate_slots',
  'link_call', 'unlink_call', 'relink_call', 'set_aside_call', 'restore_call', 'undo_link_event', 'judge_batch', 'judge_facts',
  'leads_with_keys', 'leads_by_ids', 'write_judgements', 'requeue_all_calls', 'own_number_sample', 'note_own_numbers',
  'call_links_matching', 'find_calls', 'call_story', 'link_activity', 'calls_per_day', 'add_call_sid_constraint', 'has_call_sid_constraint']);

notify pgrst, 'reload schema';
