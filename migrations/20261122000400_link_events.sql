-- The ledger: who tied which call to which lead, when, why, and what it was before. Append-only, for its owner too.
-- For each fact (a call's lead, a lead's slot …) the newest event that names it says what is true now; the view
-- link_drift shows where it is not. Idempotent; may be pasted.

create table if not exists public.link_events (
  id         bigint generated always as identity primary key,
  at         timestamptz not null default clock_timestamp(),  -- not now(): a transaction's start would be out of order with id
  actor      text not null,
  source     text not null,
  action     text not null,
  call_sid   varchar(50),     -- null where only a lead's row was repaired
  lead_id    bigint,
  before     jsonb not null,  -- {"call_lead", "set_aside", "by_hand", "leads": {id: slot}, "rows"?: {table: {id: {column: value}}}}
  after      jsonb not null,  -- the same keys; leads and rows hold only what changed
  reason     text,
  evidence   jsonb,
  batch_id   uuid,
  request_id text unique,
  request    jsonb,           -- the command and its arguments, so that another use of the id is refused
  undoes     bigint references public.link_events,
  lead_ids   bigint[] not null default '{}',  -- every lead that before or after names
  constraint link_events_source_is_known check (source in ('person', 'worker', 'automatic', 'outside', 'baseline')),
  constraint link_events_same_facts check (
    before ?& array['call_lead', 'set_aside', 'by_hand', 'leads'] and after ?& array['call_lead', 'set_aside', 'by_hand', 'leads']));
comment on table public.link_events is 'Patchbay: the append-only ledger of links';
create index if not exists link_events_of_call on public.link_events (call_sid, id desc);
create index if not exists link_events_of_leads on public.link_events using gin (lead_ids) with (fastupdate = off);  -- a pending list is read whole by every probe
create index if not exists link_events_of_batch on public.link_events (batch_id, id desc) where batch_id is not null;
create index if not exists link_events_of_actor on public.link_events (actor, id desc);
create index if not exists link_events_undone on public.link_events (undoes) where undoes is not null;

-- Personal values that an event touched (a phone number, a text), kept apart so that they can be erased while the ledger stays.
-- rows: {table: {id: {column: value}}} of the columns that link_events.before (or after) leaves out.
create table if not exists public.link_event_values (
  event_id bigint not null references public.link_events,
  side     text not null check (side in ('before', 'after')),
  rows     jsonb not null,
  primary key (event_id, side));
comment on table public.link_event_values is 'Patchbay: personal values of link events, erasable';

-- What our own triggers could not follow, so that patchbay_replay_errors can.
create table if not exists public.link_errors (
  id         bigint generated always as identity primary key,
  at         timestamptz not null default clock_timestamp(),
  relation   text not null,
  operation  text not null,
  error      text not null,    -- SQLSTATE
  message    text,
  lead_id    bigint,           -- for leads: whose slot changed …
  old_slot   text,             -- … from
  new_slot   text,             -- … to
  gone       boolean not null default false,
  call_sids  text[],           -- for rows: whose calls to roll up again; null: all
  replayed_at timestamptz);
comment on table public.link_errors is 'Patchbay: changes of the customer''s tables that a trigger could not follow, until replayed';
create index if not exists link_errors_open on public.link_errors (id) where replayed_at is null;

-- Small facts about this installation, e.g. how far it is.
create table if not exists public.patchbay_state (key text primary key, value jsonb not null, at timestamptz not null default now());
comment on table public.patchbay_state is 'Patchbay: facts about this installation';

alter table public.link_events enable row level security;
alter table public.link_event_values enable row level security;
alter table public.link_errors enable row level security;
alter table public.patchbay_state enable row level security;

-- Remember a fact about this installation.
create or replace function public.patchbay_set_state(p_key text, p_value jsonb) returns void
language sql security definer set search_path = '' as $$
  insert into public.patchbay_state (key, value) values (p_key, p_value)
  on conflict (key) do update set value = excluded.value, at = now() $$;

-- The ledger only grows, for its owner too, also in replica mode.
create or replace function public.patchbay_refuse_change() returns trigger language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PB004', message = format('link_events is append-only: %s is not allowed', lower(tg_op));
end $$;
create or replace trigger patchbay_append_only before update or delete or truncate on public.link_events
  for each statement execute function public.patchbay_refuse_change();
alter table public.link_events enable always trigger patchbay_append_only;

-- Who is writing: the verified token's subject, else its role, else the login. A pooled session keeps '' in the setting.
create or replace function public.patchbay_writer() returns text language sql stable set search_path = '' as $$
  select coalesce(claims ->> 'email', claims ->> 'sub', claims ->> 'role', session_user::text)
  from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb as claims) as token $$;

-- The actor of one of our commands: a signed-in subject cannot be overridden, a service's token speaks for whom it names.
create or replace function public.patchbay_actor(p_named text) returns text language sql stable set search_path = '' as $$
  select coalesce(claims ->> 'email', claims ->> 'sub', nullif(btrim(p_named), ''), claims ->> 'role', session_user::text)
  from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb as claims) as token $$;

-- The facts of a call, and the slots of some leads, as they are now (shape of before and after). A lead that is gone has no key.
create or replace function public.patchbay_facts(p_sid text, p_leads bigint[]) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'call_lead', c.lead_id, 'set_aside', c.set_aside, 'by_hand', c.by_hand,
    'leads', coalesce((select jsonb_object_agg(l.id, public.patchbay_sid(l.call_sid)) from public.leads l where l.id = any (p_leads)), '{}'))
  from public.calls c where c.call_sid = p_sid $$;

-- The lead ids that are keys of an object, such as the slots of an event.
create or replace function public.patchbay_keys(p_object jsonb) returns bigint[] language sql immutable as
$$ select array(select k::bigint from jsonb_object_keys(coalesce(p_object, '{}')) as k order by 1) $$;

-- One row of the customer's tables as JSON, or null.
create or replace function public.patchbay_row(p_relation text, p_id text) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_row jsonb;
begin
  execute format('select to_jsonb(t) from public.%I t where t.id = %L::%s', p_relation, p_id, public.patchbay_id_type(p_relation)) into v_row;
  return v_row;
end $$;

-- The type of the id column of one of the tables that repairs may touch.
create or replace function public.patchbay_id_type(p_relation text) returns text
language plpgsql stable set search_path = '' as $$
begin
  if p_relation not in ('leads', 'call_events', 'conversation_transcripts', 'call_recordings') then
    raise exception using errcode = 'PB007', message = format('rows of %s cannot be changed by a repair', p_relation);
  end if;
  return (select format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
          where a.attrelid = format('public.%I', p_relation)::regclass and a.attname = 'id' and not a.attisdropped);
end $$;

-- The columns of {table: {id: {column: value} or null for "no such row"}} that are otherwise now, as {what: value now}.
create or replace function public.patchbay_broken_rows(p_rows jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_said record;
  v_now jsonb;
  v_broken jsonb := '{}';
begin
  for v_said in
    select t.key as relation, r.key as id, r.value as image from jsonb_each(coalesce(p_rows, '{}')) as t, jsonb_each(t.value) as r
  loop
    v_now := public.patchbay_row(v_said.relation, v_said.id);
    if v_said.image = 'null' or v_now is null then
      if (v_said.image = 'null') is distinct from (v_now is null) then
        v_broken := v_broken || jsonb_build_object(format('%s/%s', v_said.relation, v_said.id),
          case when v_now is null then 'gone' else 'there again' end);
      end if;
    else
      v_broken := v_broken || coalesce((
        select jsonb_object_agg(format('%s/%s %s', v_said.relation, v_said.id, c.key), v_now -> c.key)
        from jsonb_each(v_said.image) as c where v_now -> c.key is distinct from c.value), '{}');
    end if;
  end loop;
  return v_broken;
end $$;

-- Bring rows to what {table: {id: {column: value} or null}} says: new ones first, then changes, then removals, so that
-- references hold. Our own writer: the ledger row is written by the command. (search_path: as in patchbay_set_slots.)
create or replace function public.patchbay_set_rows(p_rows jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, public, extensions, pg_temp set timezone = 'UTC' set patchbay.writer = 'ours' as $$
declare
  v_row record;
  v_columns text;
begin
  for v_row in
    select t.key as relation, r.key as id, r.value as image, public.patchbay_row(t.key, r.key) is not null as is_there
    from jsonb_each(coalesce(p_rows, '{}')) as t, jsonb_each(t.value) as r
    order by r.value = 'null', public.patchbay_row(t.key, r.key) is not null, t.key, r.key
  loop
    select string_agg(format('%I', k), ', ') into v_columns
    from jsonb_object_keys(case when v_row.image = 'null' then '{}' else v_row.image end) as k;
    if v_row.image = 'null' then
      execute format('delete from public.%I where id = %L::%s', v_row.relation, v_row.id, public.patchbay_id_type(v_row.relation));
    elsif v_row.is_there then
      execute format('update public.%1$I t set (%2$s) = (select %2$s from jsonb_populate_record(null::public.%1$I, $1)) where t.id = %3$L::%4$s',
        v_row.relation, v_columns, v_row.id, public.patchbay_id_type(v_row.relation)) using v_row.image;
    else
      execute format('insert into public.%1$I (%2$s) overriding system value select %2$s from jsonb_populate_record(null::public.%1$I, $1)',
        v_row.relation, v_columns) using v_row.image;
    end if;
  end loop;
  if p_rows ? 'leads' then perform public.patchbay_note_leads(public.patchbay_keys(p_rows -> 'leads')); end if;
end $$;

-- {table: {id: {column: value}}} without its personal values, or only with these: p_personal. What is not known as impersonal is personal.
create or replace function public.patchbay_split_rows(p_rows jsonb, p_personal boolean) returns jsonb language sql immutable as $$
  select jsonb_object_agg(x.relation, x.images) from (
    select t.key as relation, jsonb_object_agg(r.key, case when r.value = 'null' then r.value else (
        select coalesce(jsonb_object_agg(c.key, c.value), '{}') from jsonb_each(r.value) as c
        where p_personal is distinct from (c.key in ('id', 'lead_status', 'call_sid', 'call_status', 'direction', 'duration', 'call_duration',
          'recording_sid', 'call_event_id', 'created_at', 'updated_at', 'timestamp'))) end) as images
    from jsonb_each(p_rows) as t, jsonb_each(t.value) as r group by t.key) as x $$;

-- Two row sets as one, column by column.
create or replace function public.patchbay_join_rows(p_a jsonb, p_b jsonb) returns jsonb language sql immutable as $$
  select jsonb_object_agg(x.relation, x.images) from (
    select t.key as relation, jsonb_object_agg(r.key, case when r.value = 'null' then r.value
      else r.value || coalesce(nullif(p_b -> t.key -> r.key, 'null'), '{}') end) as images
    from jsonb_each(p_a) as t, jsonb_each(t.value) as r group by t.key) as x $$;

-- The given facts (any subset of the event shape) that do not hold now, as {fact: what it is}; {} when all hold.
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
    union all
    select said.key, said.value from jsonb_each(public.patchbay_broken_rows(p_facts -> 'rows')) as said) as broken $$;

-- Append one link event; personal values of rows go into link_event_values.
create or replace function public.patchbay_record(p_action text, p_source text, p_sid text, p_lead bigint, p_before jsonb, p_after jsonb,
  p_options jsonb default '{}', p_undoes bigint default null) returns public.link_events
language plpgsql security definer set search_path = '' as $$
declare
  v_event public.link_events;
begin
  insert into public.link_events (actor, source, action, call_sid, lead_id, before, after, reason, evidence, batch_id, request_id,
    request, undoes, lead_ids)
  values (coalesce(p_options ->> 'actor', public.patchbay_writer()), p_source, p_action, p_sid, p_lead,
    case when p_before ? 'rows' then p_before || jsonb_build_object('rows', public.patchbay_split_rows(p_before -> 'rows', false)) else p_before end,
    case when p_after ? 'rows' then p_after || jsonb_build_object('rows', public.patchbay_split_rows(p_after -> 'rows', false)) else p_after end,
    p_options ->> 'reason', p_options -> 'evidence', (p_options ->> 'batch_id')::uuid, p_options ->> 'request_id',
    p_options -> 'request', p_undoes, array(
      select distinct i from unnest(array[p_lead, (p_before ->> 'call_lead')::bigint, (p_after ->> 'call_lead')::bigint]
        || public.patchbay_keys(p_before -> 'leads') || public.patchbay_keys(p_after -> 'leads')
        || public.patchbay_keys(p_after #> '{rows,leads}')) as i where i is not null order by i))
  returning * into v_event;
  if p_after ? 'rows' then
    insert into public.link_event_values (event_id, side, rows)
    select v_event.id, x.side, public.patchbay_split_rows(x.facts -> 'rows', true)
    from (values ('before', p_before), ('after', p_after)) as x (side, facts);
  end if;
  return v_event;
end $$;

-- The rows of an event's side with their personal values, as far as these were not erased.
create or replace function public.patchbay_event_rows(p_event public.link_events, p_side text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select public.patchbay_join_rows(x.rows, coalesce((select v.rows from public.link_event_values v
    where v.event_id = p_event.id and v.side = p_side), '{}'))
  from (select case p_side when 'before' then p_event.before -> 'rows' else p_event.after -> 'rows' end as rows) as x $$;

-- One side of an event with the personal values of its rows.
create or replace function public.patchbay_event_side(p_event public.link_events, p_side text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select case when x.facts ? 'rows' then x.facts || jsonb_build_object('rows', public.patchbay_event_rows(p_event, p_side)) else x.facts end
  from (select case p_side when 'before' then p_event.before else p_event.after end as facts) as x $$;

-- A link event in the shape that scripts and screens get.
create or replace function public.patchbay_event_json(p_event public.link_events) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', p_event.id, 'at', p_event.at, 'actor', p_event.actor, 'source', p_event.source,
    'action', p_event.action, 'call_sid', p_event.call_sid, 'lead_id', p_event.lead_id,
    'before', public.patchbay_event_side(p_event, 'before'), 'after', public.patchbay_event_side(p_event, 'after'), 'reason', p_event.reason, 'evidence', p_event.evidence, 'batch_id', p_event.batch_id,
    'request_id', p_event.request_id, 'undoes', p_event.undoes) $$;

-- Is the event undone? It is while one of its undos has not been undone itself.
create or replace function public.patchbay_is_undone(p_event bigint) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (select from public.link_events u where u.undoes = p_event and not public.patchbay_is_undone(u.id));
end $$;

-- What the ledger says each lead's slot is (leads that it never named have none).
create or replace view public.link_replay_slots with (security_invoker) as
select distinct on (slot.key) slot.key::bigint as lead_id, slot.value as call_sid
from public.link_events e cross join lateral jsonb_each_text(e.after -> 'leads') as slot order by slot.key, e.id desc;

-- What the ledger says about each call.
create or replace view public.link_replay_calls with (security_invoker) as
select distinct on (e.call_sid) e.call_sid, (e.after ->> 'call_lead')::bigint as lead_id,
  (e.after ->> 'set_aside')::boolean as set_aside, (e.after ->> 'by_hand')::boolean as by_hand
from public.link_events e where e.call_sid is not null order by e.call_sid, e.id desc;
