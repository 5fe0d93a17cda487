-- What the console's further pages read: unlinked calls by number, conflicts page by page with their rows, leads, the System
-- page's facts; and two small decisions: a link confirmed by a person, an own number confirmed. Idempotent; may be pasted.

set local lock_timeout = '2s';

create index if not exists calls_suspect_worst on public.calls (suspect, started_at desc, call_sid collate "C" desc)
  where suspect is not null and lead_id is not null;

-- Unlinked calls grouped by counterpart number, the busiest number first. p_filter: cutoff (only calls that started at or before:
-- older than the grace period), cause, direction (a prefix), status, counterpart (E.164), digits (a part of it), text, since,
-- until · limit · after (calls, newest, counterpart of the last group seen). "Best": the surest candidate of the newest call.
create or replace function public.unlinked_by_number(p_filter jsonb default '{}') returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  with found as (
    select c.counterpart, c.cause, c.started_at, c.best_lead_id, c.best_confidence, c.best_evidence, c.direction
    from public.calls c
    where c.lead_id is null and not c.set_aside
      and (p_filter ->> 'cutoff' is null or c.started_at <= (p_filter ->> 'cutoff')::timestamptz)
      and (p_filter ->> 'after_cutoff' is null or c.started_at > (p_filter ->> 'after_cutoff')::timestamptz)
      and (p_filter ->> 'cause' is null or c.cause = p_filter ->> 'cause')
      and (p_filter ->> 'direction' is null or starts_with(c.direction, p_filter ->> 'direction'))
      and (p_filter ->> 'status' is null or c.status = p_filter ->> 'status')
      and (p_filter ->> 'counterpart' is null or p_filter ->> 'counterpart' in (c.counterpart, c.from_number, c.to_number))
      and (p_filter ->> 'digits' is null or c.counterpart like '%' || (p_filter ->> 'digits') || '%')
      and (p_filter ->> 'since' is null or c.started_at >= (p_filter ->> 'since')::timestamptz)
      and (p_filter ->> 'until' is null or c.started_at < (p_filter ->> 'until')::timestamptz)
      and (p_filter ->> 'text' is null or c.call_sid in (select m.call_sid from public.call_links_matching(p_filter ->> 'text') as m)))
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
  select jsonb_build_object('total', (select count(*) from groups), 'calls', (select count(*) from found),
    'groups', coalesce((select jsonb_agg(to_jsonb(p) || jsonb_build_object(
        'causes', (select jsonb_object_agg(coalesce(x.cause, 'not_judged'), x.n) from (
          select f.cause, count(*)::int as n from found f where f.counterpart is not distinct from p.counterpart group by f.cause) as x),
        'best_confidence', (select f.best_confidence from found f where f.counterpart is not distinct from p.counterpart
          and f.best_lead_id = p.best_lead_id
          order by array_position(array['certain', 'high', 'medium', 'low'], f.best_confidence), f.started_at desc limit 1),
        'best_lead_name', l.name, 'best_lead_phone', l.phone)
      order by p.calls desc, p.newest desc, coalesce(p.counterpart, '') collate "C" desc)
      from page p left join public.leads l on l.id = p.best_lead_id), '[]')) $$;

-- One of the other worklists, searched by a text.
create or replace function public.worklist_matching(p_view text, p_text text) returns setof public.call_links
language sql stable security definer rows 50 set search_path = '' as $$
  select m.* from public.call_links_matching(p_text) as m
  where case p_view
    when 'suspect' then exists (select from public.suspect_links x where x.call_sid = m.call_sid)
    when 'stuck' then exists (select from public.stuck_calls x where x.call_sid = m.call_sid)
    when 'dangling' then exists (select from public.dangling_links x where x.call_sid = m.call_sid) end $$;

-- How many unlinked calls there are of each number that ends in one of these keys.
create or replace function public.unlinked_counterparts(p_keys text[])
returns table (counterpart text, calls int, newest timestamptz, by_hand int)
language sql stable rows 10 security definer set search_path = '' as $$
  select c.counterpart, count(*)::int, max(c.started_at), count(*) filter (where c.by_hand)::int
  from public.calls c
  where c.counterpart_key = any (p_keys) and c.lead_id is null and not c.set_aside and c.counterpart is not null
  group by c.counterpart $$;

-- A page of conflicts, newest first; the missing constraint, which is about no call, comes first. p_filter: kind, limit, after
-- (started_at and place of the last one seen).
create or replace function public.list_conflicts(p_filter jsonb default '{}') returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  with of_rows as (  -- newest first along the index, so that a page stops early
    select k.*, (k.kind || ' ' || k.call_sid) collate "C" as place from public.row_conflicts k
    where (p_filter ->> 'kind' is null or k.kind = p_filter ->> 'kind')
      and k.started_at <= coalesce((p_filter #>> '{after,0}')::timestamptz, 'infinity')
      and (p_filter -> 'after' is null or (k.started_at, (k.kind || ' ' || k.call_sid) collate "C")
        < ((p_filter #>> '{after,0}')::timestamptz, (p_filter #>> '{after,1}') collate "C"))
    order by k.started_at desc, place desc limit coalesce((p_filter ->> 'limit')::int, 50))
  , others as (
    select k.*, (k.kind || ' ' || coalesce(k.call_sids[1], '')) collate "C" as place from public.other_conflicts k
    where (p_filter ->> 'kind' is null or k.kind = p_filter ->> 'kind')
      and (p_filter -> 'after' is null or k.call_sids <> '{}' and
        (coalesce(k.started_at, '-infinity'), (k.kind || ' ' || k.call_sids[1]) collate "C")
        < ((p_filter #>> '{after,0}')::timestamptz, (p_filter #>> '{after,1}') collate "C")))
  select coalesce(jsonb_agg(to_jsonb(x) order by x.call_sids = '{}' desc, coalesce(x.started_at, '-infinity') desc, x.place desc), '[]') from (
    select * from (select * from of_rows union all select * from others) as k
    order by k.call_sids = '{}' desc, coalesce(k.started_at, '-infinity') desc, k.place desc
    limit coalesce((p_filter ->> 'limit')::int, 50)) as x $$;

-- The rows that conflicts are about: of each SID its link, how many rows carry it, and its event rows (at most p_rows of them).
create or replace function public.conflict_rows(p_sids text[], p_rows int default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
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
      'recordings', coalesce((v_recordings ->> s)::int, 0),
      'claims', coalesce((select jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'phone', l.phone, 'lead_status', l.lead_status,
          'call_sid', l.call_sid, 'in_slot', l.call_sid = s, 'in_notes', exists (
            select from public.lead_mentions m where m.call_sid = s and m.lead_id = l.id)) order by l.id)
        from public.leads l where l.call_sid = s or l.id in (select m.lead_id from public.lead_mentions m where m.call_sid = s)
          or l.id = (select c.lead_id from public.calls c where c.call_sid = s)), '[]'),
      'events', coalesce((select jsonb_agg(to_jsonb(e) order by coalesce(e.created_at, e."timestamp"), e.id) from (
          select * from public.call_events v where v.call_sid = s order by v.id limit p_rows) as e), '[]')))
    from unnest(p_sids) as s), '{}');
end $$;

-- A person says that a link is right as it is: nothing changes but that it counts as decided, so that neither numbers nor notes make
-- it doubtful. Null when a person has decided so already. Undoable.
create or replace function public.confirm_link(p_call_sid text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'confirm', p_call_sid);
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_call public.calls;
  v_facts jsonb;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  v_call := public.patchbay_lock(p_call_sid, v_options);
  if v_call.lead_id is null then
    raise exception using errcode = 'PB004', message = 'The call is not linked to a lead.', hint = 'There is no link to confirm: link it.';
  end if;
  if exists (select from public.duplicate_slots d where d.call_sid = p_call_sid) then
    raise exception using errcode = 'PB004', message = 'Several leads carry this call.', hint = 'Relink it to the right lead: that takes it from the others.';
  end if;
  if public.patchbay_decided(p_call_sid, v_call.lead_id) then return null; end if;
  v_facts := public.patchbay_facts(p_call_sid, '{}');
  if coalesce((p_options ->> 'preview')::boolean, false) then
    return jsonb_build_object('id', null, 'actor', v_options ->> 'actor', 'source', 'person', 'action', 'confirm', 'call_sid', p_call_sid,
      'lead_id', v_call.lead_id, 'before', v_facts, 'after', v_facts);
  end if;
  insert into public.judge_queue (call_sid) values (p_call_sid);
  return public.patchbay_event_json(public.patchbay_record('confirm', 'person', p_call_sid, v_call.lead_id, v_facts, v_facts, v_options));
end $$;

-- A person says whether a number is one of ours (null: nobody has said). What was judged with it is judged again.
-- Returns the row, or null for a number that nobody has seen.
create or replace function public.confirm_own_number(p_number text, p_is_ours boolean) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_row public.own_numbers;
begin
  update public.own_numbers set confirmed = p_is_ours, noted_at = now() where number = p_number and source = 'data' returning * into v_row;
  if v_row.number is null then return null; end if;
  insert into public.judge_queue (call_sid)
  select call_sid from public.calls where counterpart = p_number or from_number = p_number or to_number = p_number
    or counterpart_key is null;  -- written otherwise in the row, it left no counterpart
  return to_jsonb(v_row);
end $$;

-- Leads that a text finds: an id, digits of a phone number, or part of name, e-mail, company. The best kind first, then the leads
-- contacted last. From p_offset on, p_limit of them.
drop function if exists public.find_leads(text, int);
create or replace function public.find_leads(p_text text, p_limit int default 50, p_offset int default 0)
returns table (id bigint, name text, phone text, email text, company text, lead_status text, call_sid text, created_at timestamptz,
  last_contacted_at timestamptz, calls bigint)
language plpgsql stable security definer rows 20 set search_path = '' set timezone = 'UTC' as $$
#variable_conflict use_column
declare
  v_text text := btrim(p_text);
  v_digits text := regexp_replace(p_text, '\D', '', 'g');
  v_pattern text := public.patchbay_pattern(btrim(p_text));
  v_company text := case when exists (select from pg_catalog.pg_attribute a where a.attrelid = 'public.leads'::regclass
    and a.attname = 'company' and not a.attisdropped) then 'l.company::text' else 'null::text' end;
  v_where text;
begin
  v_where := case
    when v_text = '' then 'true'
    when v_text ~ '[^0-9[:space:]().+/-]' then format('l.name::text ilike $2 or l.email::text ilike $2 or %s ilike $2 or l.call_sid = $1', v_company)
    when length(v_digits) >= 7 then 'l.id::text = $1 or l.id in (select n.lead_id from public.lead_numbers n where n.key = right($3, 7))
      or translate(l.phone::text, '' ().-/+'', '''') like ''%'' || $3 || ''%'''
    when length(v_digits) >= 3 then 'l.id::text = $1 or translate(l.phone::text, '' ().-/+'', '''') like ''%'' || $3 || ''%'''
    else 'l.id::text = $1' end;
  return query execute format('
    select l.id::bigint, l.name::text, l.phone::text, l.email::text, %s, l.lead_status::text, l.call_sid::text, l.created_at::timestamptz,
      l.last_contacted_at::timestamptz, (select count(*) from public.calls c where c.lead_id = l.id)
    from (select l.* from public.leads l where %s
      order by l.id::text = $1 desc, l.last_contacted_at desc nulls last, l.id desc limit $4 offset $5) as l
    order by l.id::text = $1 desc, l.last_contacted_at desc nulls last, l.id desc', v_company, v_where)
  using v_text, v_pattern, v_digits, p_limit, p_offset;
end $$;

-- Further facts for the System page: the guide's checks as they are, who may read the customer's tables, whom the backend's
-- automation would dial next (status 'new', no call), and how much there is.
create or replace function public.patchbay_system(p_limit int default 20) returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  select jsonb_build_object(
    'version', version(), 'database', current_database(), 'at', now(),
    'size', (select jsonb_build_object('calls', (select count(*) from public.calls), 'leads', (select count(*) from public.leads),
      'link_events', (select count(*) from public.link_events))),
    'index_columns', (select pg_get_indexdef(i.indexrelid) from pg_catalog.pg_index i
      where i.indexrelid = to_regclass('public.idx_leads_call_sid')),
    'index_valid', (select i.indisvalid from pg_catalog.pg_index i where i.indexrelid = to_regclass('public.idx_leads_call_sid')),
    'comment', col_description('public.leads'::regclass, (select a.attnum from pg_catalog.pg_attribute a
      where a.attrelid = 'public.leads'::regclass and a.attname = 'call_sid' and not a.attisdropped)),
    'open_tables', (select coalesce(jsonb_agg(jsonb_build_object('table', c.relname, 'roles', r.roles) order by c.relname), '[]')
      from pg_catalog.pg_class c
      cross join lateral (select array_agg(o.rolname order by o.rolname) as roles from pg_catalog.pg_roles o
        where o.rolname in ('anon', 'authenticated') and has_table_privilege(o.oid, c.oid, 'select, insert, update, delete')) r
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity and r.roles is not null
        and c.relname in ('leads', 'call_events', 'conversation_transcripts', 'call_recordings')),
    'dialable', (select count(*)::int from public.leads l where l.lead_status = 'new' and l.call_sid is null),
    'dialable_first', (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
        select l.id, l.name, l.phone, l.created_at from public.leads l where l.lead_status = 'new' and l.call_sid is null
        order by l.id limit p_limit) as x)) $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001200' $$;

select public.patchbay_lock_down(array['unlinked_by_number', 'worklist_matching', 'unlinked_counterparts', 'list_conflicts', 'conflict_rows', 'confirm_link',
  'confirm_own_number', 'find_leads']);

notify pgrst, 'reload schema';
