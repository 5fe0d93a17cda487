-- Calls that are in progress: not over by their status, begun lately, and with a fresh sign of life. Read every two seconds while a
-- page that shows them is open, so it touches only a few entries of two small indexes, however many calls there are.
-- Idempotent; may be pasted.

set local lock_timeout = '2s';

-- Calls without any status: only their words are known. (Those with one that is not final: calls_not_final.)
create index if not exists calls_without_status on public.calls (started_at desc, call_sid collate "C" desc) where status is null;

-- The newest p_limit calls in progress, with how many there are (counted to 200); with p_call_sid only that call.
-- Signs of life are the start, a callback, and words; a call that rings has three minutes, one that was answered ten.
-- Each with its last p_lines lines (the newest last, cut at 400 characters), when it was answered, and the event that linked it.
-- now is the database's clock, by which durations are counted.
create or replace function public.live_calls(p_limit int default 6, p_call_sid text default null, p_lines int default 2) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_since timestamptz := v_now - interval '4 hours';  -- Twilio's longest call
  v_sids text[];
  v_total int;
  v_calls jsonb := '[]';
  v_columns record;
begin
  with recent as (
    (select c.call_sid, c.started_at, c.status from public.calls c
     where lower(c.status) not in ('completed', 'busy', 'failed', 'no-answer', 'canceled') and not c.ended and c.started_at > v_since
       and (p_call_sid is null or c.call_sid = p_call_sid)
     order by c.started_at desc limit 200)
    union all
    (select c.call_sid, c.started_at, null from public.calls c
     where c.status is null and not c.ended and c.started_at > v_since and (p_call_sid is null or c.call_sid = p_call_sid)
       and (c.event_count > 0 or c.transcript_count > 0)  -- a SID that only a lead's slot names is no call in progress
     order by c.started_at desc limit 200))
  , alive as (
    select r.call_sid, r.started_at from recent r
    left join public.call_progress p on p.call_sid = r.call_sid
    cross join lateral (select max(coalesce(e.created_at, e."timestamp"))::timestamptz as at from public.call_events e where e.call_sid = r.call_sid) e
    cross join lateral (select max(coalesce(t.created_at, t."timestamp"))::timestamptz as at from public.conversation_transcripts t
                        where t.call_sid = r.call_sid) t
    where greatest(r.started_at, p.saved_at, e.at, t.at) > v_now - case
      when t.at is null and lower(r.status) in ('queued', 'initiated', 'ringing', 'dialing') then interval '3 minutes' else interval '10 minutes' end)
  select count(*), (array_agg(a.call_sid order by a.started_at desc, a.call_sid collate "C" desc))[1:p_limit] into v_total, v_sids from alive a;
  if v_total > 0 then
    select * into v_columns from public.patchbay_transcript_columns();
    execute format($sql$
      select jsonb_agg(jsonb_build_object('call', to_jsonb(c), 'answered_at', p.answered_at, 'lines', l.lines,
          'linked', (select public.patchbay_event_json(e) from public.link_events e
                     where e.call_sid = c.call_sid and e.after ->> 'call_lead' = c.lead_id::text
                       and e.before ->> 'call_lead' is distinct from e.after ->> 'call_lead' order by e.id desc limit 1)) order by s.n)
      from unnest($1) with ordinality as s (call_sid, n)
      join public.call_links c on c.call_sid = s.call_sid
      left join public.call_progress p on p.call_sid = c.call_sid
      cross join lateral (
        select coalesce(jsonb_agg(jsonb_build_object('role', x.role, 'content', x.content, 'at', x.at) order by x.at, x.id), '[]') as lines
        from (select t.id, %s as role, left(%s, 400) as content, coalesce(t."timestamp", t.created_at)::timestamptz as at
              from public.conversation_transcripts t where t.call_sid = c.call_sid
              order by 4 desc, t.id desc limit $2) as x) as l $sql$, v_columns.speaker, v_columns.said)
    into v_calls using v_sids, p_lines;
  end if;
  return jsonb_build_object('now', v_now, 'total', v_total, 'calls', v_calls);
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001820' $$;

select public.patchbay_lock_down(array['live_calls']);

notify pgrst, 'reload schema';
