-- What the queue knew of a call: jobs of outbound-calls with their results, kept here because proof expires in the queue (completed
-- jobs are kept 7 days or the last 1000, failed ones 30 days). core.linking.jobs writes them. Idempotent; may be pasted.

set local lock_timeout = '2s';

create table if not exists public.job_results (
  queue        text not null default 'outbound-calls',
  job_id       text not null,
  job_at       timestamptz not null,   -- the job's own timestamp: ids start again when the queue is flushed
  name         text,                   -- make-call, start-media-stream, …
  type         text,                   -- immediate, scheduled, recurring, bulk, automation
  state        text not null,          -- BullMQ's word: completed, failed, active, waiting, delayed, prioritized, …
  lead_id      bigint,                 -- the lead that it was made for, whether that exists or not
  to_number    text,                   -- as the job says it
  to_key       text,                   -- its last seven digits, see patchbay_phone_keys
  call_sid     varchar(50),            -- the call that its result names
  processed_at timestamptz,
  finished_at  timestamptz,
  attempts     int not null default 0,
  failure      text,                   -- why it failed, credentials taken out by the caller
  harvested_at timestamptz not null default now(),  -- since when it is known which lead and call it names
  primary key (queue, job_id, job_at));
create index if not exists job_results_of_call on public.job_results (call_sid) where call_sid is not null;
create index if not exists job_results_of_number on public.job_results (to_key, job_at) where to_key is not null;
create index if not exists job_results_of_lead on public.job_results (lead_id, job_at desc) where lead_id is not null;
create index if not exists job_results_newest on public.job_results (job_at desc, job_id);
comment on table public.job_results is 'Patchbay: jobs of the queue and their results, kept after the queue forgot them';
alter table public.job_results enable row level security;

-- Keep what some jobs say: [{"queue", "job_id", "job_at", "name", "type", "state", "lead_id", "to_number", "call_sid", "processed_at",
-- "finished_at", "attempts", "failure"}]. The same job again brings its row up to date; what a row knows is never forgotten, and a
-- job that has finished stays finished. Marks the calls that it concerns. Returns how many rows are new or changed.
create or replace function public.note_job_results(p_jobs jsonb) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_changed int;
begin
  with given as (
    select distinct on (coalesce(j.queue, 'outbound-calls'), j.job_id, j.job_at)
      coalesce(j.queue, 'outbound-calls') as queue, j.job_id, j.job_at, j.name, j.type, coalesce(j.state, 'unknown') as state, j.lead_id,
      j.to_number, (public.patchbay_phone_keys(j.to_number))[1] as to_key, public.patchbay_sid(j.call_sid) as call_sid,
      j.processed_at, j.finished_at, coalesce(j.attempts, 0) as attempts, j.failure
    from jsonb_to_recordset(p_jobs) as j (queue text, job_id text, job_at timestamptz, name text, type text, state text, lead_id bigint,
      to_number text, call_sid text, processed_at timestamptz, finished_at timestamptz, attempts int, failure text)
    where j.job_id is not null and j.job_at is not null
    order by 1, 2, 3, j.finished_at desc nulls last, j.attempts desc)
  , kept as (
    insert into public.job_results as r (queue, job_id, job_at, name, type, state, lead_id, to_number, to_key, call_sid, processed_at,
      finished_at, attempts, failure)
    select * from given order by queue, job_id, job_at
    on conflict (queue, job_id, job_at) do update set
      name = coalesce(excluded.name, r.name), type = coalesce(excluded.type, r.type), state = excluded.state,
      lead_id = coalesce(excluded.lead_id, r.lead_id), to_number = coalesce(excluded.to_number, r.to_number),
      to_key = coalesce(excluded.to_key, r.to_key), call_sid = coalesce(excluded.call_sid, r.call_sid),
      processed_at = coalesce(excluded.processed_at, r.processed_at), finished_at = coalesce(excluded.finished_at, r.finished_at),
      attempts = greatest(excluded.attempts, r.attempts), failure = coalesce(excluded.failure, r.failure),
      harvested_at = case when (r.lead_id, r.call_sid) is distinct from
        (coalesce(excluded.lead_id, r.lead_id), coalesce(excluded.call_sid, r.call_sid)) then clock_timestamp() else r.harvested_at end
    where (r.finished_at is null or excluded.finished_at is not null)
      and (r.name, r.type, r.state, r.lead_id, r.to_number, r.call_sid, r.processed_at, r.finished_at, r.attempts, r.failure)
        is distinct from (coalesce(excluded.name, r.name), coalesce(excluded.type, r.type), excluded.state,
          coalesce(excluded.lead_id, r.lead_id), coalesce(excluded.to_number, r.to_number), coalesce(excluded.call_sid, r.call_sid),
          coalesce(excluded.processed_at, r.processed_at), coalesce(excluded.finished_at, r.finished_at),
          greatest(excluded.attempts, r.attempts), coalesce(excluded.failure, r.failure))
    returning r.call_sid, r.to_key)
  , marked as (
    insert into public.judge_marks (call_sid, key)
    select call_sid, null from kept where call_sid is not null union select null, to_key from kept where to_key is not null)
  select count(*)::int into v_changed from kept;
  return v_changed;
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001400' $$;

select public.patchbay_lock_down(array['job_results', 'note_job_results']);

notify pgrst, 'reload schema';
