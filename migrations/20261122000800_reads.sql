-- What screens and scripts read: calls with their link state, one call's story, the figures. Idempotent; may be pasted.

-- Each call with its link state and its best candidate. sid_key sorts SIDs in byte order.
create or replace view public.call_links with (security_invoker) as
select c.*, c.call_sid collate "C" as sid_key,
  case when c.set_aside then 'set_aside' when c.lead_id is null then 'unlinked' when l.call_sid = c.call_sid then 'current' else 'history' end as state,
  l.name::text as lead_name, b.name::text as best_lead_name, b.phone::text as best_lead_phone, b.lead_status::text as best_lead_status
from public.calls c
left join public.leads l on l.id = c.lead_id
left join public.leads b on b.id = c.best_lead_id;

-- A text as a pattern for ILIKE that finds it literally, anywhere.
create or replace function public.patchbay_pattern(p_text text) returns text language sql immutable as
$$ select '%' || replace(replace(replace(p_text, '\', '\\'), '%', '\%'), '_', '\_') || '%' $$;

-- How a transcript row of this database says what was said and by whom: tables have (role, content), (speaker, message) or both.
create or replace function public.patchbay_transcript_columns() returns table (said text, speaker text)
language sql stable rows 1 set search_path = '' as $$
  select case when bool_or(a.attname = 'content') and bool_or(a.attname = 'message') then 'coalesce(t.content::text, t.message::text)'
              when bool_or(a.attname = 'content') then 't.content::text' else 't.message::text' end,
         case when bool_or(a.attname = 'role') and bool_or(a.attname = 'speaker') then 'coalesce(t.role::text, t.speaker::text)'
              when bool_or(a.attname = 'role') then 't.role::text'
              when bool_or(a.attname = 'speaker') then 't.speaker::text' else 'null::text' end
  from pg_catalog.pg_attribute a
  where a.attrelid = 'public.conversation_transcripts'::regclass and a.attnum > 0 and not a.attisdropped $$;

-- Calls that a text finds: part of the SID, digits of a number, the name of the lead or the best candidate, or what was said.
create or replace function public.call_links_matching(p_text text) returns setof public.call_links
language plpgsql stable security definer rows 200 set search_path = '' as $$
declare
  v_pattern text := public.patchbay_pattern(btrim(p_text));
  v_digits text := case when p_text !~ '[[:alpha:]]' then nullif(regexp_replace(p_text, '\D', '', 'g'), '') end;
begin
  return query execute format($sql$
    with spoken as materialized (
      select distinct t.call_sid from public.conversation_transcripts t where %s ilike $1)
    select c.* from public.call_links c
    where c.call_sid ilike $1 or c.best_lead_name ilike $1 or c.lead_name ilike $1
      or length($2) >= 3 and (c.from_number like '%%' || $2 || '%%' or c.to_number like '%%' || $2 || '%%')
      or c.call_sid in (select s.call_sid from spoken s) $sql$,
    (select said from public.patchbay_transcript_columns())) using v_pattern, v_digits;
end $$;

-- Calls that a Call SID or a part of one names, the best kind of match only: the same but for case and white space, else the
-- short form CA12…ef, else the beginning, else any part. Newest first.
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
  return query select * from public.call_links c where lower(btrim(c.call_sid)) like '%' || v_literal || '%'
    order by c.started_at desc, c.sid_key desc limit p_limit;
end $$;

-- Everything about one call, in one answer; null when nothing carries this SID.
create or replace function public.call_story(p_call_sid text) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_call jsonb := (select to_jsonb(c) from public.call_links c where c.call_sid = p_call_sid);
  v_recordings jsonb := '[]';
  v_transcripts jsonb;
  v_columns record;
begin
  if v_call is null then return null; end if;
  select * into v_columns from public.patchbay_transcript_columns();
  execute format($sql$
    select coalesce(jsonb_agg(to_jsonb(t) || jsonb_build_object('role', %s, 'content', %s) order by coalesce(t."timestamp", t.created_at), t.id), '[]')
    from public.conversation_transcripts t where t.call_sid = $1 $sql$, v_columns.speaker, v_columns.said)
  into v_transcripts using p_call_sid;
  if exists (select from pg_catalog.pg_attribute a where a.attrelid = to_regclass('public.call_recordings') and a.attname = 'call_sid') then
    execute 'select coalesce(jsonb_agg(to_jsonb(r)), ''[]'') from public.call_recordings r where r.call_sid = $1'
    into v_recordings using p_call_sid;
  end if;
  return jsonb_build_object(
    'call', v_call,
    'events', coalesce((select jsonb_agg(to_jsonb(e) order by coalesce(e.created_at, e."timestamp"), e.id)
                        from public.call_events e where e.call_sid = p_call_sid), '[]'),
    'transcripts', v_transcripts,
    'recordings', v_recordings,
    'lead', (select to_jsonb(l) from public.leads l where l.id = (v_call ->> 'lead_id')::bigint),
    'lead_calls', coalesce((select jsonb_agg(to_jsonb(x)) from (
        select c.call_sid, c.state, c.started_at, c.direction, c.status, c.duration from public.call_links c
        where c.lead_id = (v_call ->> 'lead_id')::bigint order by c.started_at desc, c.sid_key desc limit 20) as x), '[]'),
    'lead_calls_total', (select count(*) from public.calls c where c.lead_id = (v_call ->> 'lead_id')::bigint),
    'slots', coalesce((select jsonb_agg(l.id order by l.id) from public.leads l where l.call_sid = p_call_sid), '[]'),
    'mentions', coalesce((select jsonb_agg(m.lead_id order by m.lead_id) from public.lead_mentions m
                          join public.leads l on l.id = m.lead_id where m.call_sid = p_call_sid), '[]'),
    'history', coalesce((select jsonb_agg(public.patchbay_event_json(e) || jsonb_build_object('undone', public.patchbay_is_undone(e.id))
                         order by e.id desc) from public.link_events e where e.call_sid = p_call_sid), '[]'));
end $$;

-- Link events, newest first. p_filter: lead, call, actor, batch, before (an event id), limit.
create or replace function public.link_activity(p_filter jsonb default '{}') returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(public.patchbay_event_json(e) || jsonb_build_object('undone', public.patchbay_is_undone(e.id)) order by e.id desc), '[]')
  from (
    select * from public.link_events e
    where (p_filter ->> 'lead' is null or e.lead_ids @> array[(p_filter ->> 'lead')::bigint])
      and (p_filter ->> 'call' is null or e.call_sid = p_filter ->> 'call')
      and (p_filter ->> 'actor' is null or e.actor = p_filter ->> 'actor')
      and (p_filter ->> 'batch' is null or e.batch_id = (p_filter ->> 'batch')::uuid)
      and (p_filter ->> 'before' is null or e.id < (p_filter ->> 'before')::bigint)
    order by e.id desc limit coalesce((p_filter ->> 'limit')::int, 50)) as e $$;

-- The figures. unlinked excludes pending (younger than the grace period, in seconds) and set_aside.
create or replace function public.patchbay_overview(p_grace_seconds int default 120) returns jsonb
language sql stable security definer set search_path = '' as $$
  with edge as (select clock_timestamp() - make_interval(secs => p_grace_seconds) as at)
  , causes as (
    select c.cause, count(*)::int as n, min(c.started_at) as oldest from public.calls c, edge
    where c.lead_id is null and not c.set_aside and c.started_at <= edge.at group by c.cause)
  , linked as (select count(*)::int as n from public.calls where lead_id is not null)
  , slots as (select count(distinct l.call_sid)::int as n from public.leads l where btrim(l.call_sid) <> '' and length(l.call_sid) <= 50)
  select jsonb_build_object(
    'calls', (select count(*)::int from public.calls), 'linked', linked.n, 'current', slots.n, 'history', greatest(linked.n - slots.n, 0),
    'unlinked', coalesce((select sum(n)::int from causes), 0),
    'set_aside', (select count(*)::int from public.calls where set_aside),
    'pending', (select count(*)::int from public.calls c, edge where c.lead_id is null and not c.set_aside and c.started_at > edge.at),
    'unlinked_by_cause', coalesce((select jsonb_object_agg(coalesce(cause, 'not_judged'), n) from causes), '{}'),
    'oldest_unlinked_at', (select min(oldest) from causes))
  from linked, slots $$;

-- Calls per day of a time zone, by link state.
create or replace function public.calls_per_day(p_from timestamptz, p_to timestamptz, p_zone text default 'UTC')
returns table (day date, current int, history int, unlinked int, set_aside int)
language sql stable security definer set search_path = '' as $$
  select (c.started_at at time zone p_zone)::date,
    count(*) filter (where c.lead_id is not null and l.id is not null)::int,
    count(*) filter (where c.lead_id is not null and l.id is null)::int,
    count(*) filter (where c.lead_id is null and not c.set_aside)::int,
    count(*) filter (where c.set_aside)::int
  from public.calls c left join public.leads l on l.id = c.lead_id and l.call_sid = c.call_sid
  where c.started_at >= p_from and c.started_at < p_to group by 1 order by 1 $$;
