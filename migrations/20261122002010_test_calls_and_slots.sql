-- A test call never keeps a slot. Its link stays, as history: whoever links or relinks it leaves the lead's current call alone, and to
-- make it current is refused. An undo puts its link back but not its slot; one that was about nothing but the slot is refused. A lead
-- may keep what its test call wrote, but not the slot. Two writers may still put one there. The worker does while the call is made (the
-- guide's flow, which is what a test call tests), until finish_test_call. And an outside writer's slot stands, as always: such a
-- call is current until the lead gets another; what it gives way to is never a test call. Idempotent; may be pasted.

set local lock_timeout = '2s';

-- Which call a lead's slot holds after it was given p_sid, as before; a test call leaves it alone, but for the worker that makes it.
create or replace function public.patchbay_slot_after(p_sid text, p_lead bigint, p_options jsonb) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_slot text := public.patchbay_sid((select call_sid from public.leads where id = p_lead));
  v_newest text := public.patchbay_newest(p_lead, p_sid);
  v_mode text := coalesce(p_options ->> 'mode', 'person');
  v_test boolean := v_mode <> 'worker' and exists (select from public.calls c where c.call_sid = p_sid and c.test);
begin
  if coalesce((p_options ->> 'current')::boolean, false) then
    if v_test and v_slot is distinct from p_sid then
      raise exception using errcode = 'PB004', message = 'This is a test call: it never becomes a lead''s current call.',
        hint = 'Its link stays in the lead''s history: leave "make current" out.';
    end if;
    return p_sid;
  end if;
  if v_mode = 'automatic' then
    if v_slot is not null then return v_slot; end if;
    return case when v_test or public.patchbay_is_newer(v_newest, p_sid) then v_newest else p_sid end;
  end if;
  return case when v_test then v_slot when v_slot is null or public.patchbay_is_newer(p_sid, v_slot) then p_sid else v_slot end;
end $$;

-- The slots that an undo puts back, {lead: sid}. Where that would be a test call, the lead keeps the current call that it has, and when
-- that is the one which leaves it, falls back to its newest other call.
create or replace function public.patchbay_slots_back(p_event public.link_events) returns jsonb
language sql stable security definer set search_path = '' set enable_seqscan = off as $$
  select coalesce(jsonb_object_agg(s.key, case when c.test is not true then s.value
    when l.call_sid = p_event.call_sid and (p_event.before ->> 'call_lead')::bigint is distinct from l.id
      then public.patchbay_newest(l.id, p_event.call_sid)
    else public.patchbay_sid(l.call_sid) end), '{}')
  from jsonb_each_text(p_event.before -> 'leads') as s
  left join public.calls c on c.call_sid = s.value
  left join public.leads l on l.id = s.key::bigint $$;

-- The calls that an undo would put back into a slot although they belong elsewhere by now, as before; test calls are not put back.
create or replace function public.patchbay_moved_on(p_event public.link_events) returns text
language sql stable security definer set search_path = '' as $$
  select string_agg(s.value, ', ') from jsonb_each_text(p_event.before -> 'leads') as s
  left join public.calls c on c.call_sid = s.value
  where public.patchbay_sid(s.value) is not null and s.value <> p_event.call_sid and c.lead_id is distinct from s.key::bigint
    and c.test is not true $$;

-- Undo an event, as before; no test call gets a slot back by it. An undo that is about nothing else is refused.
create or replace function public.undo_link_event(p_event_id bigint, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'undo', p_event_id::text);
  v_repeat public.link_events := public.patchbay_repeated(v_options);
  v_event public.link_events;
  v_leads bigint[];
  v_before jsonb;
  v_slots jsonb;
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
  v_slots := public.patchbay_slots_back(v_event);
  if v_slots is distinct from v_event.before -> 'leads' and v_event.before - '{leads,rows}'::text[] = v_event.after - '{leads,rows}'::text[] then
    raise exception using errcode = 'PB004', message = 'It would make a test call the current one again.',
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
  return public.patchbay_apply('undo', v_event.call_sid, v_event.lead_id, v_before || jsonb_build_object('leads', v_slots) || case
    when v_event.before -> 'call_lead' = 'null' and v_event.after -> 'call_lead' <> 'null' then '{"by_hand": true}'::jsonb else '{}' end,
    (v_options - 'mark_contacted') || jsonb_build_object('mode', coalesce(v_options ->> 'mode', 'person')), v_event.id);
end $$;

-- Give every row of a SID variant, and the slot that carries it, the standard SID, as before; the slot of a test call goes to the
-- lead's newest other call.
create or replace function public.normalise_call_sid(p_call_sid text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '100ms' as $$
declare
  v_into text := public.patchbay_standard_sid(p_call_sid);
  v_options jsonb := public.patchbay_options(p_options, 'normalise_sid', p_call_sid)
    || jsonb_build_object('batch_id', coalesce(p_options ->> 'batch_id', gen_random_uuid()::text));
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_variant public.calls;
  v_standard public.calls;
  v_slots bigint[];
  v_first jsonb;
  v_second jsonb;
begin
  if v_event.id is not null then
    return (select jsonb_agg(public.patchbay_event_json(e) order by e.id) from public.link_events e where e.batch_id = v_event.batch_id);
  end if;
  if v_into = p_call_sid then
    raise exception using errcode = 'PB004', message = 'This SID is written as it should be.', hint = 'Normalise the variant instead.';
  end if;
  v_variant := public.patchbay_lock(p_call_sid, v_options, '{}', array[v_into]);
  perform public.patchbay_lock_calls(array[v_into], v_variant.started_at);
  v_standard := public.patchbay_lock(v_into, v_options - 'expect');
  if v_variant.lead_id <> v_standard.lead_id then
    raise exception using errcode = 'PB004', message = format('The two are linked to different leads: %s and %s.', v_variant.lead_id, v_standard.lead_id),
      hint = 'Unlink the wrong one first.';
  end if;
  if v_variant.lead_id is not null then
    v_slots := array(select l.id from public.leads l where l.call_sid = p_call_sid);
    v_first := public.patchbay_apply('normalise_sid', v_into, v_variant.lead_id, jsonb_build_object('call_lead', v_variant.lead_id,
      'set_aside', false, 'by_hand', false, 'leads', coalesce((select jsonb_object_agg(i, case when v_standard.test
        then public.patchbay_newest(i, p_call_sid) else v_into end) from unnest(v_slots) as i), '{}')),
      v_options - 'request_id');
  end if;
  v_second := public.patchbay_apply('normalise_sid', p_call_sid, v_variant.lead_id, jsonb_build_object('call_lead', null, 'set_aside', true,
    'by_hand', false, 'leads', '{}'::jsonb, 'rows', public.patchbay_rows_of_sid(p_call_sid, v_into)), v_options);
  return jsonb_path_query_array(jsonb_build_array(v_first, v_second), '$[*] ? (@ != null)');
end $$;

-- Make a lead from an unlinked call, as before; a test call joins the new lead's history, and the lead has no current call.
create or replace function public.create_lead_from_call(p_call_sid text, p_lead jsonb, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'create_lead', p_call_sid, public.patchbay_digest(p_lead::text));
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_preview boolean := coalesce((p_options ->> 'preview')::boolean, false);
  v_keys text[] := public.patchbay_phone_keys(p_lead ->> 'phone');
  v_columns jsonb := p_lead;
  v_call public.calls;
  v_wrong text;
  v_slots jsonb := '{}';
  v_row jsonb;
  v_id text;
  v_before jsonb;
  v_after jsonb;
  v_state text; v_message text; v_column text; v_constraint text;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  -- Two people who make a lead for one number wait for each other here.
  perform pg_advisory_xact_lock(hashtextextended('patchbay new lead ' || k, 0)) from unnest(v_keys) as k order by k;
  v_call := public.patchbay_lock(p_call_sid, v_options - 'create');
  if v_call.lead_id is not null then
    raise exception using errcode = 'PB002', message = format('The call belongs to lead %s.', v_call.lead_id),
      hint = 'Unlink it first if a new lead is right.';
  end if;
  if p_options ? 'seen_leads' and exists (select from public.lead_numbers n where n.key = any (v_keys)
      and not (p_options -> 'seen_leads') @> to_jsonb(n.lead_id)) then
    raise exception using errcode = 'PB003', message = 'A lead with this number was added since you looked; nothing was written.',
      hint = 'Look again: the call may belong to it.';
  end if;
  if not exists (select from pg_catalog.pg_attribute a where a.attrelid = 'public.leads'::regclass and a.attname = 'lead_source'
                 and not a.attisdropped) then
    v_columns := v_columns - 'lead_source';  -- the one column that is nice to have
  end if;
  select k into v_wrong from jsonb_object_keys(v_columns) as k
  where k in ('id', 'call_sid') or not exists (select from pg_catalog.pg_attribute a where a.attrelid = 'public.leads'::regclass
    and a.attname = k and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') order by k limit 1;
  if v_wrong is not null or v_columns = '{}' then
    raise exception using errcode = 'PB007', message = format('leads has no column %s that can be given.', quote_ident(coalesce(v_wrong, '')));
  end if;
  begin
    v_row := public.patchbay_insert_lead(v_columns);
    v_id := v_row ->> 'id';
    if v_preview then raise exception using errcode = 'PB000', message = 'seen'; end if;
  exception
    when sqlstate 'PB000' then null;  -- the row was only looked at, and is gone with this block
    when lock_not_available or deadlock_detected or query_canceled or insufficient_privilege then raise;
    when others then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_column = column_name, v_constraint = constraint_name;
      perform public.patchbay_refuse_lead(v_state, v_message, v_column, v_constraint, v_columns);
  end;
  v_before := public.patchbay_facts(p_call_sid, '{}');
  if v_preview then
    return jsonb_build_object('id', null, 'at', null, 'actor', v_options ->> 'actor', 'source', 'person', 'action', 'create_lead',
      'call_sid', p_call_sid, 'lead_id', null, 'before', v_before || '{"rows": {"leads": {"new": null}}}',
      'after', v_before || jsonb_build_object('set_aside', false, 'by_hand', false,
        'rows', jsonb_build_object('leads', jsonb_build_object('new', v_row - '{id,call_sid}'::text[]))));
  end if;
  if not v_call.test then
    v_before := v_before || jsonb_build_object('leads', jsonb_build_object(v_id, null));
    v_slots := jsonb_build_object(v_id, p_call_sid);
  end if;
  v_after := v_before || jsonb_build_object('call_lead', v_id::bigint, 'set_aside', false, 'by_hand', false,
    'leads', v_slots);
  perform public.patchbay_check_outcome(p_call_sid, v_before, v_after);
  perform public.patchbay_set_slots(v_slots);
  update public.calls set lead_id = v_id::bigint, set_aside = false, by_hand = false where call_sid = p_call_sid;
  perform public.patchbay_note_leads(array[v_id::bigint]);
  insert into public.judge_queue (call_sid) values (p_call_sid);
  v_row := public.patchbay_row('leads', v_id);
  if v_row ->> 'call_sid' is distinct from v_slots ->> v_id then
    raise exception using errcode = 'PB004', message = 'The database did not keep what was written: a trigger of it changes leads.',
      hint = 'Nothing was written. See the triggers on public.leads.';
  end if;
  v_event := public.patchbay_record('create_lead', 'person', p_call_sid, v_id::bigint,
    v_before || jsonb_build_object('rows', jsonb_build_object('leads', jsonb_build_object(v_id, null))),
    v_after || jsonb_build_object('rows', jsonb_build_object('leads', jsonb_build_object(v_id, v_row - 'call_sid'))), v_options);
  return public.patchbay_event_json(v_event);
end $$;

-- A test call is over, as before; a lead that keeps what the call wrote keeps status, time of contact and note, never the slot. Where
-- another test call was the current one when this one was placed, the lead gets back what it had before both.
create or replace function public.finish_test_call(p_id bigint, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '1s' as $$
declare
  v_row public.test_calls;
  v_lead public.leads;
  v_held text[];
  v_slot text;
  v_line text;
  v_notes text;
  v_wanted jsonb := '{}';
  v_slots jsonb := '{}';
  v_call public.calls;
begin
  select * into v_row from public.test_calls where id = p_id;
  if v_row.id is null or v_row.lead_id is null or v_row.call_sid is null or v_row.restored_at is not null then return null; end if;
  v_held := array(with recursive held (sid, step) as (
    select v_row.lead_before ->> 'slot', 1
    union all select t.lead_before ->> 'slot', h.step + 1 from held h
    join public.test_calls t on t.call_sid = h.sid and t.lead_id = v_row.lead_id where h.step < 100)
    select h.sid from held h where h.sid is not null order by h.step);
  v_call := public.patchbay_lock(v_row.call_sid, '{}', array[v_row.lead_id], v_held);
  update public.test_calls set restored_at = clock_timestamp() where id = p_id and restored_at is null;
  if not found then return null; end if;
  select * into v_lead from public.leads where id = v_row.lead_id;
  if v_lead.id is null then return null; end if;
  if v_lead.call_sid = v_row.call_sid then
    select c.call_sid into v_slot from public.calls c where c.call_sid = any (v_held) and c.lead_id = v_row.lead_id and not c.test
    order by array_position(v_held, c.call_sid::text) limit 1;
    v_slots := jsonb_build_object(v_row.lead_id, coalesce(v_slot, public.patchbay_newest(v_row.lead_id, v_row.call_sid)));
  end if;
  if not v_row.keep then
    if v_lead.lead_status::text = 'contacted' then v_wanted := jsonb_build_object('lead_status', v_row.lead_before -> 'lead_status'); end if;
    if v_lead.last_contacted_at::timestamptz >= v_row.at and not exists (select from public.calls c where c.lead_id = v_row.lead_id
        and not c.test and c.started_at >= v_row.at) then
      v_wanted := v_wanted || jsonb_build_object('last_contacted_at', v_row.lead_before -> 'last_contacted_at');
    end if;
    v_line := format('Outbound call %s initiated', v_row.call_sid);
    if position(v_line in v_lead.notes::text) > 0 then
      v_notes := case when v_lead.notes::text = v_line then '' else replace(replace(v_lead.notes::text, v_line || E'\n', ''), E'\n' || v_line, '') end;
      v_wanted := v_wanted || jsonb_build_object('notes',
        case when v_notes = '' and not coalesce((v_row.lead_before ->> 'had_notes')::boolean, false) then null else v_notes end);
    end if;
  end if;
  return public.patchbay_apply('finish_test_call', v_row.call_sid, v_row.lead_id,
    public.patchbay_facts(v_row.call_sid, '{}') || jsonb_build_object('leads', v_slots,
      'rows', jsonb_build_object('leads', jsonb_build_object(v_row.lead_id, public.patchbay_image('leads', v_wanted)))),
    jsonb_build_object('actor', coalesce(p_options ->> 'actor', v_row.actor), 'mode', 'worker', 'reason', format('Test call %s is over', p_id)));
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122002010' $$;

select public.patchbay_lock_down(array['undo_link_event', 'normalise_call_sid', 'create_lead_from_call', 'finish_test_call']);

notify pgrst, 'reload schema';
