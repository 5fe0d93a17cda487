-- What a page of a worklist shows, in one read; and reads that took longer the more calls there are. Idempotent; may be pasted.

set local lock_timeout = '2s';

-- Each call with the leads that its cause's or suspicion's sentence names: [{"id", "name", "phone"}], without those that are
-- gone. Null where nobody is named but the best candidate, whom the call's own columns bring.
create or replace view public.worklist_calls with (security_invoker) as
select c.*, case when c.suspect is not null or not c.cause_leads <@ array[c.best_lead_id] or c.best_lead_id is not null and c.best_lead_phone is null
  then (
    select coalesce(json_agg(json_build_object('id', n.id, 'name', n.name, 'phone', n.phone)), '[]')
    from public.leads n where n.id = any (c.cause_leads || c.best_lead_id || c.lead_id)) end as named_leads
from public.call_links c;

-- What the rows say about some calls, as before; of a text that is no number, status or direction only the beginning: an index has no
-- room for more, and a call whose trigger failed for that would be followed by nobody.
create or replace function public.patchbay_summary(p_sids text[])
returns table (call_sid text, first_at timestamptz, direction text, from_number text, to_number text, status text,
  duration int, ended boolean, event_count int, transcript_count int)
language plpgsql stable rows 1 security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off as $$
#variable_conflict use_column
begin return query
  select s.sid, least(e.first_at, t.first_at), left(e.direction, 100), left(e.from_number, 200), left(e.to_number, 200), left(e.status, 100),
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
update public.calls set status = left(status, 100), direction = left(direction, 100), from_number = left(from_number, 200), to_number = left(to_number, 200)
where length(status) > 100 or length(direction) > 100 or length(from_number) > 200 or length(to_number) > 200;

-- Statuses that few calls have, found without going through all of them; the end of a SID, which people paste more often than its middle.
create index if not exists calls_unlinked_by_status on public.calls (status, started_at desc, call_sid collate "C" desc)
  where lead_id is null and not set_aside;
create index if not exists calls_folded_reversed on public.calls (reverse(lower(btrim(call_sid))) text_pattern_ops);

-- Unlinked calls by number as before, but a page's groups are told from one pass over their calls.
create or replace function public.unlinked_by_number(p_filter jsonb default '{}') returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' set enable_nestloop = off as $$  -- so many conditions look like one row
  with found as (
    select c.counterpart, c.cause, c.started_at, c.best_lead_id, c.best_confidence, c.best_evidence, c.direction
    from public.calls c
    where c.lead_id is null and not c.set_aside and not c.test
      and ((select p_filter ->> 'cutoff') is null or c.started_at <= (select (p_filter ->> 'cutoff')::timestamptz))
      and ((select p_filter ->> 'after_cutoff') is null or c.started_at > (select (p_filter ->> 'after_cutoff')::timestamptz))
      and ((select p_filter ->> 'cause') is null or c.cause = (select p_filter ->> 'cause'))
      and ((select p_filter ->> 'direction') is null or starts_with(c.direction, (select p_filter ->> 'direction')))
      and ((select p_filter ->> 'status') is null or c.status = (select p_filter ->> 'status'))
      and ((select p_filter ->> 'counterpart') is null or (select p_filter ->> 'counterpart') in (c.counterpart, c.from_number, c.to_number))
      and ((select p_filter ->> 'digits') is null or c.counterpart like (select '%' || (p_filter ->> 'digits') || '%'))
      and ((select p_filter ->> 'since') is null or c.started_at >= (select (p_filter ->> 'since')::timestamptz))
      and ((select p_filter ->> 'until') is null or c.started_at < (select (p_filter ->> 'until')::timestamptz))
      and ((select p_filter ->> 'text') is null or c.call_sid in (select m.call_sid from public.call_links_matching(p_filter ->> 'text') as m)))
  , groups as (
    select f.counterpart, count(*)::int as calls, max(f.started_at) as newest, min(f.started_at) as oldest,
      count(*) filter (where f.direction ilike 'inbound%')::int as inbound,
      (array_agg(f.best_lead_id order by array_position(array['certain', 'high', 'medium', 'low'], f.best_confidence), f.started_at desc)
        filter (where f.best_lead_id is not null))[1] as best_lead_id
    from found f group by f.counterpart)
  , page as (
    select g.* from groups g
    where p_filter -> 'after' is null or (g.calls, g.newest, coalesce(g.counterpart, '') collate "C")
      < ((p_filter #>> '{after,0}')::int, (p_filter #>> '{after,1}')::timestamptz, (p_filter #>> '{after,2}') collate "C")
    order by g.calls desc, g.newest desc, coalesce(g.counterpart, '') collate "C" desc
    limit coalesce((p_filter ->> 'limit')::int, 50))
  , shown as (  -- the calls of this page's numbers, gone through once
    select f.* from found f join page p on coalesce(p.counterpart, '') = coalesce(f.counterpart, ''))
  , causes as (
    select x.number, jsonb_object_agg(x.cause, x.n) as by_cause from (
      select coalesce(f.counterpart, '') as number, coalesce(f.cause, 'not_judged') as cause, count(*)::int as n
      from shown f group by 1, 2) as x group by 1)
  , surest as (
    select distinct on (1, 2) coalesce(f.counterpart, '') as number, f.best_lead_id, f.best_confidence from shown f
    order by 1, 2, array_position(array['certain', 'high', 'medium', 'low'], f.best_confidence), f.started_at desc)
  select jsonb_build_object('total', (select count(*) from groups), 'calls', (select count(*) from found),
    'groups', coalesce((select jsonb_agg(to_jsonb(p) || jsonb_build_object('causes', c.by_cause, 'best_confidence', s.best_confidence,
        'best_lead_name', (select l.name from public.leads l where l.id = p.best_lead_id),
        'best_lead_phone', (select l.phone from public.leads l where l.id = p.best_lead_id))
      order by p.calls desc, p.newest desc, coalesce(p.counterpart, '') collate "C" desc)
      from page p join causes c on c.number = coalesce(p.counterpart, '')
      left join surest s on s.number = coalesce(p.counterpart, '') and s.best_lead_id = p.best_lead_id), '[]')) $$;

-- Calls that a Call SID or a part of one names, the best kind of match only: the same but for case and white space, else the
-- short form CA12…ef, else the beginning, else the end, else any part. Newest first.
create or replace function public.find_calls(p_text text, p_limit int default 50) returns setof public.call_links
language plpgsql stable security definer rows 10 set search_path = '' as $$
declare
  v_folded text := lower(btrim(p_text));
  v_literal text := replace(replace(replace(lower(btrim(p_text)), '\', '\\'), '%', '\%'), '_', '\_');
  v_pattern text;
begin
  if v_folded = '' then return; end if;
  return query select * from public.call_links c where lower(btrim(c.call_sid)) = v_folded order by c.started_at desc, c.sid_key desc limit p_limit;
  if found then return; end if;
  v_pattern := regexp_replace(v_literal, '…|\.\.\.', '%') || case when v_literal ~ '…|\.\.\.' then '' else '%' end;
  return query select * from public.call_links c where lower(btrim(c.call_sid)) like v_pattern order by c.started_at desc, c.sid_key desc limit p_limit;
  if found then return; end if;
  if v_literal !~ '…|\.\.\.' then
    return query select * from public.call_links c where reverse(lower(btrim(c.call_sid))) like replace(replace(replace(reverse(v_folded), '\', '\\'), '%', '\%'), '_', '\_') || '%'
      order by c.started_at desc, c.sid_key desc limit p_limit;
    if found then return; end if;
  end if;
  return query select * from public.call_links c where lower(btrim(c.call_sid)) like '%' || v_literal || '%'
    order by c.started_at desc, c.sid_key desc limit p_limit;
end $$;

-- How many conflicts of each kind there are. Where counting them takes long, the last count serves for twenty times as long.
create or replace function public.conflict_counts() returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_last jsonb := (select value from public.patchbay_state where key = 'conflict_counts');
  v_began timestamptz := clock_timestamp();
  v_counts jsonb;
begin
  if v_began < (v_last ->> 'until')::timestamptz then return v_last -> 'counts'; end if;
  select coalesce(jsonb_object_agg(k.kind, k.n), '{}') into v_counts
  from (select c.kind, count(*)::int as n from public.link_conflicts c group by c.kind) as k;
  if clock_timestamp() - v_began > interval '1 second' then
    insert into public.patchbay_state (key, value)
    values ('conflict_counts', jsonb_build_object('counts', v_counts, 'until', clock_timestamp() + 20 * (clock_timestamp() - v_began)))
    on conflict (key) do update set value = excluded.value;
  end if;
  return v_counts;
end $$;

-- What differs from the rows of the newest calls, and from the invariant of slots: kind and how many. (link_drift looks at everything.)
create or replace function public.patchbay_drift_of_newest(p_calls int) returns table (kind text, n int)
language sql stable security definer set search_path = '' as $$
  select 'roll-up', count(*)::int
  from public.patchbay_summary(array(
    select c.call_sid::text from public.calls c order by c.started_at desc, c.call_sid collate "C" desc limit p_calls)) s
  join public.calls c on c.call_sid = s.call_sid
  where (s.direction, s.from_number, s.to_number, s.status, s.duration, s.ended, s.event_count, s.transcript_count) is distinct from
        (c.direction, c.from_number, c.to_number, c.status, c.duration, c.ended, c.event_count, c.transcript_count)
     or c.started_at > s.first_at or c.start_known is distinct from (c.start_known or s.first_at is not null)
  having count(*) > 0
  union all
  select 'invariant', count(*)::int from public.leads l left join public.calls c on c.call_sid = l.call_sid
  where public.patchbay_sid(l.call_sid) is not null and c.lead_id is distinct from l.id
    and not exists (select from public.leads h where h.id = c.lead_id and h.call_sid = l.call_sid)
  having count(*) > 0 $$;

-- Facts for the System page's checks. Of a large database only the newest calls are compared with their rows: a page is waited for.
create or replace function public.patchbay_doctor() returns jsonb
language sql stable security definer set search_path = '' set statement_timeout = '15min' as $$
  with size as (select reltuples > 100000 as large from pg_catalog.pg_class where oid = 'public.calls'::regclass)
  select jsonb_build_object(
    'server_version', current_setting('server_version'),
    'schema_version', public.patchbay_schema_version(),
    'install_phase', (select value ->> 'phase' from public.patchbay_state where key = 'install'),
    'call_sid_column', (select format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
      where a.attrelid = 'public.leads'::regclass and a.attname = 'call_sid' and not a.attisdropped),
    'call_sid_index', exists (select from pg_catalog.pg_class where oid = to_regclass('public.idx_leads_call_sid')),
    'call_sid_unique', public.has_call_sid_constraint(),
    'duplicate_slots', (select count(*)::int from public.duplicate_slots),
    'triggers_missing', (select coalesce(jsonb_agg(t.relation || '.' || t.name order by 1), '[]')
      from (select r as relation, n as name from unnest(array['leads', 'call_events', 'conversation_transcripts']) as r,
            unnest(array['patchbay_inserted', 'patchbay_updated', 'patchbay_deleted', 'patchbay_emptied']) as n) as t
      where not exists (select from pg_catalog.pg_trigger g where g.tgrelid = format('public.%I', t.relation)::regclass
        and g.tgname = t.name and g.tgenabled <> 'D')),
    'missed_changes', (select count(*)::int from public.link_errors where replayed_at is null),
    'judge_queue', (select count(*)::int from public.judge_queue) + (select count(*)::int from public.judge_marks),
    'drift', (select coalesce(jsonb_object_agg(kind, n), '{}') from (
      select k.kind, k.n from size, public.patchbay_drift_of_newest(10000) as k where size.large
      union all
      select l.kind, count(*)::int from size, lateral (select x.kind from public.link_drift x where not size.large) as l group by l.kind) as d),
    'drift_of_newest', (select 10000 from size where size.large),
    'own_numbers', (select coalesce(jsonb_agg(to_jsonb(o) order by o.number), '[]') from public.own_numbers o)) $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001650' $$;

select public.patchbay_lock_down(array['worklist_calls', 'unlinked_by_number', 'find_calls', 'conflict_counts']);

notify pgrst, 'reload schema';
