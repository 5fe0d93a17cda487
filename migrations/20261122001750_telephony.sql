-- Saving what the telephone network tells (callbacks, what was said), filling gaps from Twilio's own record, test calls, and own
-- numbers read from the Twilio account. Idempotent; may be pasted.

set local lock_timeout = '2s';

-- Values as a row of one of the customer's tables would hold them, as JSON: columns that it has not are left out.
create or replace function public.patchbay_image(p_relation text, p_values jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_image jsonb;
begin
  perform public.patchbay_id_type(p_relation);  -- one of the tables that we may write
  execute format('select coalesce(jsonb_object_agg(k, to_jsonb(r) -> k), ''{}'') from jsonb_populate_record(null::public.%I, $1) as r,
    jsonb_object_keys($1) as k where to_jsonb(r) ? k', p_relation) into v_image using p_values;
  return v_image;
end $$;

-- Add a row to one of the customer's tables, or change the one with this id. Returns the id. (search_path: as in patchbay_set_rows.)
create or replace function public.patchbay_write_row(p_relation text, p_id text, p_image jsonb) returns text
language plpgsql security definer set search_path = pg_catalog, public, extensions, pg_temp set timezone = 'UTC' as $$
declare
  v_columns text := (select string_agg(format('%I', k), ', ') from jsonb_object_keys(p_image) as k);
  v_id text := p_id;
begin
  if p_id is null then
    execute format('insert into public.%1$I (%2$s) select %2$s from jsonb_populate_record(null::public.%1$I, $1) returning id::text',
      p_relation, v_columns) into v_id using p_image;
  else
    execute format('update public.%1$I t set (%2$s) = row (%3$s) from jsonb_populate_record(null::public.%1$I, $1) as n where t.id = %4$L::%5$s',
      p_relation, v_columns, (select string_agg(format('n.%I', k), ', ') from jsonb_object_keys(p_image) as k), p_id,
      public.patchbay_id_type(p_relation)) using p_image;
  end if;
  return v_id;
end $$;

-- The event row of a call that stands for it: the one with the most numbers, of those the earliest. Locked.
create or replace function public.patchbay_best_event(p_sid text) returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_row jsonb;
begin
  select to_jsonb(e) into v_row from public.call_events e where e.call_sid = p_sid
  order by num_nonnulls(nullif(btrim(e.from_number::text), ''), nullif(btrim(e.to_number::text), '')) desc, e.id limit 1 for update;
  return v_row;
end $$;

-- How far a call is: a status never goes back to an earlier one.
create or replace function public.patchbay_progress(p_status text) returns int language sql immutable parallel safe as $$
  select case when public.patchbay_is_final(p_status) then 4 when lower(p_status) in ('in-progress', 'answered') then 3
    when lower(p_status) = 'ringing' then 2 when lower(p_status) in ('initiated', 'dialing') then 1 else 0 end $$;

-- Which callbacks of a call have been applied, and when each stage was reached.
create table if not exists public.call_progress (
  call_sid     varchar(50) primary key,
  sequence     int,                -- the highest SequenceNumber that was applied
  initiated_at timestamptz,
  ringing_at   timestamptz,
  answered_at  timestamptz,
  ended_at     timestamptz,
  saved_at     timestamptz not null default now());
comment on table public.call_progress is 'Patchbay: callbacks that were applied, and when each stage of a call was reached';
alter table public.call_progress enable row level security;

-- Save a status callback: one row of call_events for a call, whatever arrives in whatever order and however often.
-- p_facts: status, direction, from, to, duration (Twilio's minutes), call_duration (seconds), recording_url, recording_sid, timestamp,
-- sequence. The call is locked first (lock order), so that two callbacks never both find no row. What a row says is kept: an
-- older callback (lower sequence, or an earlier stage) fills only what is empty, and nothing leaves a final status.
create or replace function public.save_call_event(p_call_sid text, p_facts jsonb) returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '2s' set enable_seqscan = off as $$
declare
  v_row jsonb;
  v_image jsonb := '{}';
  v_status text := nullif(lower(btrim(p_facts ->> 'status')), '');
  v_now text;
  v_final boolean;
  v_sequence int := (p_facts ->> 'sequence')::int;
  v_last int;
  v_late boolean;
  v_at timestamptz := coalesce((p_facts ->> 'timestamp')::timestamptz, clock_timestamp());
  v_id text;
begin
  if public.patchbay_sid(p_call_sid) is null then
    raise exception using errcode = 'PB007', message = 'A Call SID has 1 to 50 characters and is not blank.';
  end if;
  perform public.patchbay_lock_calls(array[p_call_sid]);
  select sequence into v_last from public.call_progress where call_sid = p_call_sid;
  v_row := public.patchbay_best_event(p_call_sid);
  select coalesce(bool_or(public.patchbay_is_final(e.call_status::text)), false) into v_final
  from public.call_events e where e.call_sid = p_call_sid;
  v_now := nullif(btrim(v_row ->> 'call_status'), '');
  v_late := case when v_final then not public.patchbay_is_final(v_status) or public.patchbay_is_final(v_now)
    when v_sequence is not null and v_last is not null then v_sequence < v_last
    else public.patchbay_progress(v_status) < public.patchbay_progress(v_now) end;

  if v_status is not null and (v_now is null or not v_late) then
    v_image := jsonb_build_object('call_status', v_status, 'timestamp', v_at);
  end if;
  if p_facts ->> 'direction' is not null and num_nonnulls(nullif(btrim(v_row ->> 'from_number'), ''), nullif(btrim(v_row ->> 'to_number'), '')) = 0 then
    v_image := v_image || jsonb_build_object('direction', p_facts ->> 'direction');  -- without numbers it was a guess
  end if;
  v_image := v_image || coalesce((
    select jsonb_object_agg(x.name, x.value) from (values
      ('direction', p_facts ->> 'direction'), ('from_number', p_facts ->> 'from'), ('to_number', p_facts ->> 'to'),
      ('duration', p_facts ->> 'duration'), ('call_duration', p_facts ->> 'call_duration'),
      ('recording_url', p_facts ->> 'recording_url'), ('recording_sid', p_facts ->> 'recording_sid'),
      ('timestamp', v_at::text)) as x (name, value)
    where nullif(btrim(x.value), '') is not null and nullif(btrim(v_row ->> x.name), '') is null and not v_image ? x.name), '{}');
  v_image := public.patchbay_image('call_events', v_image);
  select coalesce(jsonb_object_agg(c.key, c.value), '{}') into v_image from jsonb_each(v_image) as c
  where v_row -> c.key is distinct from c.value;

  if v_row is null then
    v_id := public.patchbay_write_row('call_events', null, v_image || public.patchbay_image('call_events',
      jsonb_build_object('call_sid', p_call_sid, 'created_at', clock_timestamp(), 'updated_at', clock_timestamp())));
  elsif v_image <> '{}' then
    v_id := public.patchbay_write_row('call_events', v_row ->> 'id', v_image
      || public.patchbay_image('call_events', jsonb_build_object('updated_at', clock_timestamp())));
  end if;
  insert into public.call_progress as p (call_sid, sequence, initiated_at, ringing_at, answered_at, ended_at)
  select p_call_sid, v_sequence, case when v_status in ('queued', 'initiated') then v_at end, case when v_status = 'ringing' then v_at end,
    case when v_status in ('in-progress', 'answered') then v_at end, case when public.patchbay_is_final(v_status) then v_at end
  on conflict (call_sid) do update set sequence = greatest(p.sequence, excluded.sequence),
    initiated_at = least(p.initiated_at, excluded.initiated_at), ringing_at = least(p.ringing_at, excluded.ringing_at),
    answered_at = least(p.answered_at, excluded.answered_at), ended_at = least(p.ended_at, excluded.ended_at), saved_at = clock_timestamp();
  return jsonb_build_object('event_id', coalesce(v_id, v_row ->> 'id'), 'created', v_row is null, 'changed', v_row is null or v_image <> '{}');
end $$;

-- Save something that was said, in whichever shape the table has; once, however often it is told. p_at: when it was said, which
-- orders the conversation. Returns {"id", "created"}.
create or replace function public.save_transcript_line(p_call_sid text, p_role text, p_content text, p_at timestamptz, p_message_id text default null)
returns jsonb language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '2s' set enable_seqscan = off as $$
declare
  v_image jsonb;
  v_id text;
begin
  if public.patchbay_sid(p_call_sid) is null then
    raise exception using errcode = 'PB007', message = 'A Call SID has 1 to 50 characters and is not blank.';
  end if;
  v_image := jsonb_strip_nulls(public.patchbay_image('conversation_transcripts', jsonb_build_object('call_sid', p_call_sid, 'message_id', p_message_id,
    'role', p_role, 'content', p_content, 'speaker', p_role, 'message', p_content, 'timestamp', p_at)));
  perform public.patchbay_lock_calls(array[p_call_sid]);
  select t.id::text into v_id from public.conversation_transcripts t
  where t.call_sid = p_call_sid and to_jsonb(t) @> case when v_image ? 'message_id' then jsonb_build_object('message_id', p_message_id) else v_image end
  limit 1;
  if v_id is not null then return jsonb_build_object('id', v_id, 'created', false); end if;
  v_id := public.patchbay_write_row('conversation_transcripts', null,
    v_image || public.patchbay_image('conversation_transcripts', jsonb_build_object('created_at', clock_timestamp())));
  return jsonb_build_object('id', v_id, 'created', true);
end $$;

-- A fresh id for a row of call_events, of whatever type the customer's ids are.
create or replace function public.patchbay_new_event_id() returns text
language plpgsql security definer set search_path = '' as $$
declare
  v_sequence text := pg_get_serial_sequence('public.call_events', 'id');
begin
  if v_sequence is not null then return nextval(v_sequence::regclass)::text; end if;
  if public.patchbay_id_type('call_events') = 'uuid' then return gen_random_uuid()::text; end if;
  return (select coalesce(max(e.id::text::bigint), 0) + 1 from public.call_events e);
end $$;

-- What repairing a call that nothing knows would write, without writing: the row that it would get has no id yet.
create or replace function public.patchbay_preview_of_new(p_sid text, p_image jsonb, p_options jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', null, 'at', null, 'actor', p_options ->> 'actor', 'source', 'person', 'action', 'repair', 'call_sid', p_sid,
    'lead_id', null, 'before', f.facts || '{"rows": {"call_events": {"new": null}}}',
    'after', f.facts || jsonb_build_object('rows', jsonb_build_object('call_events', jsonb_build_object('new', p_image))))
  from (select '{"call_lead": null, "set_aside": false, "by_hand": false, "leads": {}}'::jsonb as facts) as f $$;

-- Fill what a call's event row lacks with what Twilio answers; a call without a row gets one. Undoable.
-- p_columns: from_number, to_number, direction, call_status, call_duration (seconds), created_at (of a new row).
-- Only what is empty is filled; a status that is not final gives way to a final one, and a direction that stands without numbers
-- to Twilio's. p_options.overwrite names columns in which Twilio's value replaces another.
create or replace function public.repair_call(p_call_sid text, p_columns jsonb, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'repair', p_call_sid, public.patchbay_digest(p_columns::text));
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_call public.calls;
  v_row jsonb;
  v_image jsonb;
  v_id text;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  if coalesce((p_options ->> 'preview')::boolean, false) and not exists (select from public.calls where call_sid = p_call_sid) then
    return public.patchbay_preview_of_new(p_call_sid, public.patchbay_image('call_events', p_columns), v_options);
  end if;
  v_call := public.patchbay_lock(p_call_sid, v_options || jsonb_build_object('create', true, 'started_at', p_columns ->> 'created_at'));
  v_row := public.patchbay_best_event(p_call_sid);
  v_image := public.patchbay_image('call_events', case when v_row is null then p_columns
    || jsonb_build_object('call_sid', p_call_sid, 'updated_at', clock_timestamp()) else p_columns - 'created_at' end);
  v_id := coalesce(v_row ->> 'id', public.patchbay_new_event_id());
  if v_row is null then
    v_image := public.patchbay_image('call_events', v_image || jsonb_build_object('id', v_id));
  else
    select coalesce(jsonb_object_agg(c.key, c.value), '{}') into v_image from jsonb_each(v_image) as c
    where c.value is distinct from v_row -> c.key and c.value <> 'null' and (
      nullif(btrim(v_row ->> c.key), '') is null
      or coalesce(p_options -> 'overwrite', '[]') ? c.key
      or c.key = 'direction' and num_nonnulls(nullif(btrim(v_row ->> 'from_number'), ''), nullif(btrim(v_row ->> 'to_number'), '')) = 0
      or c.key = 'call_status' and not public.patchbay_is_final(v_row ->> 'call_status') and public.patchbay_is_final(c.value #>> '{}'));
    if v_image = '{}' then return null; end if;
  end if;
  return public.patchbay_apply('repair', p_call_sid, v_call.lead_id, public.patchbay_facts(p_call_sid, '{}')
    || jsonb_build_object('rows', jsonb_build_object('call_events', jsonb_build_object(v_id, v_image))), v_options);
end $$;

-- Our own numbers can be read from the Twilio account.
do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'public.own_numbers'::regclass
      and conname = 'own_numbers_source_check' and pg_get_constraintdef(oid) like '%twilio%') then
    alter table public.own_numbers drop constraint if exists own_numbers_source_check;
    alter table public.own_numbers add constraint own_numbers_source_check check (source in ('settings', 'data', 'twilio'));
  end if;
end $$;

-- The numbers of the Twilio account (E.164), all of them: those that it has no more go. What the settings name stays theirs.
create or replace function public.note_account_numbers(p_numbers text[]) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_changed text[];
begin
  with gone as (
    delete from public.own_numbers o where o.source = 'twilio' and o.number <> all (p_numbers) returning o.number)
  , kept as (
    insert into public.own_numbers as o (number, source) select distinct n, 'twilio' from unnest(p_numbers) as n
    on conflict (number) do update set source = 'twilio', confirmed = null, noted_at = now() where o.source = 'data'
    returning number)
  select array_agg(number) into v_changed from (select number from gone union select number from kept) as x;
  if v_changed is not null then
    insert into public.judge_queue (call_sid)
    select call_sid from public.calls where counterpart = any (v_changed) or from_number = any (v_changed) or to_number = any (v_changed);
  end if;
  return coalesce(cardinality(v_changed), 0);
end $$;

-- Remember our own numbers [{"number", "source", "calls"}] and queue the calls that a new one concerns. Numbers of the
-- settings that are not named any more go; with p_replace those of the data too, unless a person confirmed or denied them.
-- Those of the Twilio account stay: note_account_numbers keeps them.
create or replace function public.note_own_numbers(p_numbers jsonb, p_replace boolean default false) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_changed text[];
begin
  with given as (select * from jsonb_to_recordset(p_numbers) as g (number text, source text, calls int))
  , gone as (
    delete from public.own_numbers o where not exists (select from given g where g.number = o.number)
      and (o.source = 'settings' or o.source = 'data' and p_replace and o.confirmed is null) returning o.number)
  , new as (
    insert into public.own_numbers (number, source, calls) select number, source, coalesce(calls, 0) from given g
    where not exists (select from public.own_numbers o where o.number = g.number) on conflict do nothing returning number)
  , kept as (
    update public.own_numbers o set source = case when o.source = 'twilio' and g.source = 'data' then 'twilio' else g.source end,
      calls = coalesce(g.calls, 0) from given g
    where g.number = o.number and (o.source, o.calls) is distinct from (g.source, coalesce(g.calls, 0)))
  select array_agg(number) into v_changed from (select number from gone union select number from new) as x;
  if v_changed is not null then
    insert into public.judge_queue (call_sid)
    select call_sid from public.calls where counterpart = any (v_changed) or from_number = any (v_changed) or to_number = any (v_changed);
  end if;
  return coalesce(cardinality(v_changed), 0);
end $$;

-- Test calls that people placed, with what came of them; the calls themselves carry calls.test.
create table if not exists public.test_calls (
  id          bigint generated always as identity primary key,
  key         text not null unique,     -- one click, one call
  at          timestamptz not null default clock_timestamp(),
  actor       text not null,
  to_number   text not null,            -- E.164
  lead_id     bigint,
  via         text not null check (via in ('direct', 'queue')),
  carrier     text not null check (carrier in ('twilio', 'simulator')),
  state       text not null default 'placing' check (state in ('placing', 'queued', 'placed', 'failed', 'unknown')),
  job_id      text,
  call_sid    varchar(50),
  dialled_at  timestamptz,
  error_code  int,                      -- Twilio's
  error       text,
  keep        boolean not null default false,  -- the lead keeps what the call wrote
  lead_before jsonb,                    -- {"slot", "lead_status", "last_contacted_at", "had_notes"}
  restored_at timestamptz);
create index if not exists test_calls_of_call on public.test_calls (call_sid) where call_sid is not null;
create index if not exists test_calls_open on public.test_calls (id) where lead_id is not null and restored_at is null and not keep;
comment on table public.test_calls is 'Patchbay: test calls and what came of them';
alter table public.test_calls enable row level security;

-- Claim a test call before anything is dialled: the same key again returns the same row with "created": false.
create or replace function public.claim_test_call(p_call jsonb) returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_row public.test_calls;
  v_lead jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended('patchbay test call ' || (p_call ->> 'key'), 0));
  select * into v_row from public.test_calls where key = p_call ->> 'key';
  if v_row.id is not null then
    if (v_row.to_number, v_row.lead_id, v_row.via) is distinct from (p_call ->> 'to_number', (p_call ->> 'lead_id')::bigint, p_call ->> 'via') then
      raise exception using errcode = 'PB005', message = 'this key was already used for another test call', hint = 'Use a new key for every click.';
    end if;
    return to_jsonb(v_row) || '{"created": false}';
  end if;
  if p_call ->> 'lead_id' is not null then
    perform public.patchbay_need_lead((p_call ->> 'lead_id')::bigint);
    select jsonb_build_object('slot', public.patchbay_sid(l.call_sid), 'lead_status', l.lead_status, 'last_contacted_at', l.last_contacted_at,
      'had_notes', l.notes is not null) into v_lead from public.leads l where l.id = (p_call ->> 'lead_id')::bigint;
  end if;
  insert into public.test_calls (key, actor, to_number, lead_id, via, carrier, keep, lead_before)
  values (p_call ->> 'key', public.patchbay_actor(p_call ->> 'actor'), p_call ->> 'to_number', (p_call ->> 'lead_id')::bigint, p_call ->> 'via',
    p_call ->> 'carrier', coalesce((p_call ->> 'keep')::boolean, false), v_lead)
  returning * into v_row;
  return to_jsonb(v_row) || '{"created": true}';
end $$;

-- What came of a test call that has no Call SID: state failed or unknown, or queued with its job (which may have dialled meanwhile).
create or replace function public.note_test_call(p_id bigint, p_facts jsonb) returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_row public.test_calls;
  v_attempt record;
begin
  update public.test_calls t set state = case when t.call_sid is null then coalesce(p_facts ->> 'state', t.state) else t.state end,
    job_id = coalesce(p_facts ->> 'job_id', t.job_id), error_code = coalesce((p_facts ->> 'error_code')::int, t.error_code),
    error = coalesce(p_facts ->> 'error', t.error), keep = coalesce((p_facts ->> 'keep')::boolean, t.keep)
  where t.id = p_id returning * into v_row;
  if v_row.via = 'queue' and v_row.job_id is not null and v_row.call_sid is null then
    select a.call_sid, a.dialled_at into v_attempt from public.call_attempts a where a.job_id = v_row.job_id and a.call_sid is not null limit 1;
    if found then
      perform public.place_test_call(p_id, v_attempt.call_sid, v_attempt.dialled_at, false);
      select * into v_row from public.test_calls where id = p_id;
    end if;
  end if;
  return to_jsonb(v_row);
end $$;

-- A test call has its Call SID: tag the call, and unless the worker has done it, write to the lead what the guide's flow 1 writes
-- (link_dialled_call). finish_test_call takes that back.
create or replace function public.place_test_call(p_id bigint, p_call_sid text, p_at timestamptz, p_write_lead boolean default true) returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '1s' as $$
declare
  v_row public.test_calls;
  v_options jsonb;
  v_notes text;
begin
  select * into v_row from public.test_calls where id = p_id;
  if v_row.id is null then raise exception using errcode = 'PB001', message = format('There is no test call %s.', p_id); end if;
  v_options := jsonb_build_object('actor', v_row.actor, 'mode', 'worker', 'create', true, 'started_at', p_at, 'reason', format('Test call %s', p_id));
  perform public.patchbay_lock(p_call_sid, v_options, array_remove(array[v_row.lead_id], null));
  update public.calls set test = true where call_sid = p_call_sid and not test;
  update public.test_calls set call_sid = p_call_sid, dialled_at = coalesce(dialled_at, p_at), state = 'placed' where id = p_id and call_sid is null;
  if not found then return null; end if;  -- it was settled by a callback already
  if p_write_lead and exists (select from public.leads l where l.id = v_row.lead_id) then
    return public.link_dialled_call(p_call_sid, v_row.lead_id, p_at, v_options - 'mode' - 'create' - 'started_at');
  end if;
  return null;
end $$;

-- A test call that went through the queue learns its Call SID when the worker keeps it, and is tagged in the same transaction.
create or replace function public.patchbay_on_attempt() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.test_calls set call_sid = new.call_sid, dialled_at = new.dialled_at, state = 'placed'
  where job_id = new.job_id and via = 'queue' and call_sid is null;
  if found then update public.calls set test = true where call_sid = new.call_sid and not test; end if;
  return null;
exception when others then
  perform public.patchbay_note_error(tg_table_name, tg_op, sqlstate, sqlerrm, p_sids => array[new.call_sid]::text[]);
  return null;
end $$;
create or replace trigger patchbay_test_calls after insert or update of call_sid on public.call_attempts
  for each row when (new.call_sid is not null) execute function public.patchbay_on_attempt();

-- A test call is over: its lead gets back its current call, status, time of contact, and the notes without the call's line; the
-- link stays, as history. What somebody changed meanwhile is left alone. Returns the link event, or null when nothing changed.
create or replace function public.finish_test_call(p_id bigint, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '1s' as $$
declare
  v_row public.test_calls;
  v_lead public.leads;
  v_slot text;
  v_line text;
  v_notes text;
  v_wanted jsonb := '{}';
  v_slots jsonb := '{}';
  v_call public.calls;
begin
  select * into v_row from public.test_calls where id = p_id;
  if v_row.id is null or v_row.lead_id is null or v_row.call_sid is null or v_row.restored_at is not null or v_row.keep then return null; end if;
  v_call := public.patchbay_lock(v_row.call_sid, '{}', array[v_row.lead_id], array_remove(array[v_row.lead_before ->> 'slot'], null));
  update public.test_calls set restored_at = clock_timestamp() where id = p_id and restored_at is null;
  if not found then return null; end if;
  select * into v_lead from public.leads where id = v_row.lead_id;
  if v_lead.id is null then return null; end if;
  if v_lead.call_sid = v_row.call_sid then
    select c.call_sid into v_slot from public.calls c where c.call_sid = v_row.lead_before ->> 'slot' and c.lead_id = v_row.lead_id;
    v_slots := jsonb_build_object(v_row.lead_id, coalesce(v_slot, public.patchbay_newest(v_row.lead_id, v_row.call_sid)));
  end if;
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
  return public.patchbay_apply('finish_test_call', v_row.call_sid, v_row.lead_id,
    public.patchbay_facts(v_row.call_sid, '{}') || jsonb_build_object('leads', v_slots,
      'rows', jsonb_build_object('leads', jsonb_build_object(v_row.lead_id, public.patchbay_image('leads', v_wanted)))),
    jsonb_build_object('actor', coalesce(p_options ->> 'actor', v_row.actor), 'mode', 'worker', 'reason', format('Test call %s is over', p_id)));
end $$;

-- Everything that the stages of a test call are judged by.
create or replace function public.test_call_facts(p_id bigint) returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  select jsonb_build_object('test', to_jsonb(t), 'call', to_jsonb(c), 'progress', to_jsonb(p),
    'event_at', (select min(coalesce(e.created_at, e."timestamp"))::timestamptz from public.call_events e where e.call_sid = t.call_sid),
    'transcript_at', (select min(coalesce(s."timestamp", s.created_at))::timestamptz from public.conversation_transcripts s where s.call_sid = t.call_sid),
    'linked_at', (select min(v.at) from public.link_events v where v.call_sid = t.call_sid and (v.after ->> 'call_lead')::bigint = t.lead_id),
    'attempt', (select to_jsonb(a) from public.call_attempts a where t.via = 'queue' and a.job_id = t.job_id limit 1),
    'now', clock_timestamp())
  from public.test_calls t
  left join public.calls c on c.call_sid = t.call_sid
  left join public.call_progress p on p.call_sid = t.call_sid
  where t.id = p_id $$;

-- Test calls are left out of the figures and worklists. There are few: they are counted by themselves and taken off, so that the
-- counts of all the others can still be answered from indexes.
create index if not exists calls_tests on public.calls (started_at) where test;

create or replace function public.patchbay_overview(p_grace_seconds int default 120) returns jsonb
language sql stable security definer set search_path = '' as $$
  with edge as (select clock_timestamp() - make_interval(secs => p_grace_seconds) as at)
  , tests as (select c.call_sid, c.lead_id, c.set_aside, c.started_at, c.cause from public.calls c where c.test)
  , causes as (
    select x.cause, sum(x.n)::int as n from (
      select c.cause, count(*)::int as n from public.calls c, edge
      where c.lead_id is null and not c.set_aside and c.started_at <= edge.at group by c.cause
      union all
      select t.cause, -count(*)::int from tests t, edge where t.lead_id is null and not t.set_aside and t.started_at <= edge.at group by t.cause) as x
    group by x.cause having sum(x.n) > 0)
  , linked as materialized (select (select count(*) from public.calls where lead_id is not null) - (select count(*) from tests where lead_id is not null) as n)
  , slots as (
    select count(distinct l.call_sid) as n from public.leads l
    where btrim(l.call_sid) <> '' and length(l.call_sid) <= 50 and l.call_sid not in (select t.call_sid from tests t))
  select jsonb_build_object(
    'calls', (select count(*) from public.calls) - (select count(*) from tests),
    'linked', linked.n, 'current', slots.n, 'history', greatest(linked.n - slots.n, 0),
    'unlinked', coalesce((select sum(n)::int from causes), 0),
    'set_aside', (select count(*) from public.calls where set_aside) - (select count(*) from tests where set_aside),
    'pending', (select count(*) from public.calls c, edge where c.lead_id is null and not c.set_aside and c.started_at > edge.at)
      - (select count(*) from tests t, edge where t.lead_id is null and not t.set_aside and t.started_at > edge.at),
    'unlinked_by_cause', coalesce((select jsonb_object_agg(coalesce(cause, 'not_judged'), n) from causes), '{}'),
    'oldest_unlinked_at', (select c.started_at from public.calls c
      where c.lead_id is null and not c.set_aside and not c.test and c.started_at <= (select at from edge) order by c.started_at limit 1))
  from linked, slots $$;

create or replace function public.calls_per_day(p_from timestamptz, p_to timestamptz, p_zone text default 'UTC')
returns table (day date, current int, history int, unlinked int, set_aside int)
language sql stable security definer set search_path = '' as $$
  select (c.started_at at time zone p_zone)::date,
    count(*) filter (where c.lead_id is not null and l.id is not null)::int,
    count(*) filter (where c.lead_id is not null and l.id is null)::int,
    count(*) filter (where c.lead_id is null and not c.set_aside)::int,
    count(*) filter (where c.set_aside)::int
  from public.calls c left join public.leads l on l.id = c.lead_id and l.call_sid = c.call_sid
  where c.started_at >= p_from and c.started_at < p_to and not c.test group by 1 order by 1 $$;

create or replace view public.stuck_calls with (security_invoker) as
select * from public.call_links c
where lower(c.status) not in ('completed', 'busy', 'failed', 'no-answer', 'canceled')
  and c.started_at < now() - case when c.ended then interval '2 minutes' else interval '4 hours' end and not c.test;

create or replace view public.dangling_links with (security_invoker) as
select * from public.call_links c
where c.lead_id is not null and c.event_count = 0 and c.transcript_count = 0 and c.state = 'current' and not c.test;

-- A callback carried the id of the attempt that dialled: what knew no Call SID learns it. Ids of test calls are 'test-' and a
-- number; others are the outbound worker's, settled by settle_attempt where that exists. Returns whether something was settled.
create or replace function public.settle_call_attempt(p_attempt_id text, p_call_sid text, p_status text, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  v_settled boolean := false;
begin
  if p_attempt_id ~ '^test-[0-9]{1,18}$' then
    perform public.place_test_call(t.id, p_call_sid, p_at) from public.test_calls t
    where t.id = substr(p_attempt_id, 6)::bigint and t.call_sid is null;
    return found;
  end if;
  if to_regprocedure('public.settle_attempt(text,text,text,timestamptz)') is not null then
    execute 'select coalesce(to_jsonb(public.settle_attempt($1, $2, $3, $4)) not in (''null'', ''false''), false)'
    into v_settled using p_attempt_id, p_call_sid, p_status, p_at;
  end if;
  return v_settled;
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001750' $$;

select public.patchbay_lock_down(array['call_progress', 'save_call_event', 'save_transcript_line', 'repair_call', 'note_account_numbers',
  'note_own_numbers', 'test_calls', 'claim_test_call', 'note_test_call', 'place_test_call', 'finish_test_call', 'test_call_facts',
  'settle_call_attempt', 'calls_per_day', 'stuck_calls', 'dangling_links']);

notify pgrst, 'reload schema';
