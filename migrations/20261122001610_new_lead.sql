-- A lead made from a call that belongs to nobody: the lead, the link and one event of the ledger in one transaction; undo
-- deletes the lead again only while nothing about it changed. The customer's table may have columns, defaults and rules of its
-- own: what it refuses is said with the column's name. And what a person did today, for triage. Idempotent; may be pasted.

set local lock_timeout = '2s';

-- What stands in the ledger for arguments that hold personal values: a repeated request is told by it from another, and the values
-- themselves are only where they can be erased.
create or replace function public.patchbay_digest(p_text text) returns text language sql immutable set search_path = '' as
$$ select encode(sha256(convert_to(p_text, 'UTF8')), 'hex') $$;

-- Correct a lead's phone number as before; the ledger's request does not hold the number any more.
create or replace function public.set_lead_phone(p_lead_id bigint, p_phone text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'set_phone', p_lead_id::text, public.patchbay_digest(p_lead_id || ' ' || p_phone));
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_phone text;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  perform 1 from public.leads where id = p_lead_id for update;
  perform public.patchbay_need_lead(p_lead_id);
  select phone into v_phone from public.leads where id = p_lead_id;
  if p_options ? 'expect_phone' and p_options ->> 'expect_phone' is distinct from v_phone then
    raise exception using errcode = 'PB003', message = 'The lead''s phone number changed since you looked; nothing was written.', hint = 'Look again.';
  end if;
  return public.patchbay_apply_rows('set_phone', p_lead_id, jsonb_build_object('leads', jsonb_build_object(p_lead_id,
    jsonb_build_object('phone', p_phone))), v_options);
end $$;

-- The columns of leads that must be given because the table requires them and has no value for them: [{name, type}].
create or replace function public.patchbay_required_columns() returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod)) order by a.attnum), '[]')
  from pg_catalog.pg_attribute a
  where a.attrelid = 'public.leads'::regclass and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
    and a.attidentity = '' and a.attgenerated = '' and a.attname not in ('id', 'call_sid') $$;

-- Insert a lead with these columns; returns the row as it is stored. An id that the sequence gives although a row has it (after an
-- import with ids) is passed over, for a while. (search_path: as in patchbay_set_slots.)
create or replace function public.patchbay_insert_lead(p_columns jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, public, extensions, pg_temp set timezone = 'UTC' as $$
declare
  v_names text;
  v_row jsonb;
  v_constraint text;
  v_writer text := coalesce(current_setting('patchbay.writer', true), '');
begin
  perform set_config('patchbay.writer', 'ours', true);  -- as patchbay_set_slots does: our trigger leaves it to us
  select string_agg(quote_ident(k), ', ' order by k) into v_names from jsonb_object_keys(p_columns) as k;
  for v_try in 1 .. 500 loop
    begin
      execute format('insert into public.leads as l (%1$s) select %1$s from jsonb_populate_record(null::public.leads, $1) returning to_jsonb(l)', v_names)
      into v_row using p_columns;
      perform set_config('patchbay.writer', v_writer, true);
      return v_row;
    exception when unique_violation then
      get stacked diagnostics v_constraint = constraint_name;
      if v_try = 500 or public.patchbay_columns_of(v_constraint) <> array['id'] then raise; end if;
    end;
  end loop;
  return null;
end $$;

-- The columns of leads that a constraint or unique index is about, by its name.
create or replace function public.patchbay_columns_of(p_constraint text) returns text[]
language sql stable security definer set search_path = '' as $$
  select coalesce(
    (select array_agg(a.attname::text order by a.attname) from pg_catalog.pg_constraint c
     join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
     where c.conrelid = 'public.leads'::regclass and c.conname = p_constraint),
    (select array_agg(a.attname::text order by a.attname) from pg_catalog.pg_index i
     join pg_catalog.pg_class x on x.oid = i.indexrelid
     join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
     where i.indrelid = 'public.leads'::regclass and x.relname = p_constraint), '{}') $$;

-- Say in words why the table leads took no row with these columns.
create or replace function public.patchbay_refuse_lead(p_state text, p_message text, p_column text, p_constraint text, p_columns jsonb)
returns void language plpgsql stable security definer set search_path = '' as $$
declare
  v_columns text[] := public.patchbay_columns_of(p_constraint);
  v_named text := coalesce(nullif('leads.' || array_to_string(v_columns, ', leads.'), 'leads.'), 'leads');
  v_other text;
begin
  case p_state
  when '23502' then
    raise exception using errcode = 'PB007', message = format('leads.%s is empty: the table requires a value.', p_column),
      hint = format('Give a value for %s.', p_column);
  when '23505' then
    if v_columns = array['id'] then
      raise exception using errcode = 'PB004', message = 'leads.id: the sequence gives ids that are taken already.',
        hint = 'Set it behind the last id: select setval(pg_get_serial_sequence(''public.leads'', ''id''), (select max(id) from public.leads));';
    end if;
    if cardinality(v_columns) = 1 then
      execute format('select l.id::text from public.leads l where to_jsonb(l) ->> %1$L = $1 limit 1', v_columns[1]) into v_other
      using p_columns ->> v_columns[1];
    end if;
    raise exception using errcode = 'PB004', message = format('%s must be unique, and %s has this value.', v_named,
      coalesce('lead ' || v_other, 'another lead')), hint = 'Link the call to that lead, or give another value.';
  when '23514', '23503', '23P01' then
    raise exception using errcode = 'PB007', message = format('%s does not take this value: the table''s rule %s forbids it.', v_named, p_constraint),
      hint = 'Give another value.';
  when '22001' then
    select a.attname into p_column from pg_catalog.pg_attribute a
    where a.attrelid = 'public.leads'::regclass and a.atttypmod > 4 and length(p_columns ->> a.attname) > a.atttypmod - 4 order by a.attnum limit 1;
    raise exception using errcode = 'PB007', message = format('leads.%s is too long: %s.', coalesce(p_column, '?'), p_message);
  else
    if p_state like '22%' then
      raise exception using errcode = 'PB007', message = format('The table leads does not take one of these values: %s.', p_message);
    end if;
    raise exception using errcode = 'PB004', message = format('The table leads refuses the new lead: %s.', p_message),
      hint = 'See the triggers on public.leads.';
  end case;
end $$;

-- Make a lead from an unlinked call, link the call to it as its current call, and record both as one event. p_lead: column: value.
-- p_options beside those of the link commands: seen_leads, the ids of the leads that had the number when the person looked.
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
  v_before := v_before || jsonb_build_object('leads', jsonb_build_object(v_id, null));
  v_after := v_before || jsonb_build_object('call_lead', v_id::bigint, 'set_aside', false, 'by_hand', false,
    'leads', jsonb_build_object(v_id, p_call_sid));
  perform public.patchbay_check_outcome(p_call_sid, v_before, v_after);
  perform public.patchbay_set_slots(v_after -> 'leads');
  update public.calls set lead_id = v_id::bigint, set_aside = false, by_hand = false where call_sid = p_call_sid;
  perform public.patchbay_note_leads(array[v_id::bigint]);
  insert into public.judge_queue (call_sid) values (p_call_sid);
  v_row := public.patchbay_row('leads', v_id);
  if v_row ->> 'call_sid' is distinct from p_call_sid then
    raise exception using errcode = 'PB004', message = 'The database did not keep what was written: a trigger of it changes leads.',
      hint = 'Nothing was written. See the triggers on public.leads.';
  end if;
  v_event := public.patchbay_record('create_lead', 'person', p_call_sid, v_id::bigint,
    v_before || jsonb_build_object('rows', jsonb_build_object('leads', jsonb_build_object(v_id, null))),
    v_after || jsonb_build_object('rows', jsonb_build_object('leads', jsonb_build_object(v_id, v_row - 'call_sid'))), v_options);
  return public.patchbay_event_json(v_event);
end $$;

-- The given facts that do not hold now, as before; where they say that a lead is not there, its slot is empty without asking.
create or replace function public.patchbay_broken_facts(p_sid text, p_facts jsonb) returns jsonb
language sql stable security definer set search_path = '' as $$
  with present as (select public.patchbay_facts(p_sid, public.patchbay_keys(p_facts -> 'leads')) as facts)
  select coalesce(jsonb_object_agg(broken.fact, broken.is_now), '{}')
  from (
    select said.key as fact, facts -> said.key as is_now
    from present, jsonb_each(p_facts - 'leads' - 'rows') as said where facts -> said.key is distinct from said.value
    union all
    select 'lead ' || said.key, facts -> 'leads' -> said.key
    from present, jsonb_each(coalesce(p_facts -> 'leads', '{}')) as said
    where facts -> 'leads' -> said.key is distinct from said.value
      and not (said.value = 'null' and coalesce(p_facts #> array['rows', 'leads', said.key] = 'null', false))
    union all
    select said.key, said.value from jsonb_each(public.patchbay_broken_rows(p_facts -> 'rows')) as said) as broken $$;

-- Why an event cannot be undone, as before; a lead that was made from a call is not deleted while other calls are linked to it, and a
-- test call, which never keeps a slot, is not put back into the one that it had while it ran.
create or replace function public.patchbay_undo_obstacle(p_event public.link_events, p_leads bigint[]) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_lost text;
  v_calls int;
begin
  if p_event.source = 'baseline' then return 'What the installation found cannot be undone.'; end if;
  if public.patchbay_is_undone(p_event.id) then return 'It is undone already.'; end if;
  select string_agg(i::text, ', ') into v_lost from unnest(p_leads) as i where not exists (select from public.leads where id = i);
  if v_lost is not null then return format('It names a lead that was deleted since: %s.', v_lost); end if;
  if p_event.action = 'finish_test_call' and p_event.before -> 'leads' <> '{}' then
    return 'It would make a test call the current one again.';
  end if;
  if p_event.action = 'create_lead' then
    select count(*) into v_calls from public.calls c where c.lead_id = p_event.lead_id and c.call_sid <> p_event.call_sid;
    if v_calls > 0 then
      return format('Lead %s, which was made then, has %s by now and is not deleted with %s.', p_event.lead_id,
        case v_calls when 1 then 'another call' else v_calls || ' other calls' end, case v_calls when 1 then 'it' else 'them' end);
    end if;
  end if;
  return null;
end $$;

-- What a person did to calls since a moment and was not undone: counts, and the newest events. Triage shows it as today's work.
create or replace function public.patchbay_work_of(p_actor text, p_since timestamptz, p_limit int default 20) returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  with mine as (
    select e as event, e.id, e.action from public.link_events e
    where e.actor = p_actor and e.at >= p_since and e.call_sid is not null and e.source = 'person'
      and e.action in ('link', 'create_lead', 'relink', 'set_aside') and not public.patchbay_is_undone(e.id))
  select jsonb_build_object(
    'linked', count(*) filter (where action <> 'set_aside'), 'set_aside', count(*) filter (where action = 'set_aside'),
    'events', coalesce((select jsonb_agg(public.patchbay_event_json(x.event) || '{"undone": false}' order by x.id desc)
      from (select * from mine order by id desc limit p_limit) as x), '[]'))
  from mine $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001610' $$;

select public.patchbay_lock_down(array['create_lead_from_call', 'set_lead_phone']);

notify pgrst, 'reload schema';
