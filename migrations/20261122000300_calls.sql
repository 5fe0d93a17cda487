-- The roll-up: one row per Call SID with its link, its summary and its cause, so that worklists never aggregate events.
-- Idempotent; may be pasted.

create table if not exists public.calls (
  call_sid         varchar(50) primary key,
  lead_id          bigint,                          -- the link: this call belongs to this lead (no foreign key: the customer's tables know nothing of us)
  set_aside        boolean not null default false,  -- a person took it off the worklist
  by_hand          boolean not null default false,  -- unlinked by hand: automation leaves it alone
  test             boolean not null default false,  -- a test call: never keeps a slot
  started_at       timestamptz not null,            -- earliest row; once known it only moves earlier
  start_known      boolean not null default false,  -- false: provisional, no row has been seen yet
  direction        text,                            -- Twilio's words, e.g. inbound, outbound-api
  from_number      text,
  to_number        text,
  status           text,                            -- Twilio's call status
  duration         int,                             -- seconds
  ended            boolean not null default false,  -- a row has a duration or a recording
  event_count      int not null default 0,
  transcript_count int not null default 0,
  -- written by core.linking.judge
  counterpart      text,                            -- the other party's number, E.164
  counterpart_key  text,                            -- its last seven digits, see patchbay_phone_keys
  cause            text,                            -- why it is unlinked; null when linked
  cause_leads      bigint[] not null default '{}',  -- the leads that the cause's sentence names
  best_lead_id     bigint,
  best_confidence  text,
  best_evidence    text,
  candidate_count  int not null default 0,
  suspect          text,                            -- a linked call whose lead does not fit the evidence: other_lead, other_number
  judged_at        timestamptz,
  constraint calls_linked_is_not_set_aside check (lead_id is null or not set_aside),
  constraint calls_linked_is_not_by_hand check (lead_id is null or not by_hand),
  constraint calls_confidence_is_known check (best_confidence in ('certain', 'high', 'medium', 'low'))
) with (fillfactor = 85);
comment on table public.calls is 'Patchbay: one row per Call SID; kept by triggers, judged by core.linking.judge';

-- "Newer" is a later start, then the greater SID in byte order, whatever the database's collation.
create index if not exists calls_newest on public.calls (started_at desc, call_sid collate "C" desc);
create index if not exists calls_unlinked on public.calls (started_at desc, call_sid collate "C" desc)
  where lead_id is null and not set_aside;
create index if not exists calls_unlinked_by_cause on public.calls (cause, started_at desc, call_sid collate "C" desc)
  where lead_id is null and not set_aside;
create index if not exists calls_set_aside on public.calls (started_at desc, call_sid collate "C" desc) where set_aside;
create index if not exists calls_of_lead on public.calls (lead_id, started_at desc, call_sid collate "C" desc)
  where lead_id is not null;
create index if not exists calls_of_number on public.calls (counterpart_key, started_at desc) where counterpart_key is not null;
create index if not exists calls_folded on public.calls (lower(btrim(call_sid)) text_pattern_ops);

alter table public.calls enable row level security;

-- Calls that core.linking.judge has to look at (again). Append-only for triggers, so that nobody waits for anybody.
create table if not exists public.judge_queue (
  id bigint generated always as identity primary key,
  call_sid varchar(50) not null);
create index if not exists judge_queue_of_call on public.judge_queue (call_sid);
comment on table public.judge_queue is 'Patchbay: calls to be judged';
alter table public.judge_queue enable row level security;

-- A usable Call SID or null: blank (a tab is blank too) means none, an oversized one cannot be in a slot. Case and inner white space are kept.
-- (Without a SET clause, like the next two: so the planner inlines them.)
create or replace function public.patchbay_sid(p_sid text) returns text language sql immutable parallel safe as
$$ select case when p_sid ~ '\S' and length(p_sid) <= 50 then p_sid end $$;

-- A whole number of seconds from whatever type the customer's column has, or null.
create or replace function public.patchbay_int(p_value text) returns int language sql immutable parallel safe as
$$ select case when p_value ~ '^\s*\d{1,9}(\.\d*)?\s*$' then trunc(p_value::numeric)::int end $$;

-- Twilio's final call states: nothing comes after them.
create or replace function public.patchbay_is_final(p_status text) returns boolean language sql immutable parallel safe as
$$ select lower(p_status) in ('completed', 'busy', 'failed', 'no-answer', 'canceled') $$;

-- The newest call linked to a lead, other than p_except; test calls never keep a slot.
create or replace function public.patchbay_newest(p_lead bigint, p_except text default null) returns text
language sql stable security definer set search_path = '' as $$
  select call_sid from public.calls
  where lead_id = p_lead and call_sid is distinct from p_except and not test
  order by started_at desc, call_sid collate "C" desc limit 1 $$;

-- Is call a newer than call b? Null when one of them is unknown.
create or replace function public.patchbay_is_newer(p_a text, p_b text) returns boolean
language sql stable security definer set search_path = '' as $$
  select (a.started_at, a.call_sid collate "C") > (b.started_at, b.call_sid collate "C")
  from public.calls a, public.calls b where a.call_sid = p_a and b.call_sid = p_b $$;

-- What the rows say about some calls. A row with numbers beats one without (the transcript saver writes 'inbound' rows
-- without numbers for outbound calls too), a final status beats any other. Naive times are UTC.
-- enable_seqscan off, here and in the trigger functions: a session plans once, perhaps while the tables are still empty.
-- plpgsql so that plans are cached; `rows 1` because the default guess of 1000 turns every trigger into a scan of calls.
create or replace function public.patchbay_summary(p_sids text[])
returns table (call_sid text, first_at timestamptz, direction text, from_number text, to_number text, status text,
  duration int, ended boolean, event_count int, transcript_count int)
language plpgsql stable rows 1 security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off as $$
#variable_conflict use_column
begin return query
  select s.sid, least(e.first_at, t.first_at), e.direction, e.from_number, e.to_number, e.status,
    e.duration, coalesce(e.ended, false), e.n, t.n
  from unnest(p_sids) as s (sid)
  cross join lateral (
    select count(*)::int as n,
      min(coalesce(r.created_at, r."timestamp"))::timestamptz as first_at,
      coalesce(max(r.seconds), max(r.minutes_or_seconds)) as duration,
      bool_or(coalesce(r.seconds, r.minutes_or_seconds, 0) > 0 or r.has_recording) as ended,
      (array_agg(r.status order by public.patchbay_is_final(r.status) desc, r.created_at desc nulls last, r.id desc)
        filter (where r.status is not null))[1] as status,
      (array_agg(r.direction order by r.numbers desc, r.numbers = 0 and r.direction = 'inbound', r.id)
        filter (where r.direction is not null))[1] as direction,
      (array_agg(r.from_number order by r.numbers desc, r.id) filter (where r.from_number is not null))[1] as from_number,
      (array_agg(r.to_number order by r.numbers desc, r.id) filter (where r.to_number is not null))[1] as to_number
    from (
      select v.id, v.created_at, v."timestamp", v.call_status::text as status, v.direction::text as direction,
        nullif(btrim(v.from_number::text), '') as from_number, nullif(btrim(v.to_number::text), '') as to_number,
        num_nonnulls(nullif(btrim(v.from_number::text), ''), nullif(btrim(v.to_number::text), '')) as numbers,
        public.patchbay_int(v.call_duration::text) as seconds,  -- Twilio's CallDuration; its Duration is whole minutes
        public.patchbay_int(v.duration::text) as minutes_or_seconds,
        nullif(v.recording_url::text, '') is not null or nullif(v.recording_sid::text, '') is not null as has_recording
      from public.call_events v where v.call_sid = s.sid) r) e
  cross join lateral (
    select count(*)::int as n, min(coalesce(v.created_at, v."timestamp"))::timestamptz as first_at
    from public.conversation_transcripts v where v.call_sid = s.sid) t;
end $$;
