-- Reads that took longer the more calls there are: figures from smaller indexes, conflicts that are noted when calls are judged, lists by
-- number from an index of their own, and a search that looks at a bounded number of calls at a time. Idempotent; may be pasted.

set local lock_timeout = '2s';

-- A number as the rows write it. (A worklist filtered by a number asks for it on any side.)
create index if not exists calls_from_number on public.calls (from_number) where from_number is not null;
create index if not exists calls_to_number on public.calls (to_number) where to_number is not null;
-- The unlinked calls of every number, with what a list of numbers says of them.
create index if not exists calls_unlinked_of_number on public.calls (counterpart, started_at desc)
  include (cause, direction, best_lead_id, best_confidence) where lead_id is null and not set_aside and not test;

-- SIDs that stand in several leads. (As before; where the column is unique there are none, and nothing is read.)
create or replace view public.duplicate_slots with (security_invoker) as
select l.call_sid, count(*)::int as leads, array_agg(l.id::bigint order by l.id) as lead_ids
from public.leads l where l.call_sid is not null and not public.has_call_sid_constraint() group by l.call_sid having count(*) > 1;

-- Calls whose event rows contradict each other, as far as they were judged.
create table if not exists public.contradicting_calls (
  call_sid varchar(50) primary key,
  noted_at timestamptz not null default now());
comment on table public.contradicting_calls is 'Patchbay: calls whose event rows contradict each other';
alter table public.contradicting_calls enable row level security;

-- Remember which of these calls several existing leads claim (as before), and the rows of which contradict each other.
create or replace function public.note_claims(p_sids text[]) returns void
language sql security definer set search_path = '' as $$
  with claimed as (
    select x.call_sid from (
      select m.call_sid, m.lead_id from public.lead_mentions m where m.call_sid = any (p_sids)
      union select j.call_sid, j.lead_id from public.job_results j where j.call_sid = any (p_sids) and j.lead_id is not null
      union select c.call_sid, c.lead_id from public.calls c where c.call_sid = any (p_sids) and c.lead_id is not null) as x
    join public.leads l on l.id = x.lead_id group by x.call_sid having count(*) > 1)
  , settled as (
    delete from public.call_claims k where k.call_sid = any (p_sids) and not exists (select from claimed c where c.call_sid = k.call_sid))
  insert into public.call_claims (call_sid) select call_sid from claimed order by 1 on conflict do nothing;
  with contradicting as (
    select k.call_sid from public.row_conflicts k where k.call_sid = any (p_sids) and k.kind = 'contradicting_event_rows')
  , settled as (
    delete from public.contradicting_calls k where k.call_sid = any (p_sids)
      and not exists (select from contradicting c where c.call_sid = k.call_sid))
  insert into public.contradicting_calls (call_sid) select call_sid from contradicting order by 1 on conflict do nothing $$;

insert into public.contradicting_calls (call_sid)
select k.call_sid from public.row_conflicts k where k.kind = 'contradicting_event_rows'
  and (select reltuples < 100000 from pg_catalog.pg_class where oid = 'public.calls'::regclass)  -- of many as they are judged
on conflict do nothing;

-- How many conflicts of each kind there are. Calls of several rows are counted from an index, those of them that contradict each other
-- where they are noted.
create or replace function public.conflict_counts() returns jsonb
language sql stable security definer set search_path = '' as $$
  with several as (select count(*)::int as n from public.calls where event_count > 1)
  , contradicting as (
    select count(*)::int as n from public.contradicting_calls k join public.row_conflicts r on r.call_sid = k.call_sid
    where r.kind = 'contradicting_event_rows')
  select coalesce(jsonb_object_agg(k.kind, k.n), '{}') from (
    select o.kind, count(*)::int as n from public.other_conflicts o group by o.kind
    union all select 'contradicting_event_rows', c.n from contradicting c
    union all select 'duplicate_event_rows', s.n - c.n from several s, contradicting c) as k
  where k.n > 0 $$;

delete from public.patchbay_state where key = 'conflict_counts';  -- no longer kept

-- A page of conflicts, newest first, as before; the rare ones among those of rows come from where they are noted.
create or replace function public.list_conflicts(p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  v_kind text := p_filter ->> 'kind';
  v_limit int := coalesce((p_filter ->> 'limit')::int, 50);
  v_at timestamptz := (p_filter #>> '{after,0}')::timestamptz;
  v_place text := p_filter #>> '{after,1}';
  v_found jsonb := '[]';
  v_others jsonb;
begin
  if v_kind = 'contradicting_event_rows' then
    v_found := (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
      select k.*, (k.kind || ' ' || k.call_sid) collate "C" as place
      from public.contradicting_calls n join public.row_conflicts k on k.call_sid = n.call_sid
      where k.kind = v_kind and (v_at is null or (k.started_at, (k.kind || ' ' || k.call_sid) collate "C") < (v_at, v_place collate "C"))
      order by k.started_at desc, place desc limit v_limit) as x);
  elsif v_kind is null or v_kind = 'duplicate_event_rows' then  -- newest first along the index, so that a page stops early
    v_found := (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
      select k.*, (k.kind || ' ' || k.call_sid) collate "C" as place from public.row_conflicts k
      where (v_kind is null or k.kind = v_kind) and k.started_at <= coalesce(v_at, 'infinity')
        and (v_at is null or (k.started_at, (k.kind || ' ' || k.call_sid) collate "C") < (v_at, v_place collate "C"))
      order by k.started_at desc, place desc limit v_limit) as x);
  end if;
  v_others := (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
    select k.*, (k.kind || ' ' || coalesce(k.call_sids[1], '')) collate "C" as place from public.other_conflicts k
    where (v_kind is null or k.kind = v_kind)
      and (v_at is null or k.call_sids <> '{}' and
        (coalesce(k.started_at, '-infinity'), (k.kind || ' ' || k.call_sids[1]) collate "C") < (v_at, v_place collate "C"))
    order by k.call_sids = '{}' desc, coalesce(k.started_at, '-infinity') desc, place desc limit v_limit) as x);
  return (
    select coalesce(jsonb_agg(y.k order by y.first desc, y.at desc, y.place desc), '[]') from (
      select j as k, j -> 'call_sids' = '[]' as first, coalesce((j ->> 'started_at')::timestamptz, '-infinity') as at,
        (j ->> 'place') collate "C" as place
      from jsonb_array_elements(v_found || v_others) as j order by 2 desc, 3 desc, 4 desc limit v_limit) as y);
end $$;

-- The rows that conflicts are about, as before: claiming leads are found by their ids.
create or replace function public.conflict_rows(p_sids text[], p_rows int default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  v_recordings jsonb := '{}';
begin
  if exists (select from pg_catalog.pg_attribute a where a.attrelid = to_regclass('public.call_recordings') and a.attname = 'call_sid'
             and not a.attisdropped) then
    execute 'select coalesce(jsonb_object_agg(x.call_sid, x.n), ''{}'') from (
      select r.call_sid, count(*)::int as n from public.call_recordings r where r.call_sid = any ($1) group by 1) as x'
    into v_recordings using p_sids;
  end if;
  return coalesce((
    select jsonb_object_agg(s, jsonb_build_object(
      'call', (select to_jsonb(c) from public.call_links c where c.call_sid = s),
      'linked_by', (select jsonb_build_object('id', e.id, 'at', e.at, 'actor', e.actor, 'source', e.source, 'action', e.action)
        from public.link_events e join public.calls c on c.call_sid = e.call_sid
        where e.call_sid = s and (e.after ->> 'call_lead')::bigint = c.lead_id
          and e.before -> 'call_lead' is distinct from e.after -> 'call_lead' order by e.id desc limit 1),
      'jobs', coalesce((select jsonb_agg(jsonb_build_object('queue', j.queue, 'job_id', j.job_id, 'name', j.name, 'lead_id', j.lead_id,
          'to_number', j.to_number, 'at', coalesce(j.finished_at, j.processed_at, j.job_at)) order by j.job_at, j.job_id)
        from public.job_results j where j.call_sid = s), '[]'),
      'recordings', coalesce((v_recordings ->> s)::int, 0),
      'claims', coalesce((select jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'phone', l.phone, 'lead_status', l.lead_status,
          'call_sid', l.call_sid, 'in_slot', l.call_sid = s, 'in_notes', exists (
            select from public.lead_mentions m where m.call_sid = s and m.lead_id = l.id)) order by l.id)
        from public.leads l where l.id in (
          select x.id from public.leads x where x.call_sid = s
          union select m.lead_id from public.lead_mentions m where m.call_sid = s
          union select j.lead_id from public.job_results j where j.call_sid = s
          union select c.lead_id from public.calls c where c.call_sid = s)), '[]'),
      'events', coalesce((select jsonb_agg(to_jsonb(e) order by coalesce(e.created_at, e."timestamp"), e.id) from (
          select * from public.call_events v where v.call_sid = s order by v.id limit p_rows) as e), '[]')))
    from unnest(p_sids) as s), '{}');
end $$;

-- The figures, as before: linked calls are those that are left when unlinked and set aside ones are taken away.
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
  , sums as materialized (
    select (select count(*) from public.calls) - (select count(*) from tests) as calls,
      coalesce((select sum(n) from causes), 0) as unlinked,
      (select count(*) from public.calls where set_aside) - (select count(*) from tests where set_aside) as set_aside,
      (select count(*) from public.calls c, edge where c.lead_id is null and not c.set_aside and c.started_at > edge.at)
        - (select count(*) from tests t, edge where t.lead_id is null and not t.set_aside and t.started_at > edge.at) as pending,
      (select count(distinct l.call_sid) from public.leads l where l.call_sid ~ '[^ ]' and length(l.call_sid) <= 50)
        - (select count(distinct l.call_sid) from tests t join public.leads l on l.call_sid = t.call_sid) as slots)
  select jsonb_build_object(
    'calls', s.calls, 'linked', x.linked, 'current', s.slots, 'history', greatest(x.linked - s.slots, 0),
    'unlinked', s.unlinked, 'set_aside', s.set_aside, 'pending', s.pending,
    'unlinked_by_cause', coalesce((select jsonb_object_agg(coalesce(cause, 'not_judged'), n) from causes), '{}'),
    'oldest_unlinked_at', (select c.started_at from public.calls c
      where c.lead_id is null and not c.set_aside and not c.test and c.started_at <= (select at from edge) order by c.started_at limit 1))
  from sums s, lateral (select s.calls - s.unlinked - s.set_aside - s.pending as linked) as x $$;

-- Unlinked calls by number as before: numbers are counted along an index, and only a page's are looked at more closely.
create or replace function public.unlinked_by_number(p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set work_mem = '32MB' as $$
declare
  v_where text := concat_ws(' and ', 'c.lead_id is null and not c.set_aside and not c.test',
    case when p_filter ->> 'cutoff' is not null then format('c.started_at <= %L', p_filter ->> 'cutoff') end,
    case when p_filter ->> 'after_cutoff' is not null then format('c.started_at > %L', p_filter ->> 'after_cutoff') end,
    case when p_filter ->> 'cause' is not null then format('c.cause = %L', p_filter ->> 'cause') end,
    case when p_filter ->> 'direction' is not null then format('starts_with(c.direction, %L)', p_filter ->> 'direction') end,
    case when p_filter ->> 'status' is not null then format('c.status = %L', p_filter ->> 'status') end,
    case when p_filter ->> 'counterpart' is not null then
      format('(c.counterpart = %1$L or c.from_number = %1$L or c.to_number = %1$L)', p_filter ->> 'counterpart') end,
    case when p_filter ->> 'digits' is not null then format('c.counterpart like %L', '%' || (p_filter ->> 'digits') || '%') end,
    case when p_filter ->> 'since' is not null then format('c.started_at >= %L', p_filter ->> 'since') end,
    case when p_filter ->> 'until' is not null then format('c.started_at < %L', p_filter ->> 'until') end,
    case when p_filter ->> 'text' is not null then
      format('c.call_sid in (select m.call_sid from public.call_links_matching(%L) as m)', p_filter ->> 'text') end);
  v_after text := case when p_filter -> 'after' is not null then format(
    'where (g.calls, g.newest, coalesce(g.counterpart, '''') collate "C") < (%L::int, %L::timestamptz, %L collate "C")',
    p_filter #>> '{after,0}', p_filter #>> '{after,1}', p_filter #>> '{after,2}') else '' end;
  v_numbers text[];
  v_told jsonb;
  v_groups jsonb;
begin
  execute format($sql$
    with groups as materialized (
      select c.counterpart, count(*)::int as calls, max(c.started_at) as newest from public.calls c where %s group by c.counterpart)
    , page as (
      select g.counterpart from groups g %s order by g.calls desc, g.newest desc, coalesce(g.counterpart, '') collate "C" desc limit $1)
    select jsonb_build_object('total', count(*), 'calls', coalesce(sum(g.calls), 0)), array(select p.counterpart from page p)
    from groups g $sql$, v_where, v_after)
  into v_told, v_numbers using coalesce((p_filter ->> 'limit')::int, 50);
  execute format($sql$
    with shown as materialized (
      select c.counterpart, c.cause, c.started_at, c.best_lead_id, c.best_confidence, c.direction from public.calls c
      where %1$s and c.counterpart = any ($1)
      union all
      select c.counterpart, c.cause, c.started_at, c.best_lead_id, c.best_confidence, c.direction from public.calls c
      where %1$s and c.counterpart is null and array_position($1, null) is not null)
    , groups as (
      select f.counterpart, count(*)::int as calls, max(f.started_at) as newest, min(f.started_at) as oldest,
        count(*) filter (where f.direction ilike 'inbound%%')::int as inbound
      from shown f group by f.counterpart)
    , causes as (
      select x.number, jsonb_object_agg(x.cause, x.n) as by_cause from (
        select coalesce(f.counterpart, '') as number, coalesce(f.cause, 'not_judged') as cause, count(*)::int as n
        from shown f group by 1, 2) as x group by 1)
    , surest as (
      select distinct on (1) coalesce(f.counterpart, '') as number, f.best_lead_id, f.best_confidence from shown f where f.best_lead_id is not null
      order by 1, array_position(array['certain', 'high', 'medium', 'low'], f.best_confidence), f.started_at desc)
    select coalesce(jsonb_agg(to_jsonb(g) || jsonb_build_object('causes', c.by_cause, 'best_lead_id', s.best_lead_id,
        'best_confidence', s.best_confidence, 'best_lead_name', l.name, 'best_lead_phone', l.phone)
      order by g.calls desc, g.newest desc, coalesce(g.counterpart, '') collate "C" desc), '[]')
    from groups g join causes c on c.number = coalesce(g.counterpart, '')
    left join surest s on s.number = coalesce(g.counterpart, '')
    left join public.leads l on l.id = s.best_lead_id $sql$, v_where)
  into v_groups using v_numbers;
  return v_told || jsonb_build_object('groups', v_groups);
end $$;

-- One condition on a call's row as SQL: {"column", "op", "value"}, or {"any": [[conditions], …]}.
create or replace function public.patchbay_condition(p_condition jsonb) returns text language sql immutable set search_path = '' as $$
  select case when p_condition ? 'any' then '(' || (
      select string_agg('(' || (select string_agg(public.patchbay_condition(c), ' and ') from jsonb_array_elements(g) as c) || ')', ' or ')
      from jsonb_array_elements(p_condition -> 'any') as g) || ')'
    else case p_condition ->> 'column' when 'sid_key' then 'c.call_sid collate "C" ' else format('c.%I ', p_condition ->> 'column') end || case p_condition ->> 'op'
      when 'eq' then format('= %L', p_condition ->> 'value') when 'ne' then format('<> %L', p_condition ->> 'value')
      when 'lt' then format('< %L', p_condition ->> 'value') when 'le' then format('<= %L', p_condition ->> 'value')
      when 'gt' then format('> %L', p_condition ->> 'value') when 'ge' then format('>= %L', p_condition ->> 'value')
      when 'is_null' then 'is null' when 'not_null' then 'is not null'
      when 'ilike' then format('ilike %L', p_condition ->> 'value')
      when 'prefix' then format('like %L', replace(replace(replace(p_condition ->> 'value', '\', '\\'), '%', '\%'), '_', '\_') || '%') end end $$;

-- Look at the next p_looked calls that fulfil these conditions, newest first from a place on, for those that a text finds (as
-- call_links_matching does). Nothing but these calls, their leads and what was said in them is read. p_filter: where (a list of conditions),
-- text, digits (a part of an unlinked call's number, which is then found along the index of numbers; also among the conditions), after
-- (started_at and SID of the last call seen). Returns {"found", "rows" (the first p_limit of them), "last" (the last call that
-- was looked at, null when there are no more)}.
create or replace function public.search_calls(p_filter jsonb, p_limit int, p_looked int) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  v_where text := (select string_agg(public.patchbay_condition(c), ' and ') from jsonb_array_elements(p_filter -> 'where') as c);
  v_text text := p_filter ->> 'text';
  v_digits text := case when v_text !~ '[[:alpha:]]' then nullif(regexp_replace(v_text, '\D', '', 'g'), '') end;
  v_numbers text[];
  v_told jsonb;
begin
  if p_filter ->> 'digits' is not null then
    v_numbers := array(select c.counterpart from public.calls c where c.lead_id is null and not c.set_aside and not c.test
      and c.counterpart like '%' || (p_filter ->> 'digits') || '%' group by 1 limit 1001);
    if cardinality(v_numbers) <= 1000 then v_where := concat_ws(' and ', v_where, format('c.counterpart = any (%L)', v_numbers)); end if;
  end if;
  if p_filter -> 'after' is not null then
    v_where := concat_ws(' and ', v_where, format('c.started_at <= %1$L and (c.started_at, c.call_sid collate "C") < (%1$L::timestamptz, %2$L collate "C")',
      p_filter #>> '{after,0}', p_filter #>> '{after,1}'));
  end if;
  execute format($sql$
    with looked as materialized (
      select c.call_sid, c.started_at, c.lead_id, c.best_lead_id, c.from_number, c.to_number, c.transcript_count from public.calls c
      where %s order by c.started_at desc, c.call_sid collate "C" desc limit $3)
    , found as materialized (
      select c.call_sid, c.started_at from looked c
      where $1 is null or c.call_sid ilike $1
        or length($2) >= 3 and (c.from_number like '%%' || $2 || '%%' or c.to_number like '%%' || $2 || '%%')
        or exists (select from public.leads l where l.id in (c.lead_id, c.best_lead_id) and l.name::text ilike $1)
        or c.transcript_count > 0 and (
          select coalesce(bool_or(%s ilike $1), false) from public.conversation_transcripts t where t.call_sid = c.call_sid))
    , page as (select f.call_sid from found f order by f.started_at desc, f.call_sid collate "C" desc limit $4)
    select jsonb_build_object('found', (select count(*) from found),
      'rows', coalesce((select jsonb_agg(to_jsonb(w) order by w.started_at desc, w.sid_key desc)
        from page p join public.worklist_calls w on w.call_sid = p.call_sid), '[]'),
      'last', (select jsonb_build_array(x.started_at, x.call_sid) from looked x where (select count(*) from looked) = $3
        order by x.started_at, x.call_sid collate "C" limit 1)) $sql$,
    coalesce(v_where, 'true'), (select said from public.patchbay_transcript_columns()))
  into v_told using public.patchbay_pattern(btrim(v_text)), v_digits, p_looked, p_limit;
  return v_told;
end $$;

-- One of the other worklists, searched by a text: only its calls are looked at.
create or replace function public.worklist_matching(p_view text, p_text text) returns setof public.call_links
language plpgsql stable security definer rows 50 set search_path = '' set enable_seqscan = off as $$
declare
  v_view text := case p_view when 'suspect' then 'suspect_links' when 'stuck' then 'stuck_calls' when 'dangling' then 'dangling_links' end;
  v_digits text := case when p_text !~ '[[:alpha:]]' then nullif(regexp_replace(p_text, '\D', '', 'g'), '') end;
begin
  if v_view is null then return; end if;
  return query execute format($sql$
    select c.* from public.%I c
    where c.call_sid ilike $1 or c.best_lead_name ilike $1 or c.lead_name ilike $1
      or length($2) >= 3 and (c.from_number like '%%' || $2 || '%%' or c.to_number like '%%' || $2 || '%%')
      or c.transcript_count > 0 and (
        select coalesce(bool_or(%s ilike $1), false) from public.conversation_transcripts t where t.call_sid = c.call_sid) $sql$,
    v_view, (select said from public.patchbay_transcript_columns())) using public.patchbay_pattern(btrim(p_text)), v_digits;
end $$;

-- How many changes and calls wait for the judge, counted up to p_most; the fingerprint with which calls were judged last; and whether there
-- are so many calls that judging all of them takes a while.
create or replace function public.judging_state(p_most int) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'waiting', (select count(*) from (select from public.judge_queue limit p_most) as q)
      + (select count(*) from (select from public.judge_marks limit p_most) as m)
      + (select count(*) from (select from public.link_errors where replayed_at is null limit 1) as e)
      + (select count(*) from (select from public.number_rules where ended_at is null and expires_at <= now() limit 1) as r),
    'large', (select reltuples > 20000 from pg_catalog.pg_class where oid = 'public.calls'::regclass),
    'fingerprint', (select value from public.patchbay_state where key = 'judge_fingerprint')) $$;

-- One call's story with what the rules want to know of it, in one answer: its jobs, its facts, our own numbers, the rules about numbers;
-- alike: how many calls have this SID but for case and white space. Null when nothing carries the SID.
create or replace function public.call_page(p_call_sid text) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  v_story jsonb := public.call_story(p_call_sid);
begin
  if v_story is null then return null; end if;
  return v_story || jsonb_build_object(
    'jobs', coalesce((select jsonb_agg(to_jsonb(j) order by j.job_at desc, j.job_id desc) from (
      select * from public.job_results r where r.call_sid = p_call_sid order by r.job_at desc, r.job_id desc limit 5) as j), '[]'),
    'facts', public.judge_facts(array[p_call_sid]),
    'own_numbers', coalesce((select jsonb_agg(o.number) from public.own_numbers o where o.confirmed is not false), '[]'),
    'rules', coalesce((select jsonb_agg(to_jsonb(r)) from public.number_rules r where r.ended_at is null), '[]'),
    'alike', (select count(*) from public.calls c where lower(btrim(c.call_sid)) = lower(btrim(p_call_sid))));
end $$;

-- Queue the next p_limit calls that are not queued, newest first, so that all are judged anew by rules with this fingerprint. One that was
-- interrupted goes on where it stopped. Returns how many calls were looked at; 0 when that were all.
create or replace function public.requeue_calls(p_fingerprint text, p_limit int default 20000) returns int
language plpgsql security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  v_after jsonb := (select value -> 'after' from public.patchbay_state where key = 'requeue' and value ->> 'fingerprint' = p_fingerprint);
  v_sids text[];
begin
  if v_after is null then
    delete from public.judge_marks;  -- every call that they could name is queued now; those that come meanwhile stay
    v_sids := array(select c.call_sid from public.calls c order by c.started_at desc, c.call_sid collate "C" desc limit p_limit);
  else
    v_sids := array(select c.call_sid from public.calls c
      where c.started_at <= (v_after ->> 0)::timestamptz and (c.started_at, c.call_sid collate "C") < ((v_after ->> 0)::timestamptz, (v_after ->> 1) collate "C")
      order by c.started_at desc, c.call_sid collate "C" desc limit p_limit);
  end if;
  if cardinality(v_sids) = 0 then
    delete from public.patchbay_state where key = 'requeue';
    return 0;
  end if;
  insert into public.judge_queue (call_sid) select s.sid from unnest(v_sids) with ordinality as s (sid, n)
  where not exists (select from public.judge_queue q where q.call_sid = s.sid) order by s.n;
  perform public.patchbay_set_state('requeue', jsonb_build_object('fingerprint', p_fingerprint, 'after',
    (select jsonb_build_array(c.started_at, c.call_sid) from public.calls c where c.call_sid = v_sids[cardinality(v_sids)])));
  return cardinality(v_sids);
end $$;

-- What differs from the rows of the newest calls, and from the invariant of their slots: kind and how many. (link_drift looks at everything.)
create or replace function public.patchbay_drift_of_newest(p_calls int) returns table (kind text, n int)
language sql stable security definer set search_path = '' set enable_seqscan = off as $$
  with newest as materialized (
    select c.call_sid::text as call_sid from public.calls c order by c.started_at desc, c.call_sid collate "C" desc limit p_calls)
  select 'roll-up', count(*)::int
  from public.patchbay_summary(array(select call_sid from newest)) s
  join public.calls c on c.call_sid = s.call_sid
  where (s.direction, s.from_number, s.to_number, s.status, s.duration, s.ended, s.event_count, s.transcript_count) is distinct from
        (c.direction, c.from_number, c.to_number, c.status, c.duration, c.ended, c.event_count, c.transcript_count)
     or c.started_at > s.first_at or c.start_known is distinct from (c.start_known or s.first_at is not null)
  having count(*) > 0
  union all
  select 'invariant', count(*)::int
  from newest w join public.calls c on c.call_sid = w.call_sid join public.leads l on l.call_sid = w.call_sid
  where c.lead_id is distinct from l.id
    and not exists (select from public.leads h where h.id = c.lead_id and h.call_sid = l.call_sid)
  having count(*) > 0 $$;

-- Facts for the System page's checks, as before; of a large database the newest 2,000 calls are compared with their rows.
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
      select k.kind, k.n from size, lateral (select x.* from public.patchbay_drift_of_newest(2000) as x where size.large) as k
      union all
      select l.kind, count(*)::int from size, lateral (select x.kind from public.link_drift x where not size.large) as l group by l.kind) as d),
    'drift_of_newest', (select 2000 from size where size.large),
    'own_numbers', (select coalesce(jsonb_agg(to_jsonb(o) order by o.number), '[]') from public.own_numbers o)) $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001900' $$;

select public.patchbay_lock_down(array['contradicting_calls', 'duplicate_slots', 'note_claims', 'conflict_counts', 'list_conflicts', 'unlinked_by_number',
  'search_calls', 'worklist_matching', 'judging_state', 'call_page',
  'requeue_calls', 'conflict_rows']);

notify pgrst, 'reload schema';
