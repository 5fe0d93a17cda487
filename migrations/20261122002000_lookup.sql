-- Call lookup in one answer: with the leads around the call, which were two more reads before. Idempotent; may be pasted.

-- What the rules want to know of some calls, as before; planned once a session, which for one call took longer than answering.
create or replace function public.judge_facts(p_sids text[]) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin return (
  select coalesce(jsonb_agg(jsonb_build_object(
      'call_sid', c.call_sid, 'lead_id', c.lead_id, 'by_hand', c.by_hand, 'set_aside', c.set_aside, 'test', c.test,
      'started_at', c.started_at, 'direction', c.direction, 'from_number', c.from_number, 'to_number', c.to_number,
      'status', c.status, 'duration', c.duration, 'transcript_count', c.transcript_count,
      'confirmed', c.lead_id is not null and ledger.by_person and public.patchbay_decided(c.call_sid, c.lead_id),
      'overruled_lead', case when c.lead_id is not null and ledger.by_person then public.patchbay_overruled(c.call_sid, c.lead_id) end,
      'mentions', coalesce((select jsonb_agg(m.lead_id order by m.lead_id) from public.lead_mentions m
                            join public.leads l on l.id = m.lead_id where m.call_sid = c.call_sid), '[]'),
      'earlier_leads', coalesce(case when ledger.has_moved then (select jsonb_agg(jsonb_build_object('lead_id', x.lead_id, 'event_id', x.event_id, 'at', x.at,
          'exists', exists (select from public.leads l where l.id = x.lead_id), 'removed_by_hand', x.removed_by_hand,
          'removed_by', x.actor, 'action', x.action) order by x.event_id desc)
        from public.patchbay_earlier_leads(c.call_sid) as x) end, '[]'),
      'jobs', coalesce(case when queue.known then (
        select jsonb_agg(public.patchbay_job_facts(r) order by r.job_at, r.queue, r.job_id)
        from public.job_results r where r.call_sid = c.call_sid) end, '[]'),
      'windows', coalesce(case when queue.known then (
        select jsonb_agg(public.patchbay_job_facts(r) order by r.job_at, r.queue, r.job_id)
        from public.job_results r
        where r.to_key in (right(regexp_replace(c.to_number, '\D', '', 'g'), 7), right(regexp_replace(c.from_number, '\D', '', 'g'), 7))
          and r.lead_id is not null and r.call_sid is distinct from c.call_sid and (r.attempts > 1 or r.call_sid is null)
          and r.job_at < c.started_at + interval '10 seconds' and r.job_at > c.started_at - interval '30 days'
          and (r.finished_at is null or r.finished_at > c.started_at - interval '10 seconds')) end, '[]'),
      'spoken', coalesce(s.lines, '[]'))), '[]')
  from public.calls c
  cross join (select exists (select from public.job_results) as known) as queue
  cross join lateral (  -- most calls have no event or one: then there is nothing to look for
    select coalesce(bool_or(e.source = 'person'), false) as by_person, coalesce(bool_or(e.before -> 'call_lead' <> 'null'), false) as has_moved
    from public.link_events e where e.call_sid = c.call_sid) as ledger
  left join public.patchbay_spoken(array(
    select t.call_sid from public.calls t where t.call_sid = any (p_sids) and t.transcript_count > 0)) as s on s.call_sid = c.call_sid
  where c.call_sid = any (p_sids));
end $$;

-- One call's story, as before; near: the leads that have a key of the call's counterpart or of what was said in it, as the judge last saw them, and those
-- that the call's row and notes name; with the keys and ids that were looked for. What the rules ask for beyond these is read by itself.
create or replace function public.call_page(p_call_sid text) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' set enable_seqscan = off
  set plan_cache_mode = force_generic_plan as $$
declare
  v_story jsonb := public.call_story(p_call_sid);
  v_ids bigint[];
  v_keys text[];
begin
  if v_story is null then return null; end if;
  select array_agg(distinct n.id) into v_ids from (
    select c.lead_id as id from public.calls c where c.call_sid = p_call_sid
    union all select m.lead_id from public.lead_mentions m where m.call_sid = p_call_sid
    union all select r.lead_id from public.job_results r where r.call_sid = p_call_sid) as n
  where n.id is not null;
  select array_agg(k.key) into v_keys from (
    select c.counterpart_key as key from public.calls c where c.call_sid = p_call_sid
    union select s.key from public.call_keys s where s.call_sid = p_call_sid) as k
  where k.key is not null;
  return v_story || jsonb_build_object(
    'jobs', coalesce((select jsonb_agg(to_jsonb(j) order by j.job_at desc, j.job_id desc) from (
      select * from public.job_results r where r.call_sid = p_call_sid order by r.job_at desc, r.job_id desc limit 5) as j), '[]'),
    'facts', public.judge_facts(array[p_call_sid]),
    'near', jsonb_build_object('keys', coalesce(v_keys, '{}'), 'ids', coalesce(v_ids, '{}'),
      'by_key', coalesce(case when v_keys is not null then (
        select jsonb_agg(to_jsonb(l) order by l.key, l.id) from public.leads_with_keys(v_keys) as l) end, '[]'),
      'by_id', coalesce(case when v_ids is not null then (
        select jsonb_agg(to_jsonb(l) order by l.id) from public.leads_by_ids(v_ids) as l) end, '[]')),
    'own_numbers', coalesce((select jsonb_agg(o.number) from public.own_numbers o where o.confirmed is not false), '[]'),
    'rules', coalesce((select jsonb_agg(to_jsonb(r)) from public.number_rules r where r.ended_at is null), '[]'),
    'alike', (select count(*) from public.calls c where lower(btrim(c.call_sid)) = lower(btrim(p_call_sid))));
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122002000' $$;

select public.patchbay_lock_down(array['call_page', 'judge_facts']);

notify pgrst, 'reload schema';
