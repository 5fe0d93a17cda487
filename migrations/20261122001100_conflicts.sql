-- Data that contradicts itself about one SID, and its remedies; other worklists; leads. Idempotent; may be pasted.

create index if not exists calls_of_many_rows on public.calls (started_at desc, call_sid collate "C" desc) where event_count > 1;
create index if not exists calls_not_final on public.calls (started_at desc, call_sid collate "C" desc)
  where lower(status) not in ('completed', 'busy', 'failed', 'no-answer', 'canceled');
create index if not exists calls_dangling on public.calls (started_at desc, call_sid collate "C" desc)
  where lead_id is not null and event_count = 0 and transcript_count = 0;
create index if not exists calls_of_odd_sids on public.calls (lower(btrim(call_sid))) where call_sid !~ '^CA[0-9a-f]{32}$';
create index if not exists calls_suspect on public.calls (started_at desc, call_sid collate "C" desc) where suspect is not null;

-- Calls that ended long ago and are not final: a duration or a recording says so, or four hours have passed (Twilio's limit).
create or replace view public.stuck_calls with (security_invoker) as
select * from public.call_links c
where lower(c.status) not in ('completed', 'busy', 'failed', 'no-answer', 'canceled')
  and c.started_at < now() - case when c.ended then interval '2 minutes' else interval '4 hours' end;

-- Leads whose slot names a call that nothing else knows.
create or replace view public.dangling_links with (security_invoker) as
select * from public.call_links c
where c.lead_id is not null and c.event_count = 0 and c.transcript_count = 0 and c.state = 'current';

-- Linked calls whose lead does not fit.
create or replace view public.suspect_links with (security_invoker) as
select * from public.call_links c where c.suspect is not null and c.lead_id is not null;

-- Conflicts, one row each: kind, the call (null for the missing constraint), the leads and the number of rows involved, the
-- remedy's name. two_leads_claim: several leads carry the SID, in call_sid before the UNIQUE constraint, in their notes after it;
-- what a person decided about the call settles the latter.
-- Those of event rows are a view of their own, so that a page of them reads no more calls than it shows.
create or replace view public.row_conflicts with (security_invoker) as
select case when r.contradicts then 'contradicting_event_rows' else 'duplicate_event_rows' end as kind,
  c.call_sid::text as call_sid, c.started_at, '{}'::bigint[] as lead_ids, c.event_count as row_count, array[c.call_sid::text] as call_sids,
  case when r.contradicts then 'choose_row' else 'merge_rows' end as remedy
from public.calls c
cross join lateral (
  select min(e.caller) <> max(e.caller) or min(e.called) <> max(e.called) or min(e.way) <> max(e.way) as contradicts
  from (
    select n.caller, n.called, case when left(n.direction, 8) = 'outbound' then 'outbound'
      when left(n.direction, 7) = 'inbound' and num_nonnulls(n.caller, n.called) > 0 then 'inbound' end as way
    from (select nullif(btrim(v.from_number::text), '') collate "C" as caller, nullif(btrim(v.to_number::text), '') collate "C" as called,
        lower(v.direction::text) as direction
      from public.call_events v where v.call_sid = c.call_sid) as n) as e) r
where c.event_count > 1;

create or replace view public.other_conflicts with (security_invoker) as
select 'sid_variant' as kind, max(c.call_sid::text) filter (where c.call_sid ~ '^CA[0-9a-f]{32}$') as call_sid, min(c.started_at) as started_at,
  '{}'::bigint[] as lead_ids, sum(c.event_count)::int as row_count, array_agg(c.call_sid::text order by c.call_sid collate "C") as call_sids,
  'normalise_sid' as remedy
from (select distinct lower(btrim(v.call_sid)) as folded from public.calls v where v.call_sid !~ '^CA[0-9a-f]{32}$') as odd  -- one of them always is
join public.calls c on lower(btrim(c.call_sid)) = odd.folded
where c.event_count > 0 or c.transcript_count > 0 or c.lead_id is not null
group by odd.folded having count(*) > 1
union all
select 'two_leads_claim', d.call_sid::text, c.started_at, d.lead_ids, d.leads, array[d.call_sid::text], 'choose_lead'
from public.duplicate_slots d left join public.calls c on c.call_sid = d.call_sid where d.call_sid ~ '\S'
union all
select 'two_leads_claim', c.call_sid::text, c.started_at, x.lead_ids, cardinality(x.lead_ids), array[c.call_sid::text], 'choose_lead'
from public.calls c
join lateral (
  select array_agg(distinct m.lead_id order by m.lead_id) as lead_ids
  from (select m.lead_id from public.lead_mentions m join public.leads l on l.id = m.lead_id where m.call_sid = c.call_sid
        union select c.lead_id where c.lead_id is not null) as m) x on cardinality(x.lead_ids) > 1
where exists (select from public.lead_mentions m where m.call_sid = c.call_sid)
  and not exists (select from public.duplicate_slots d where d.call_sid = c.call_sid)
  and not coalesce(public.patchbay_decided(c.call_sid, c.lead_id), false)
  and not (c.lead_id is null and c.by_hand)
union all
select 'missing_constraint', null, null, '{}', (select count(*)::int from public.duplicate_slots), '{}', 'add_constraint'
where not public.has_call_sid_constraint();

create or replace view public.link_conflicts with (security_invoker) as
select * from public.row_conflicts union all select * from public.other_conflicts;

-- How many conflicts of each kind there are.
create or replace function public.conflict_counts() returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_object_agg(kind, n), '{}') from (select kind, count(*)::int as n from public.link_conflicts group by kind) as k $$;

-- How many calls each further worklist holds.
create or replace function public.worklist_counts() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('suspect', (select count(*)::int from public.suspect_links),
    'stuck', (select count(*)::int from public.stuck_calls), 'dangling', (select count(*)::int from public.dangling_links)) $$;

-- Merge a call's event rows into one that keeps the union of what they say. The row with the most numbers stays (the earliest of
-- those); rows that contradict each other need p_options.keep, the id of the row whose numbers and direction hold. Undoable.
create or replace function public.merge_event_rows(p_call_sid text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'merge_rows', p_call_sid, p_options ->> 'keep');
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_call public.calls;
  v_keep text;
  v_said record;
  v_merged jsonb := '{}';
  v_rows jsonb := '{}';
  v_row record;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  v_call := public.patchbay_lock(p_call_sid, v_options);
  perform 1 from public.call_events where call_sid = p_call_sid order by id for update;
  select * into v_said from public.patchbay_summary(array[p_call_sid]);
  if p_options ->> 'keep' is null and exists (
      select from public.link_conflicts k where k.call_sid = p_call_sid and k.kind = 'contradicting_event_rows') then
    raise exception using errcode = 'PB004', message = 'The rows of this call contradict each other.',
      hint = 'Choose the row whose numbers and direction hold.';
  end if;
  for v_row in  -- the best row last: what it says wins
    select e.id::text as id, to_jsonb(e) as image from public.call_events e where e.call_sid = p_call_sid
    order by e.id::text = p_options ->> 'keep',
      num_nonnulls(nullif(btrim(e.from_number::text), ''), nullif(btrim(e.to_number::text), '')), e.id desc
  loop
    v_merged := v_merged || jsonb_strip_nulls(v_row.image);
    v_rows := v_rows || jsonb_build_object(v_row.id, null);
    v_keep := v_row.id;
  end loop;
  if p_options ->> 'keep' is not null and v_keep is distinct from p_options ->> 'keep' then
    raise exception using errcode = 'PB001', message = format('This call has no event row %s.', p_options ->> 'keep');
  end if;
  if v_keep is not null then
    v_merged := v_merged || jsonb_strip_nulls(jsonb_build_object('call_status', v_said.status, 'created_at', (
      select to_jsonb(min(e.created_at)) from public.call_events e where e.call_sid = p_call_sid)));
    if p_options ->> 'keep' is null then v_merged := v_merged || jsonb_strip_nulls(jsonb_build_object('direction', v_said.direction)); end if;
    v_rows := v_rows || jsonb_build_object(v_keep, v_merged);
  end if;
  v_rows := jsonb_build_object('call_events', v_rows) || public.patchbay_repoint_recordings(p_call_sid, v_keep);
  return public.patchbay_apply('merge_rows', p_call_sid, v_call.lead_id, public.patchbay_facts(p_call_sid, '{}')
    || jsonb_build_object('rows', v_rows), v_options);
end $$;

-- The recordings of a call that would point to a removed event row, as wanted rows that point to the kept one.
create or replace function public.patchbay_repoint_recordings(p_sid text, p_keep text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_rows jsonb;
begin
  if 3 > (select count(*) from pg_catalog.pg_attribute a where a.attrelid = to_regclass('public.call_recordings')
          and a.attname in ('id', 'call_sid', 'call_event_id') and not a.attisdropped) then return '{}'; end if;
  execute 'select jsonb_object_agg(r.id, jsonb_build_object(''call_event_id'', to_jsonb(e.id))) from public.call_recordings r
    join public.call_events e on e.id::text = $2 where r.call_sid = $1 and r.call_event_id is distinct from e.id'
  into v_rows using p_sid, p_keep;
  return case when v_rows is null then '{}' else jsonb_build_object('call_recordings', v_rows) end;
end $$;

-- The SID that a variant in case or white space stands for.
create or replace function public.patchbay_standard_sid(p_sid text) returns text language sql immutable as
$$ select case when lower(btrim(p_sid)) ~ '^ca[0-9a-f]{32}$' then 'CA' || substr(lower(btrim(p_sid)), 3) else btrim(p_sid) end $$;

-- Give every row of a SID variant, and the slot that carries it, the standard SID. Two events of one batch: the standard call
-- takes the link over, then the variant gives its rows up and goes off the worklist. Undo the batch to undo it.
-- Returns the events as a list.
create or replace function public.normalise_call_sid(p_call_sid text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '100ms' as $$
declare
  v_into text := public.patchbay_standard_sid(p_call_sid);
  v_options jsonb := public.patchbay_options(p_options, 'normalise_sid', p_call_sid)
    || jsonb_build_object('batch_id', coalesce(p_options ->> 'batch_id', gen_random_uuid()::text));
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_variant public.calls;
  v_standard public.calls;
  v_slots bigint[];
  v_first jsonb;
  v_second jsonb;
begin
  if v_event.id is not null then
    return (select jsonb_agg(public.patchbay_event_json(e) order by e.id) from public.link_events e where e.batch_id = v_event.batch_id);
  end if;
  if v_into = p_call_sid then
    raise exception using errcode = 'PB004', message = 'This SID is written as it should be.', hint = 'Normalise the variant instead.';
  end if;
  v_variant := public.patchbay_lock(p_call_sid, v_options, '{}', array[v_into]);
  perform public.patchbay_lock_calls(array[v_into], v_variant.started_at);
  v_standard := public.patchbay_lock(v_into, v_options - 'expect');
  if v_variant.lead_id <> v_standard.lead_id then
    raise exception using errcode = 'PB004', message = format('The two are linked to different leads: %s and %s.', v_variant.lead_id, v_standard.lead_id),
      hint = 'Unlink the wrong one first.';
  end if;
  if v_variant.lead_id is not null then
    v_slots := array(select l.id from public.leads l where l.call_sid = p_call_sid);
    v_first := public.patchbay_apply('normalise_sid', v_into, v_variant.lead_id, jsonb_build_object('call_lead', v_variant.lead_id,
      'set_aside', false, 'by_hand', false, 'leads', coalesce((select jsonb_object_agg(i, v_into) from unnest(v_slots) as i), '{}')),
      v_options - 'request_id');
  end if;
  v_second := public.patchbay_apply('normalise_sid', p_call_sid, v_variant.lead_id, jsonb_build_object('call_lead', null, 'set_aside', true,
    'by_hand', false, 'leads', '{}'::jsonb, 'rows', public.patchbay_rows_of_sid(p_call_sid, v_into)), v_options);
  return jsonb_path_query_array(jsonb_build_array(v_first, v_second), '$[*] ? (@ != null)');
end $$;

-- The rows that carry a SID, as wanted rows that carry another.
create or replace function public.patchbay_rows_of_sid(p_sid text, p_into text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_relation text;
  v_images jsonb;
  v_rows jsonb := '{}';
begin
  foreach v_relation in array array['call_events', 'conversation_transcripts', 'call_recordings'] loop
    continue when 2 > (select count(*) from pg_catalog.pg_attribute a
      where a.attrelid = to_regclass('public.' || v_relation) and a.attname in ('id', 'call_sid') and not a.attisdropped);
    execute format('select jsonb_object_agg(t.id, jsonb_build_object(''call_sid'', $2)) from public.%I t where t.call_sid = $1', v_relation)
    into v_images using p_sid, p_into;
    if v_images is not null then v_rows := v_rows || jsonb_build_object(v_relation, v_images); end if;
  end loop;
  return v_rows;
end $$;

-- Correct a lead's phone number, compare-and-swap on p_options.expect_phone where given. An event without a call; undoable.
create or replace function public.set_lead_phone(p_lead_id bigint, p_phone text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(p_options, 'set_phone', p_lead_id::text, p_phone);
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_phone text;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  perform 1 from public.leads where id = p_lead_id for update;
  perform public.patchbay_need_lead(p_lead_id);
  select phone into v_phone from public.leads where id = p_lead_id;
  if p_options ? 'expect_phone' and p_options ->> 'expect_phone' is distinct from v_phone then
    raise exception using errcode = 'PB003', message = 'The lead''s phone number changed since you looked; nothing was written.', hint = 'Look again.';
  end if;
  return public.patchbay_apply_rows('set_phone', p_lead_id, jsonb_build_object('leads', jsonb_build_object(p_lead_id,
    jsonb_build_object('phone', p_phone))), v_options);
end $$;

-- Leads that a text finds: an id, digits of a phone number, or part of name, e-mail, company. The best kind first.
create or replace function public.find_leads(p_text text, p_limit int default 50)
returns table (id bigint, name text, phone text, email text, company text, lead_status text, call_sid text, created_at timestamptz,
  last_contacted_at timestamptz, calls bigint)
language sql stable security definer rows 20 set search_path = '' set timezone = 'UTC' as $$
  with wanted as (select btrim(p_text) as text, nullif(regexp_replace(p_text, '\D', '', 'g'), '') as digits, p_text ~ '[[:alpha:]@]' as words)
  select l.id, l.name::text, l.phone::text, l.email::text, to_jsonb(l) ->> 'company', l.lead_status::text, l.call_sid::text,
    l.created_at::timestamptz, l.last_contacted_at::timestamptz, (select count(*) from public.calls c where c.lead_id = l.id)
  from public.leads l, wanted w
  where w.text = '' or not w.words and (l.id::text = w.text or length(w.digits) >= 3 and regexp_replace(l.phone, '\D', '', 'g') like '%' || w.digits || '%')
     or w.words and (l.name ilike public.patchbay_pattern(w.text) or l.email ilike public.patchbay_pattern(w.text)
       or to_jsonb(l) ->> 'company' ilike public.patchbay_pattern(w.text) or l.call_sid = w.text)
  order by l.id::text = w.text desc, l.last_contacted_at desc nulls last, l.id desc limit p_limit $$;

-- Everything about one lead: its row, its calls (the current one marked by state), who shares its number, calls of that number.
create or replace function public.lead_story(p_lead_id bigint, p_limit int default 200) returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  select jsonb_build_object('lead', to_jsonb(l),
    'calls', coalesce((select jsonb_agg(to_jsonb(x)) from (
        select * from public.call_links c where c.lead_id = l.id order by c.started_at desc, c.sid_key desc limit p_limit) as x), '[]'),
    'calls_total', (select count(*) from public.calls c where c.lead_id = l.id),
    'same_key_leads', coalesce((select jsonb_agg(jsonb_build_object('id', o.id, 'name', o.name, 'phone', o.phone, 'lead_status', o.lead_status,
        'call_sid', o.call_sid) order by o.id) from public.leads o
        where o.id <> l.id and o.id in (select n.lead_id from public.lead_numbers n
          where n.key in (select m.key from public.lead_numbers m where m.lead_id = l.id))), '[]'),
    'same_key_calls', coalesce((select jsonb_agg(to_jsonb(x)) from (
        select * from public.call_links c where c.counterpart_key in (select m.key from public.lead_numbers m where m.lead_id = l.id)
          and c.lead_id is distinct from l.id order by c.started_at desc, c.sid_key desc limit p_limit) as x), '[]'),
    'history', coalesce((select jsonb_agg(public.patchbay_event_json(e) || jsonb_build_object('undone', public.patchbay_is_undone(e.id))
        order by e.id desc) from (select * from public.link_events e where e.lead_ids @> array[p_lead_id] order by e.id desc limit p_limit) as e), '[]'))
  from public.leads l where l.id = p_lead_id $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001100' $$;

select public.patchbay_lock_down(array['conflict_counts', 'worklist_counts', 'merge_event_rows', 'normalise_call_sid', 'set_lead_phone',
  'find_leads', 'lead_story', 'stuck_calls', 'dangling_links', 'suspect_links', 'row_conflicts', 'other_conflicts', 'link_conflicts']);

notify pgrst, 'reload schema';
