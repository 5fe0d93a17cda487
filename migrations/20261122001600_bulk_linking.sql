-- Linking many calls at once: the plan that a person confirmed is kept until it is carried out, so that it can be followed from any
-- window, stopped, and carried on after a crash. Each call is linked by link_call in a transaction of its own, with a request id made
-- of batch and call: the ledger itself says what is done. core.linking.bulk works through it. Idempotent; may be pasted.

set local lock_timeout = '2s';

create table if not exists public.bulk_batches (
  batch_id       uuid primary key,
  actor          text not null,
  reason         text,
  min_confidence text not null,               -- certain, or high (with certain)
  chosen         text,                        -- which calls, in words
  state          text not null default 'planned' check (state in ('planned', 'running', 'done', 'cancelled')),
  total          int not null default 0,
  left_out       jsonb not null default '{}', -- calls that the plan skipped: {reason: count}
  cancelled_by   text,                        -- who asked it to stop
  begun_at       timestamptz not null default clock_timestamp(),
  beat_at        timestamptz not null default clock_timestamp(),  -- when somebody last worked on it
  ended_at       timestamptz);
create index if not exists bulk_batches_newest on public.bulk_batches (begun_at desc);
comment on table public.bulk_batches is 'Patchbay: bulk links, planned, running and done';
alter table public.bulk_batches enable row level security;

create table if not exists public.bulk_pairs (
  batch_id   uuid not null references public.bulk_batches on delete cascade,
  place      int not null,                    -- newest call first, from 1
  call_sid   varchar(50) not null,
  lead_id    bigint not null,
  confidence text not null,
  slot       varchar(50) not null,            -- the lead's current call afterwards: this one, or the call whose history it joins
  evidence   jsonb not null default '[]',     -- kinds and the rows they come from
  skipped    text,                            -- why it was not linked after all
  detail     text,
  primary key (batch_id, place));
comment on table public.bulk_pairs is 'Patchbay: the calls of a bulk link with the leads they go to';
alter table public.bulk_pairs enable row level security;

-- The request id with which a batch links a call.
create or replace function public.patchbay_bulk_request(p_batch uuid, p_sid text) returns text language sql immutable parallel safe as
$$ select 'bulk/' || p_batch || '/' || p_sid $$;

-- The event that this request wrote already, or null. Two requests with one id wait for each other here. (As before, but always by the
-- index: a session keeps its plan, and a batch's events are many times as many as there were when it was made.)
create or replace function public.patchbay_repeated(p_options jsonb) returns public.link_events
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
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

-- The slots of some leads, and the newest of their linked calls, to which an empty slot goes unless a newer call comes.
create or replace function public.bulk_slots(p_leads bigint[]) returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'lead_status', l.lead_status,
    'call_sid', public.patchbay_sid(l.call_sid), 'newest', n.call_sid, 'newest_at', n.started_at) order by l.id), '[]')
  from public.leads l
  left join lateral (select c.call_sid, c.started_at from public.calls c where public.patchbay_sid(l.call_sid) is null
    and c.call_sid = public.patchbay_newest(l.id)) as n on true
  where l.id = any (p_leads) $$;

-- Keep a batch's head and say in which state it is. One that was never planned to its end starts anew; old ones go.
create or replace function public.bulk_begin(p_batch uuid, p_head jsonb) returns text
language plpgsql security definer set search_path = '' as $$
declare
  v_state text;
begin
  delete from public.bulk_batches where begun_at < clock_timestamp() - interval '90 days';
  insert into public.bulk_batches (batch_id, actor, reason, min_confidence, chosen, left_out)
  values (p_batch, p_head ->> 'actor', p_head ->> 'reason', p_head ->> 'min_confidence', p_head ->> 'chosen', coalesce(p_head -> 'left_out', '{}'))
  on conflict (batch_id) do nothing;
  select state into v_state from public.bulk_batches where batch_id = p_batch for update;
  if v_state = 'planned' then delete from public.bulk_pairs where batch_id = p_batch; end if;
  return v_state;
end $$;

-- Add pairs to a batch that is being planned: [{"place", "call_sid", "lead_id", "confidence", "slot", "evidence"}]. The last ones start it.
create or replace function public.bulk_add(p_batch uuid, p_pairs jsonb, p_last boolean) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_total int;
begin
  if not exists (select from public.bulk_batches where batch_id = p_batch and state = 'planned' for update) then
    return 0;
  end if;
  insert into public.bulk_pairs (batch_id, place, call_sid, lead_id, confidence, slot, evidence)
  select p_batch, p.place, p.call_sid, p.lead_id, p.confidence, p.slot, coalesce(p.evidence, '[]')
  from jsonb_to_recordset(p_pairs) as p (place int, call_sid text, lead_id bigint, confidence text, slot text, evidence jsonb)
  on conflict do nothing;
  select count(*)::int into v_total from public.bulk_pairs where batch_id = p_batch;
  update public.bulk_batches set total = v_total, beat_at = clock_timestamp(),
    state = case when p_last then 'running' else state end where batch_id = p_batch;
  return v_total;
end $$;

-- A batch's pairs in their order: the ones that are open, linked or skipped. Linked is what the ledger has.
create or replace function public.bulk_pairs_of(p_batch uuid, p_which text, p_after int default 0, p_limit int default 500) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('place', x.place, 'call_sid', x.call_sid, 'lead_id', x.lead_id, 'confidence', x.confidence,
    'slot', x.slot, 'evidence', x.evidence, 'skipped', x.skipped, 'detail', x.detail) order by x.place), '[]')
  from (
    select p.* from public.bulk_pairs p
    left join public.link_events e on p_which <> 'skipped' and e.request_id = public.patchbay_bulk_request(p.batch_id, p.call_sid)
    where p.batch_id = p_batch and p.place > p_after
      and case p_which when 'skipped' then p.skipped is not null when 'linked' then e.id is not null else e.id is null and p.skipped is null end
    order by p.place limit p_limit) as x $$;

-- Somebody works on this batch: note what was skipped, [{"place", "skipped", "detail"}]. Says whether to go on.
create or replace function public.bulk_beat(p_batch uuid, p_skipped jsonb default '[]') returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  v_on boolean;
begin
  update public.bulk_pairs p set skipped = s.skipped, detail = left(s.detail, 500)
  from jsonb_to_recordset(p_skipped) as s (place int, skipped text, detail text) where p.batch_id = p_batch and p.place = s.place;
  update public.bulk_batches set beat_at = clock_timestamp() where batch_id = p_batch
  returning state = 'running' and cancelled_by is null into v_on;
  return coalesce(v_on, false);
end $$;

-- Ask a running batch to stop between two calls; says whether it runs.
create or replace function public.bulk_cancel(p_batch uuid, p_actor text) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  update public.bulk_batches set cancelled_by = coalesce(cancelled_by, p_actor) where batch_id = p_batch and state in ('planned', 'running');
  return found;
end $$;

-- A batch has come to its end: done, or cancelled before.
create or replace function public.bulk_end(p_batch uuid) returns text
language plpgsql security definer set search_path = '' as $$
declare
  v_state text;
begin
  update public.bulk_batches b set ended_at = clock_timestamp(), beat_at = clock_timestamp(),
    state = case when public.bulk_pairs_of(p_batch, 'open', 0, 1) = '[]' then 'done' else 'cancelled' end
  where batch_id = p_batch and state in ('planned', 'running');
  select state into v_state from public.bulk_batches where batch_id = p_batch;
  return v_state;
end $$;

-- Where a batch stands, or null: its head, how many calls are linked and undone, and what was skipped on the way.
create or replace function public.bulk_state(p_batch uuid) returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  select to_jsonb(b) || jsonb_build_object(
    'idle_seconds', extract(epoch from clock_timestamp() - b.beat_at),
    'linked', (select count(*)::int from public.link_events e where e.batch_id = b.batch_id and e.action in ('link', 'make_current')),
    'undone', case when b.ended_at is null then 0 else (select count(*)::int from public.link_events e  -- not while it is followed
      where e.batch_id = b.batch_id and public.patchbay_is_undone(e.id)) end,
    'skipped', coalesce((select jsonb_object_agg(s.skipped, s.n) from (select p.skipped, count(*)::int as n from public.bulk_pairs p
      where p.batch_id = b.batch_id and p.skipped is not null group by p.skipped) as s), '{}'))
  from public.bulk_batches b where b.batch_id = p_batch $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001600' $$;

select public.patchbay_lock_down(array['bulk_batches', 'bulk_pairs', 'bulk_slots', 'bulk_begin', 'bulk_add', 'bulk_pairs_of', 'bulk_beat',
  'bulk_cancel', 'bulk_end', 'bulk_state']);

notify pgrst, 'reload schema';
