-- Conflicts about whose a call is, complete: several leads claim it in notes and in the queue's job results, and a write that must have
-- been rejected by the UNIQUE constraint; what each side rests on; and a decision of a person that new proof can call into question.
-- Idempotent; may be pasted.

set local lock_timeout = '2s';

-- Since when a lead's notes name a call (null: since before this was kept).
alter table public.lead_mentions add column if not exists noted_at timestamptz;
alter table public.lead_mentions alter column noted_at set default clock_timestamp();

-- Calls that more than one lead claims, as far as they were judged: so that conflicts are listed without looking at every call.
create table if not exists public.call_claims (
  call_sid varchar(50) primary key,
  noted_at timestamptz not null default now());
comment on table public.call_claims is 'Patchbay: calls that several leads claim';
alter table public.call_claims enable row level security;

-- Has a person said that this call belongs to this lead, and not taken it back, and has no proof for another lead come since? (An undo
-- restores what was, it decides nothing; confirm is a decision without a change.)
create or replace function public.patchbay_decided(p_sid text, p_lead bigint) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from (
      select max(e.at) as at from public.link_events e where e.call_sid = p_sid and e.source = 'person'
        and e.action in ('link', 'relink', 'make_current', 'confirm') and (e.after ->> 'call_lead')::bigint = p_lead
        and not public.patchbay_is_undone(e.id)) as said
    where said.at is not null
      and not exists (select from public.job_results j join public.leads l on l.id = j.lead_id
        where j.call_sid = p_sid and j.lead_id <> p_lead and j.harvested_at > said.at)
      and not exists (select from public.lead_mentions m join public.leads l on l.id = m.lead_id
        where m.call_sid = p_sid and m.lead_id <> p_lead and m.noted_at > said.at)) $$;

-- Remember which of these calls several existing leads claim: by the link, in their notes, or by a job's result.
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
  insert into public.call_claims (call_sid) select call_sid from claimed order by 1 on conflict do nothing $$;

-- Must a write that was to give the call to p_lead have hit the UNIQUE constraint? The ledger never saw the call with it, and the lead
-- that has it had it when the job was finished (or nobody can tell: the ledger begins later).
create or replace function public.patchbay_was_rejected(p_sid text, p_lead bigint, p_holder bigint) returns boolean
language sql stable security definer set search_path = '' as $$
  select not exists (select from public.link_events e where e.call_sid = p_sid and (e.after ->> 'call_lead')::bigint = p_lead)
    and exists (
      select from public.job_results j
      cross join lateral (select coalesce(j.finished_at, j.processed_at, j.job_at) as at) as written
      left join lateral (
        select e.at, e.source from public.link_events e
        where e.call_sid = p_sid and (e.after ->> 'call_lead')::bigint = p_holder and e.before -> 'call_lead' is distinct from e.after -> 'call_lead'
        order by e.id desc limit 1) as held on true
      where j.call_sid = p_sid and j.lead_id = p_lead
        and (held.at is null or held.source = 'baseline' or held.at <= written.at + interval '5 seconds'
          or written.at < (select e.at from public.link_events e order by e.id limit 1))) $$;

-- What several leads claim about a call: the kind of conflict and the leads (for a rejected link the lead that was to get the call, then
-- the one that has it). No row when one lead or none claims it.
create or replace function public.patchbay_claims(p_sid text) returns table (kind text, lead_ids bigint[])
language sql stable rows 1 security definer set search_path = '' as $$
  with claims as (
    select x.lead_id, bool_or(x.source = 'link') as linked, bool_or(x.source = 'notes') as noted, bool_or(x.source = 'job') as by_job
    from (select c.lead_id, 'link' as source from public.calls c where c.call_sid = p_sid
      union all select m.lead_id, 'notes' from public.lead_mentions m where m.call_sid = p_sid
      union all select j.lead_id, 'job' from public.job_results j where j.call_sid = p_sid) as x
    join public.leads l on l.id = x.lead_id group by x.lead_id)
  , sides as (
    select array_agg(s.lead_id order by s.lead_id) as leads, max(s.lead_id) filter (where s.linked) as holder,
      bool_or(s.by_job or s.noted) filter (where s.linked) as held_by_proof, array_agg(s.lead_id) filter (where not s.linked) as others,
      bool_or(s.noted) filter (where not s.linked) as others_noted
    from claims s)
  select case when rejected.so then 'rejected_link' else 'two_leads_claim' end,
    case when rejected.so then s.others || s.holder else s.leads end
  from sides s
  cross join lateral (select s.holder is not null and not s.held_by_proof and not s.others_noted and cardinality(s.others) = 1
    and public.patchbay_was_rejected(p_sid, s.others[1], s.holder) as so) as rejected
  where cardinality(s.leads) > 1 $$;

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
select k.kind, c.call_sid::text, c.started_at, k.lead_ids, cardinality(k.lead_ids), array[c.call_sid::text], 'choose_lead'
from public.call_claims q
join public.calls c on c.call_sid = q.call_sid
cross join lateral public.patchbay_claims(c.call_sid) as k
where not exists (select from public.duplicate_slots d where d.call_sid = c.call_sid)
  and not (c.lead_id is not null and public.patchbay_decided(c.call_sid, c.lead_id))  -- what a person decided about the call settles it
  and not (c.lead_id is null and c.by_hand)
union all
select 'missing_constraint', null, null, '{}', (select count(*)::int from public.duplicate_slots), '{}', 'add_constraint'
where not public.has_call_sid_constraint();

-- The rows that conflicts are about: of each SID its link and since when, how many recordings carry it, the leads that claim it and by
-- what, the jobs that returned it, and its event rows (at most p_rows of them).
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
        from public.leads l where l.call_sid = s or l.id in (select m.lead_id from public.lead_mentions m where m.call_sid = s)
          or l.id in (select j.lead_id from public.job_results j where j.call_sid = s)
          or l.id = (select c.lead_id from public.calls c where c.call_sid = s)), '[]'),
      'events', coalesce((select jsonb_agg(to_jsonb(e) order by coalesce(e.created_at, e."timestamp"), e.id) from (
          select * from public.call_events v where v.call_sid = s order by v.id limit p_rows) as e), '[]')))
    from unnest(p_sids) as s), '{}');
end $$;

-- Those that are there already, once: most SIDs stand in the notes of just the lead that they are linked to. (What jobs say is noted as
-- they come in and are judged.)
select public.note_claims(array(
  select m.call_sid from public.lead_mentions m group by m.call_sid having count(*) > 1
  union select m.call_sid from public.lead_mentions m join public.calls c on c.call_sid = m.call_sid where c.lead_id <> m.lead_id
  union select j.call_sid from public.job_results j join public.calls c on c.call_sid = j.call_sid where c.lead_id <> j.lead_id))
where not exists (select from public.patchbay_state where key = 'claims');
select public.patchbay_set_state('claims', '{"noted": true}') where not exists (select from public.patchbay_state where key = 'claims');

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001510' $$;

select public.patchbay_lock_down(array['call_claims', 'note_claims', 'other_conflicts', 'conflict_rows']);

notify pgrst, 'reload schema';
