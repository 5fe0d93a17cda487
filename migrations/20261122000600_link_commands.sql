-- The repairs, as one transaction each: link, unlink, relink, set aside, restore, undo. Every command compares what the
-- operator saw (expect), swaps, and appends one link event; one that changes nothing returns null.
--
-- Errors: PB001 not found · PB002 the call belongs to another lead · PB003 stale (detail: the facts that differ, as they are
-- now) · PB004 refused · PB005 request id used for something else · PB006 busy, repeat it · PB007 bad input.
-- (Never 40001: PostgREST repeats that endlessly.)
-- p_options: actor, reason, evidence, batch_id, request_id · current: move the slot regardless · mode: person | worker |
-- automatic · create, started_at: the call may be unknown so far, and when it was dialled · mark_contacted: true or lead ids ·
-- expect: facts that must hold before · promise: facts that must hold after · preview: say what would be, write nothing.
-- Idempotent; may be pasted.

-- The event that this request wrote already, or null. Two requests with one id wait for each other here.
create or replace function public.patchbay_repeated(p_options jsonb) returns public.link_events
language plpgsql security definer set search_path = '' as $$
declare
  v_event public.link_events;
begin
  if p_options ->> 'request_id' is null then return null; end if;
  perform pg_advisory_xact_lock(hashtextextended('patchbay ' || (p_options ->> 'request_id'), 0));
  select * into v_event from public.link_events where request_id = p_options ->> 'request_id';
  if v_event.id is not null and v_event.request is distinct from p_options -> 'request' then
    raise exception using errcode = 'PB005', message = 'this request id was already used for another command',
      hint = 'Use a new request id for every command.';
  end if;
  return v_event;
end $$;

-- The options with the command's own words added, so that a repeated request can be told from another use of its id.
create or replace function public.patchbay_options(p_options jsonb, variadic p_request text[]) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(p_options, '{}') || jsonb_build_object('actor', public.patchbay_actor(p_options ->> 'actor'), 'request',
    to_jsonb(p_request) || jsonb_build_array(coalesce((p_options ->> 'current')::boolean, false), coalesce(p_options ->> 'mode', 'person'),
      coalesce(p_options -> 'mark_contacted', 'false'))) $$;

-- Lock what a command on a call may touch: leads by id (the given ones, the call's, every one that carries the SID), then calls
-- by SID (this one, the given ones, and each lead's newest other call, which a slot may fall back to). Then check that nobody
-- was faster, and that what the operator saw still holds.
create or replace function public.patchbay_lock(p_sid text, p_options jsonb, p_leads bigint[] default '{}', p_sids text[] default '{}')
returns public.calls language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_leads bigint[];
  v_sids text[];
  v_call public.calls;
  v_broken jsonb;
  v_last record;
begin
  if not exists (select from public.patchbay_state where key = 'install' and value ->> 'phase' = 'done') then
    raise exception using errcode = 'PB006', message = 'The installation is still reading the leads.', hint = 'Try again in a moment.';
  end if;
  select array_agg(x.id) into v_leads from (
    select l.id from public.leads l
    where l.id = any (p_leads) or l.call_sid = p_sid or l.id = (select c.lead_id from public.calls c where c.call_sid = p_sid)
    order by l.id for update) as x;  -- call_sid is a key: "no key update" would not do
  v_sids := array(select p_sid union select unnest(p_sids) union select public.patchbay_newest(i, p_sid) from unnest(v_leads) as i);
  if (p_options ->> 'create')::boolean then
    if public.patchbay_sid(p_sid) is null then
      raise exception using errcode = 'PB007', message = 'A Call SID has 1 to 50 characters and is not blank.';
    end if;
    perform public.patchbay_lock_calls(v_sids, coalesce((p_options ->> 'started_at')::timestamptz, clock_timestamp()));
  else
    perform 1 from public.calls where call_sid = any (v_sids) order by call_sid for update;
  end if;
  select * into v_call from public.calls where call_sid = p_sid;
  if v_call.call_sid is null then
    raise exception using errcode = 'PB001', message = format('There is no call %s.', p_sid),
      hint = 'Look the Call SID up to see what is known of it.';
  end if;
  if exists (select from public.leads l
             where (l.id = v_call.lead_id or l.call_sid = p_sid) and l.id <> all (coalesce(v_leads, '{}')))
     or exists (select from unnest(v_leads) as i where public.patchbay_newest(i, p_sid) <> all (v_sids)) then
    raise exception using errcode = 'PB006', message = 'Somebody else is changing this call.', hint = 'Try again.';
  end if;
  v_broken := public.patchbay_broken_facts(p_sid, coalesce(p_options -> 'expect', '{}'));
  if v_broken <> '{}' then
    select e.action, e.actor, e.at into v_last from public.link_events e
    where e.call_sid = p_sid or e.lead_ids && public.patchbay_keys(p_options #> '{expect,leads}') order by e.id desc limit 1;
    raise exception using errcode = 'PB003', message = 'It changed since you looked; nothing was written.', detail = v_broken,
      hint = coalesce(format('Last change: %s by %s at %s.', v_last.action, v_last.actor,
        to_char(v_last.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')), 'Look again.');
  end if;
  return v_call;
end $$;

-- Refuse a lead that does not exist.
create or replace function public.patchbay_need_lead(p_lead bigint) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if not exists (select from public.leads where id = p_lead) then
    raise exception using errcode = 'PB001', message = format('There is no lead %s.', p_lead),
      hint = 'It may have been deleted meanwhile.';
  end if;
end $$;

-- Set slots {lead: sid}, freeing first every SID that changes hands (UNIQUE is checked row by row). The UNIQUE index is a lock
-- too: an outside writer can hold a SID in it and wait for a call that we hold. So give way at once (PB006).
-- search_path: the customer's own triggers on leads run inside, and may rely on the usual one.
create or replace function public.patchbay_set_slots(p_slots jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, public, extensions, pg_temp set enable_seqscan = off set patchbay.writer = 'ours' set lock_timeout = '10ms' as $$
declare
  v_slot record;
begin
  update public.leads l set call_sid = null
  from jsonb_each_text(p_slots) as own, jsonb_each_text(p_slots) as other
  where l.id = own.key::bigint and other.key <> own.key and l.call_sid = other.value and l.call_sid is distinct from own.value;
  for v_slot in select key::bigint as lead, value as sid from jsonb_each_text(p_slots) order by 1 loop
    update public.leads set call_sid = v_slot.sid where id = v_slot.lead and call_sid is distinct from v_slot.sid;
  end loop;
exception when unique_violation or lock_not_available then
  raise exception using errcode = 'PB006', message = 'Another lead has just taken one of these calls.', hint = 'Try again.';
end $$;

-- The leads that p_options asks to mark as contacted, as {lead: {"lead_status": "contacted"}}: of those that the command
-- touches, the ones that the backend's automation may dial (status 'new').
create or replace function public.patchbay_to_mark(p_options jsonb, p_touched bigint[]) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_wanted jsonb := coalesce(p_options -> 'mark_contacted', 'false');
  v_ids bigint[];
begin
  if jsonb_typeof(v_wanted) = 'array' then
    v_ids := array(select value::bigint from jsonb_array_elements_text(v_wanted));
    if not v_ids <@ p_touched then
      raise exception using errcode = 'PB007', message = 'mark_contacted names a lead that this command does not touch';
    end if;
  elsif v_wanted = 'true' then v_ids := p_touched;
  end if;
  return coalesce((select jsonb_object_agg(l.id, jsonb_build_object('lead_status', 'contacted'))
    from public.leads l where l.id = any (v_ids) and l.lead_status = 'new'), '{}');
end $$;

-- Refuse an outcome that would break "a slot is null or names a call that is linked to that lead".
create or replace function public.patchbay_check_outcome(p_sid text, p_before jsonb, p_after jsonb) returns void
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_lead bigint;
  v_sid text;
begin
  -- A slot that two leads claim is only moved by resolving the claim (relink of that call): its link would have to pass on.
  select o.id, b.value into v_lead, v_sid from jsonb_each_text(p_before -> 'leads') as b
  join public.calls c on c.call_sid = b.value and c.lead_id = b.key::bigint
  join public.leads o on o.call_sid = b.value and o.id <> c.lead_id where b.value <> p_sid limit 1;
  if v_lead is not null then
    raise exception using errcode = 'PB004', message = format('Lead %s claims the call %s too.', v_lead, v_sid),
      hint = 'Resolve that conflict first: relink that call to the right lead.';
  end if;
  -- With the constraint, a SID that goes into a slot cannot stand in another lead's slot that stays as it is.
  select l.id, w.value into v_lead, v_sid from jsonb_each_text(p_after -> 'leads') as w
  join public.leads l on l.call_sid = w.value and not (p_after -> 'leads') ? l.id::text
  where public.has_call_sid_constraint() limit 1;
  if v_lead is not null then
    raise exception using errcode = 'PB004', message = format('The call %s is the current call of lead %s.', v_sid, v_lead),
      hint = 'Relink or unlink it there first.';
  end if;
  -- No slot may name this call but its lead's.
  select x.id into v_lead from (
    select l.id from public.leads l where l.call_sid = p_sid and not (p_after -> 'leads') ? l.id::text
    union all select w.key::bigint from jsonb_each_text(p_after -> 'leads') as w where w.value = p_sid) as x
  where x.id is distinct from (p_after ->> 'call_lead')::bigint and not exists (
    select from public.leads h where h.id = (p_after ->> 'call_lead')::bigint
      and p_sid = case when (p_after -> 'leads') ? h.id::text then p_after -> 'leads' ->> h.id::text else h.call_sid end) limit 1;
  if v_lead is not null then
    raise exception using errcode = 'PB004', message = format('The call is in the slot of lead %s, which this would not change.', v_lead),
      hint = 'Relink or unlink it there first.';
  end if;
end $$;

-- The part of wanted rows that is otherwise now: after (what is wanted) and before (what is there, the same columns).
create or replace function public.patchbay_row_changes(p_wanted jsonb, out before jsonb, out after jsonb)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_row record;
  v_change jsonb;
begin
  before := '{}'; after := '{}';
  for v_row in
    select t.key as relation, r.key as id, r.value as image, public.patchbay_row(t.key, r.key) as is_now
    from jsonb_each(coalesce(p_wanted, '{}')) as t, jsonb_each(t.value) as r
  loop
    if v_row.image = 'null' then
      continue when v_row.is_now is null;
      v_change := v_row.is_now;
    elsif v_row.is_now is null then v_change := null;
    else
      select jsonb_object_agg(c.key, v_row.is_now -> c.key), jsonb_object_agg(c.key, c.value) into v_change, v_row.image
      from jsonb_each(v_row.image) as c where v_row.is_now -> c.key is distinct from c.value;
      continue when v_change is null;
    end if;
    before := before || jsonb_build_object(v_row.relation,
      coalesce(before -> v_row.relation, '{}') || jsonb_build_object(v_row.id, v_change));
    after := after || jsonb_build_object(v_row.relation,
      coalesce(after -> v_row.relation, '{}') || jsonb_build_object(v_row.id, v_row.image));
  end loop;
end $$;

-- Carry a command out: compare, swap, record. p_after: call_lead, set_aside, by_hand, leads (wanted slots) and rows (wanted rows);
-- what is so already is dropped. Returns the event, or null when nothing changes.
create or replace function public.patchbay_apply(p_action text, p_sid text, p_lead bigint, p_after jsonb, p_options jsonb,
  p_undoes bigint default null) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_before jsonb := public.patchbay_facts(p_sid, public.patchbay_keys(p_after -> 'leads'));
  v_slots jsonb := coalesce((select jsonb_object_agg(w.key, w.value) from jsonb_each(p_after -> 'leads') as w
                             where v_before -> 'leads' -> w.key is distinct from w.value), '{}');
  v_marks jsonb := public.patchbay_to_mark(p_options, public.patchbay_keys(p_after -> 'leads')
    || array_remove(array[p_lead, (p_after ->> 'call_lead')::bigint, (v_before ->> 'call_lead')::bigint], null));
  v_rows record;
  v_after jsonb := (p_after - 'rows') || jsonb_build_object('leads', v_slots);
  v_event public.link_events;
  v_broken jsonb;
begin
  v_before := v_before || jsonb_build_object('leads', coalesce((select jsonb_object_agg(k, v_before -> 'leads' -> k)
    from jsonb_object_keys(v_slots) as k), '{}'));
  if p_after ? 'rows' or v_marks <> '{}' then
    v_rows := public.patchbay_row_changes(coalesce(p_after -> 'rows', '{}')
      || case when v_marks <> '{}' then jsonb_build_object('leads', coalesce(p_after #> '{rows,leads}', '{}') || v_marks) else '{}' end);
    if v_rows.after <> '{}' then
      v_before := v_before || jsonb_build_object('rows', v_rows.before);
      v_after := v_after || jsonb_build_object('rows', v_rows.after);
    end if;
  end if;
  if v_before = v_after then return null; end if;
  perform public.patchbay_check_outcome(p_sid, v_before, v_after);
  if coalesce((p_options ->> 'preview')::boolean, false) then
    delete from public.calls c  -- the lock made it, because of `create`
    where c.call_sid = p_sid and c.lead_id is null and c.event_count = 0 and c.transcript_count = 0
      and not exists (select from public.link_events e where e.call_sid = c.call_sid);
    return jsonb_build_object('id', null, 'at', null, 'actor', p_options ->> 'actor', 'source', coalesce(p_options ->> 'mode', 'person'),
      'action', p_action, 'call_sid', p_sid, 'lead_id', p_lead, 'before', v_before, 'after', v_after, 'reason', p_options ->> 'reason',
      'evidence', p_options -> 'evidence', 'batch_id', p_options ->> 'batch_id', 'request_id', p_options ->> 'request_id', 'undoes', p_undoes);
  end if;
  perform public.patchbay_set_slots(v_slots);
  update public.calls set lead_id = (v_after ->> 'call_lead')::bigint, set_aside = (v_after ->> 'set_aside')::boolean,
    by_hand = (v_after ->> 'by_hand')::boolean where call_sid = p_sid;
  if v_after ? 'rows' then perform public.patchbay_set_rows(v_after -> 'rows'); end if;  -- a call that loses its rows is set aside by now, and stays
  insert into public.judge_queue (call_sid) values (p_sid);
  v_broken := public.patchbay_broken_facts(p_sid, v_after);
  if v_broken <> '{}' then
    raise exception using errcode = 'PB004', message = 'The database did not keep what was written: a trigger of it changes leads.',
      detail = v_broken, hint = 'Nothing was written. See the triggers on public.leads.';
  end if;
  v_broken := public.patchbay_broken_facts(p_sid, coalesce(p_options -> 'promise', '{}'));
  if v_broken <> '{}' then
    raise exception using errcode = 'PB003', message = 'The outcome would not be what was shown; nothing was written.',
      detail = v_broken, hint = 'Look again.';
  end if;
  v_event := public.patchbay_record(p_action, coalesce(p_options ->> 'mode', 'person'), p_sid, p_lead, v_before, v_after, p_options, p_undoes);
  return public.patchbay_event_json(v_event);
end $$;

-- Change rows that belong to no call, and record it.
create or replace function public.patchbay_apply_rows(p_action text, p_lead bigint, p_rows jsonb, p_options jsonb, p_undoes bigint default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_rows record := public.patchbay_row_changes(p_rows);
  v_none jsonb := '{"call_lead": null, "set_aside": false, "by_hand": false, "leads": {}}';
  v_event public.link_events;
begin
  if v_rows.after = '{}' then return null; end if;
  if coalesce((p_options ->> 'preview')::boolean, false) then
    return jsonb_build_object('id', null, 'actor', p_options ->> 'actor', 'source', coalesce(p_options ->> 'mode', 'person'), 'action', p_action,
      'call_sid', null, 'lead_id', p_lead, 'before', v_none || jsonb_build_object('rows', v_rows.before),
      'after', v_none || jsonb_build_object('rows', v_rows.after));
  end if;
  perform public.patchbay_set_rows(v_rows.after);
  v_event := public.patchbay_record(p_action, coalesce(p_options ->> 'mode', 'person'), null, p_lead,
    v_none || jsonb_build_object('rows', v_rows.before), v_none || jsonb_build_object('rows', v_rows.after), p_options, p_undoes);
  return public.patchbay_event_json(v_event);
end $$;

-- Which call a lead's slot holds after it was given p_sid: a person's link moves it to a newer call, automation only fills an
-- empty slot, with the newest of the lead's calls (the just-linked included), and never touches a filled one.
create or replace function public.patchbay_slot_after(p_sid text, p_lead bigint, p_options jsonb) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_slot text := public.patchbay_sid((select call_sid from public.leads where id = p_lead));
  v_newest text := public.patchbay_newest(p_lead, p_sid);
begin
  if coalesce((p_options ->> 'current')::boolean, false) then return p_sid; end if;
  if p_options ->> 'mode' = 'automatic' then
    if v_slot is not null then return v_slot; end if;
    return case when public.patchbay_is_newer(v_newest, p_sid) then v_newest else p_sid end;
  end if;
  return case when v_slot is null or public.patchbay_is_newer(p_sid, v_slot) then p_sid else v_slot end;
end $$;

-- What each lead that carries a SID falls back to when it gives the call up: its newest other call, or null.
create or replace function public.patchbay_given_up(p_sid text, p_keeps bigint default null) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_object_agg(id, public.patchbay_newest(id, p_sid)), '{}')
  from public.leads where call_sid = p_sid and id is distinct from p_keeps $$;

-- Link an unlinked call to a lead; with current, or on a call that the lead has already, make it the lead's current call.
create or replace function public.link_call(p_call_sid text, p_lead_id bigint, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'link', p_call_sid, p_lead_id::text);
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_call public.calls;
  v_known boolean;
  v_slot text;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  perform public.patchbay_need_lead(p_lead_id);
  v_call := public.patchbay_lock(p_call_sid, v_options, array[p_lead_id]);
  perform public.patchbay_need_lead(p_lead_id);
  if v_call.lead_id <> p_lead_id then
    raise exception using errcode = 'PB002', message = format('The call belongs to lead %s.', v_call.lead_id),
      hint = format('Relink it to move it to lead %s.', p_lead_id);
  end if;
  if coalesce(v_options ->> 'mode', 'person') <> 'person' and (v_call.by_hand or v_call.set_aside) then
    raise exception using errcode = 'PB004', message = 'A person unlinked this call or set it aside: automation leaves it alone.',
      hint = 'A person can still link it.';
  end if;
  v_known := v_call.lead_id is not null;
  v_slot := case when v_known and not coalesce((v_options ->> 'current')::boolean, false)
    then public.patchbay_sid((select call_sid from public.leads where id = p_lead_id))
    else public.patchbay_slot_after(p_call_sid, p_lead_id, v_options) end;
  return public.patchbay_apply(case when v_known then 'make_current' else 'link' end, p_call_sid, p_lead_id, jsonb_build_object(
    'call_lead', p_lead_id, 'set_aside', false, 'by_hand', false, 'leads', jsonb_build_object(p_lead_id, v_slot)), v_options);
end $$;

-- Take a call off its lead, and off every slot that names it.
create or replace function public.unlink_call(p_call_sid text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'unlink', p_call_sid);
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_call public.calls;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  v_call := public.patchbay_lock(p_call_sid, v_options);
  if v_call.lead_id is null then
    raise exception using errcode = 'PB004', message = 'The call is not linked to a lead.', hint = 'There is nothing to unlink.';
  end if;
  return public.patchbay_apply('unlink', p_call_sid, v_call.lead_id, jsonb_build_object(
    'call_lead', null, 'set_aside', false, 'by_hand', true, 'leads', public.patchbay_given_up(p_call_sid)), v_options);
end $$;

-- Move a call to another lead. It resolves a claim too: every other lead that carries the SID gives it up.
create or replace function public.relink_call(p_call_sid text, p_lead_id bigint, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'relink', p_call_sid, p_lead_id::text);
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_call public.calls;
  v_slot text;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  perform public.patchbay_need_lead(p_lead_id);
  v_call := public.patchbay_lock(p_call_sid, v_options, array[p_lead_id]);
  perform public.patchbay_need_lead(p_lead_id);
  if v_call.lead_id is null then
    raise exception using errcode = 'PB004', message = 'The call is not linked to a lead.', hint = 'Link it instead of relinking it.';
  end if;
  v_slot := case when v_call.lead_id = p_lead_id and not coalesce((v_options ->> 'current')::boolean, false)
    then public.patchbay_sid((select call_sid from public.leads where id = p_lead_id))
    else public.patchbay_slot_after(p_call_sid, p_lead_id, v_options) end;
  return public.patchbay_apply('relink', p_call_sid, p_lead_id, jsonb_build_object('call_lead', p_lead_id, 'set_aside', false,
    'by_hand', false, 'leads', public.patchbay_given_up(p_call_sid, p_lead_id) || jsonb_build_object(p_lead_id, v_slot)), v_options);
end $$;

-- Take an unlinked call off the worklist (p_aside), or put it back.
create or replace function public.patchbay_put_aside(p_call_sid text, p_aside boolean, p_options jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_action text := case when p_aside then 'set_aside' else 'restore' end;
  v_options jsonb := public.patchbay_options(p_options, v_action, p_call_sid);
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_call public.calls;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  v_call := public.patchbay_lock(p_call_sid, v_options);
  if v_call.lead_id is not null then
    raise exception using errcode = 'PB004', message = format('The call is linked to lead %s.', v_call.lead_id),
      hint = 'Only an unlinked call can be set aside: unlink it first.';
  end if;
  return public.patchbay_apply(v_action, p_call_sid, null, jsonb_build_object(
    'call_lead', null, 'set_aside', p_aside, 'by_hand', v_call.by_hand, 'leads', '{}'::jsonb), v_options);
end $$;

-- Take an unlinked call off the worklist: spam, wrong number, withheld …
create or replace function public.set_aside_call(p_call_sid text, p_options jsonb default '{}') returns jsonb
language sql security definer set search_path = '' set lock_timeout = '100ms' as
$$ select public.patchbay_put_aside(p_call_sid, true, p_options) $$;

-- Put a call that was set aside back on the worklist.
create or replace function public.restore_call(p_call_sid text, p_options jsonb default '{}') returns jsonb
language sql security definer set search_path = '' set lock_timeout = '100ms' as
$$ select public.patchbay_put_aside(p_call_sid, false, p_options) $$;

-- Why an event cannot be undone, apart from what it says of the present; null when it can. The leads are locked.
create or replace function public.patchbay_undo_obstacle(p_event public.link_events, p_leads bigint[]) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_lost text;
begin
  if p_event.source = 'baseline' then return 'What the installation found cannot be undone.'; end if;
  if public.patchbay_is_undone(p_event.id) then return 'It is undone already.'; end if;
  select string_agg(i::text, ', ') into v_lost from unnest(p_leads) as i where not exists (select from public.leads where id = i);
  if v_lost is not null then return format('It names a lead that was deleted since: %s.', v_lost); end if;
  return null;
end $$;

-- The calls that an undo would put back into a slot although they belong elsewhere by now; null when there are none.
create or replace function public.patchbay_moved_on(p_event public.link_events) returns text
language sql stable security definer set search_path = '' as $$
  select string_agg(s.value, ', ') from jsonb_each_text(p_event.before -> 'leads') as s
  left join public.calls c on c.call_sid = s.value
  where public.patchbay_sid(s.value) is not null and s.value <> p_event.call_sid and c.lead_id is distinct from s.key::bigint $$;

-- Undo an event: what it left must still hold, and what was before must still be possible. An undo that leaves a call unlinked
-- counts as unlinked by hand, or automation would do it again.
create or replace function public.undo_link_event(p_event_id bigint, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'undo', p_event_id::text);
  v_repeat public.link_events := public.patchbay_repeated(v_options);
  v_event public.link_events;
  v_leads bigint[];
  v_before jsonb;
  v_broken jsonb;
  v_obstacle text;
begin
  if v_repeat.id is not null then return public.patchbay_event_json(v_repeat); end if;
  select * into v_event from public.link_events where id = p_event_id;
  if v_event.id is null then
    raise exception using errcode = 'PB001', message = format('There is no link event %s.', p_event_id);
  end if;
  v_leads := public.patchbay_keys(v_event.after -> 'leads') || public.patchbay_keys(v_event.after #> '{rows,leads}')
    || array_remove(array[(v_event.before ->> 'call_lead')::bigint], null);
  if v_event.call_sid is null then
    perform 1 from public.leads where id = any (v_leads) order by id for update;
  else
    perform public.patchbay_lock(v_event.call_sid, v_options - 'create', v_leads, array(
      select value from jsonb_each_text(v_event.before -> 'leads') where value is not null));
  end if;
  v_obstacle := public.patchbay_undo_obstacle(v_event, v_leads);
  if v_obstacle is not null then
    raise exception using errcode = 'PB004', message = v_obstacle, hint = 'Make the change that you want by hand.';
  end if;
  v_before := public.patchbay_event_side(v_event, 'before');
  if v_event.before ? 'rows' and not exists (select from public.link_event_values where event_id = v_event.id and side = 'before') then
    raise exception using errcode = 'PB004', message = 'The values that it would put back were erased.';
  end if;
  v_broken := case when v_event.call_sid is null then public.patchbay_broken_rows(public.patchbay_event_rows(v_event, 'after'))
    else public.patchbay_broken_facts(v_event.call_sid, public.patchbay_event_side(v_event, 'after')) end;
  if v_broken <> '{}' then
    raise exception using errcode = 'PB003', message = 'It moved on since and cannot be undone.', detail = v_broken,
      hint = 'See the call''s history for what came after.';
  end if;
  if v_event.call_sid is null then
    return public.patchbay_apply_rows('undo', v_event.lead_id, v_before -> 'rows', v_options, v_event.id);
  end if;
  v_obstacle := public.patchbay_moved_on(v_event);
  if v_obstacle is not null then
    raise exception using errcode = 'PB004', message = format('The call that it would make current again belongs elsewhere now: %s.', v_obstacle),
      hint = 'Make the change that you want by hand.';
  end if;
  if v_event.before = v_event.after then  -- a confirmation, or its undo: it changes nothing but what counts as decided
    if coalesce((p_options ->> 'preview')::boolean, false) then
      return public.patchbay_event_json(v_event) || jsonb_build_object('id', null, 'at', null, 'action', 'undo', 'undoes', v_event.id,
        'actor', v_options ->> 'actor', 'reason', v_options ->> 'reason', 'request_id', null, 'batch_id', v_options ->> 'batch_id');
    end if;
    insert into public.judge_queue (call_sid) values (v_event.call_sid);
    return public.patchbay_event_json(public.patchbay_record('undo', coalesce(v_options ->> 'mode', 'person'), v_event.call_sid, v_event.lead_id,
      v_event.before, v_event.after, v_options, v_event.id));
  end if;
  return public.patchbay_apply('undo', v_event.call_sid, v_event.lead_id, v_before || case
    when v_event.before -> 'call_lead' = 'null' and v_event.after -> 'call_lead' <> 'null' then '{"by_hand": true}'::jsonb else '{}' end,
    (v_options - 'mark_contacted') || jsonb_build_object('mode', coalesce(v_options ->> 'mode', 'person')), v_event.id);
end $$;
