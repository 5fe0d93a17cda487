-- The ledger: who tied which call to which lead, when, why, and what it was before. Append-only, for its owner too.
-- For each fact (a call's lead, a lead's slot …) the newest event that names it says what is true now; the view
-- link_drift shows where it is not. Idempotent; may be pasted.

create table if not exists public.link_events (
  id         bigint generated always as identity primary key,
  at         timestamptz not null default clock_timestamp(),  -- not now(): a transaction's start would be out of order with id
  actor      text not null,
  source     text not null,
  action     text not null,
  call_sid   varchar(50) not null,
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
create index if not exists link_events_of_leads on public.link_events using gin (lead_ids);
create index if not exists link_events_of_batch on public.link_events (batch_id, id desc) where batch_id is not null;
create index if not exists link_events_of_actor on public.link_events (actor, id desc);
create index if not exists link_events_undone on public.link_events (undoes) where undoes is not null;

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
    select format('lead %s %s', said.key, col.key), to_jsonb(l) -> col.key
    from jsonb_each(coalesce(p_facts #> '{rows,leads}', '{}')) as said
    cross join lateral jsonb_each(said.value) as col
    left join public.leads l on l.id = said.key::bigint
    where to_jsonb(l) -> col.key is distinct from col.value) as broken $$;

-- Append one link event.
create or replace function public.patchbay_record(p_action text, p_source text, p_sid text, p_lead bigint, p_before jsonb, p_after jsonb,
  p_options jsonb default '{}', p_undoes bigint default null) returns public.link_events
language sql security definer set search_path = '' as $$
  insert into public.link_events (actor, source, action, call_sid, lead_id, before, after, reason, evidence, batch_id, request_id,
    request, undoes, lead_ids)
  values (coalesce(p_options ->> 'actor', public.patchbay_writer()), p_source, p_action, p_sid, p_lead, p_before, p_after,
    p_options ->> 'reason', p_options -> 'evidence', (p_options ->> 'batch_id')::uuid, p_options ->> 'request_id',
    p_options -> 'request', p_undoes, array(
      select distinct i from unnest(array[p_lead, (p_before ->> 'call_lead')::bigint, (p_after ->> 'call_lead')::bigint]
        || public.patchbay_keys(p_before -> 'leads') || public.patchbay_keys(p_after -> 'leads')
        || public.patchbay_keys(p_after #> '{rows,leads}')) as i where i is not null order by i))
  returning * $$;

-- A link event in the shape that scripts and screens get.
create or replace function public.patchbay_event_json(p_event public.link_events) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', p_event.id, 'at', p_event.at, 'actor', p_event.actor, 'source', p_event.source,
    'action', p_event.action, 'call_sid', p_event.call_sid, 'lead_id', p_event.lead_id, 'before', p_event.before,
    'after', p_event.after, 'reason', p_event.reason, 'evidence', p_event.evidence, 'batch_id', p_event.batch_id,
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
from public.link_events e order by e.call_sid, e.id desc;
