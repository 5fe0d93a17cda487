-- Triggers mark, Python judges (phonenumbers cannot run in a trigger): what core.linking.judge reads and writes.
-- Idempotent; may be pasted.

-- The last seven digits of every number in a lead's phone field: an indexed key by which SQL finds the few leads that could
-- match; phonenumbers has the last word.
create table if not exists public.lead_numbers (
  lead_id bigint not null,
  key     text not null,
  primary key (key, lead_id));
comment on table public.lead_numbers is 'Patchbay: search keys of leads.phone';
create index if not exists lead_numbers_of_lead on public.lead_numbers (lead_id);

-- Call SIDs that stand in a lead's notes.
create table if not exists public.lead_mentions (
  call_sid varchar(50) not null,
  lead_id  bigint not null,
  primary key (call_sid, lead_id));
comment on table public.lead_mentions is 'Patchbay: Call SIDs found in leads.notes';
create index if not exists lead_mentions_of_lead on public.lead_mentions (lead_id);

-- What became doubtful because a lead changed: every call with this number key, every call of this lead, or this call.
create table if not exists public.judge_marks (
  id       bigint generated always as identity primary key,
  key      text,
  call_sid varchar(50),
  lead_id  bigint,
  constraint judge_marks_names_one check (num_nonnulls(key, call_sid, lead_id) = 1));
comment on table public.judge_marks is 'Patchbay: numbers and calls whose cause may have changed';

-- Our own Twilio numbers: from the settings, and as the data shows them.
create table if not exists public.own_numbers (
  number    text primary key,  -- E.164
  source    text not null check (source in ('settings', 'data')),
  calls     int not null default 0,
  confirmed boolean,           -- null: nobody has looked at it yet
  noted_at  timestamptz not null default now());
comment on table public.own_numbers is 'Patchbay: our own numbers, never a counterpart';

alter table public.lead_numbers enable row level security;
alter table public.lead_mentions enable row level security;
alter table public.judge_marks enable row level security;
alter table public.own_numbers enable row level security;

-- The search keys of a phone field: the last seven digits of each number in it. It knows several numbers in one field,
-- extensions and a spreadsheet's trailing .0; core.model.phone.keys follows the same rule.
create or replace function public.patchbay_phone_keys(p_text text) returns text[] language sql immutable as $$
  select coalesce(array_agg(distinct right(part.digits, 7)), '{}')
  from (
    select digits from (
      select regexp_replace(regexp_replace(piece, '\.0+\s*$', ''), '\D', '', 'g') as digits
      from regexp_split_to_table(lower(p_text), '[,;/|#\n]|ext|x|\mor\M|\mand\M') as piece) as pieces
    union all
    select left(digits, length(digits) / 2) from (
      select regexp_replace(regexp_replace(piece, '\.0+\s*$', ''), '\D', '', 'g') as digits
      from regexp_split_to_table(lower(p_text), '[,;/|#\n]|ext|x|\mor\M|\mand\M') as piece) as pieces
    where length(digits) > 15) as part
  where length(part.digits) >= 7 $$;

-- The Call SIDs in a text (CA and at least one digit, as SIDs have).
create or replace function public.patchbay_sids_in(p_text text) returns text[] language sql immutable as $$
  select coalesce(array_agg(distinct m[1]), '{}') from regexp_matches(p_text, '\m(CA[0-9A-Za-z_-]{4,48})\M', 'g') as m
  where m[1] ~ '\d' $$;

-- Bring the search keys and mentions of some leads up to date (a lead that is gone loses them), and mark the calls that this
-- concerns: keys and SIDs that were or are named, and what is linked to them.
create or replace function public.patchbay_note_leads(p_ids bigint[]) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  if coalesce(cardinality(p_ids), 0) = 0 then return; end if;
  with wanted as (
    select distinct l.id::bigint as lead_id, k.key from public.leads l cross join unnest(public.patchbay_phone_keys(l.phone)) as k (key)
    where l.id = any (p_ids) and l.phone is not null)
  , removed as (
    delete from public.lead_numbers n where n.lead_id = any (p_ids)
      and not exists (select from wanted w where w.lead_id = n.lead_id and w.key = n.key) returning n.key)
  , added as (
    insert into public.lead_numbers (lead_id, key) select lead_id, key from wanted on conflict do nothing returning key)
  insert into public.judge_marks (key)
  select key from removed union select key from added
  union select key from wanted;  -- the number may be written otherwise and keep its key: the cause's sentence changes all the same
  with wanted as (
    select distinct l.id::bigint as lead_id, s.sid from public.leads l cross join unnest(public.patchbay_sids_in(l.notes)) as s (sid)
    where l.id = any (p_ids) and l.notes is not null)
  , removed as (
    delete from public.lead_mentions m where m.lead_id = any (p_ids)
      and not exists (select from wanted w where w.lead_id = m.lead_id and w.sid = m.call_sid) returning m.call_sid)
  , added as (
    insert into public.lead_mentions (lead_id, call_sid) select lead_id, sid from wanted on conflict do nothing returning call_sid)
  insert into public.judge_marks (call_sid) select call_sid from removed union select call_sid from added;
  insert into public.judge_marks (lead_id)  -- whether its linked calls fit it
  select i from unnest(p_ids) as i where exists (select from public.calls c where c.lead_id = i);
end $$;

-- Queue what the marks stand for. A call that another judge has in hand right now may have no counterpart_key yet; such calls
-- are at the head of the queue, and are found by their raw numbers: otherwise that judge would write what it knew before.
create or replace function public.patchbay_expand_marks(p_limit int) returns void
language plpgsql security definer set search_path = '' as $$
begin
  with taken as (
    delete from public.judge_marks where id in (
      select id from public.judge_marks order by id limit p_limit for update skip locked) returning key, call_sid, lead_id)
  , keys as (select distinct key from taken where key is not null)
  , in_hand as (select distinct q.call_sid from (select call_sid from public.judge_queue order by id limit greatest(p_limit, 1000)) as q)
  insert into public.judge_queue (call_sid)
  select c.call_sid from public.calls c join keys k on c.counterpart_key = k.key
  union
  select c.call_sid from public.calls c join taken t on t.lead_id = c.lead_id
  union
  select c.call_sid from in_hand h join public.calls c on c.call_sid = h.call_sid
  where exists (select from keys)
    and public.patchbay_phone_keys(c.from_number) || public.patchbay_phone_keys(c.to_number) && array(select key from keys)
  union
  select c.call_sid from public.calls c join taken t on t.call_sid = c.call_sid;
end $$;

-- Leads that a call was linked to and is not any more, each with the newest event that took it away. removed_by_hand: somebody
-- (a person or an outside writer) took the link away; false where the lead was deleted.
create or replace function public.patchbay_earlier_leads(p_sid text)
returns table (lead_id bigint, event_id bigint, at timestamptz, actor text, action text, removed_by_hand boolean)
language sql stable rows 1 security definer set search_path = '' as $$
  select distinct on (e.before -> 'call_lead') (e.before ->> 'call_lead')::bigint, e.id, e.at, e.actor, e.action, e.action <> 'lead_deleted'
  from public.link_events e
  where e.call_sid = p_sid and e.before -> 'call_lead' <> 'null' and e.before -> 'call_lead' <> e.after -> 'call_lead'
    and e.before -> 'call_lead' is distinct from (select to_jsonb(c.lead_id) from public.calls c where c.call_sid = p_sid)
  order by e.before -> 'call_lead', e.id desc $$;

-- What a person decided about the calls of a lead: has a person said that this call belongs to this lead, and not taken it back?
-- (An undo restores what was, it decides nothing; confirm is a decision without a change.)
create or replace function public.patchbay_decided(p_sid text, p_lead bigint) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.link_events e where e.call_sid = p_sid and e.source = 'person'
    and e.action in ('link', 'relink', 'make_current', 'confirm') and (e.after ->> 'call_lead')::bigint = p_lead
    and not public.patchbay_is_undone(e.id)) $$;

-- The lead to which a person had linked a call when somebody else moved it to where it is now; null when nobody did.
create or replace function public.patchbay_overruled(p_sid text, p_lead bigint) returns bigint
language sql stable security definer set search_path = '' as $$
  select l.id from (
    select e.source, (e.before ->> 'call_lead')::bigint as lead_id from public.link_events e
    where e.call_sid = p_sid and e.after -> 'call_lead' = to_jsonb(p_lead) and e.before -> 'call_lead' <> e.after -> 'call_lead'
    order by e.id desc limit 1) as moved
  join public.leads l on l.id = moved.lead_id
  where moved.source = 'outside' and public.patchbay_decided(p_sid, moved.lead_id) $$;

-- What the rules want to know of some calls, as an array; calls that do not exist are left out.
create or replace function public.judge_facts(p_sids text[]) returns jsonb
language sql stable security definer set search_path = '' as $$
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
        from public.patchbay_earlier_leads(c.call_sid) as x) end, '[]'))), '[]')
  from public.calls c
  cross join lateral (  -- most calls have no event or one: then there is nothing to look for
    select coalesce(bool_or(e.source = 'person'), false) as by_person, coalesce(bool_or(e.before -> 'call_lead' <> 'null'), false) as has_moved
    from public.link_events e where e.call_sid = c.call_sid) as ledger
  where c.call_sid = any (p_sids) $$;

-- The next calls to judge with what the rules want to know of them, and the queue rows that ask for it. A change that comes
-- while they are being judged adds a queue row of its own, so nothing is missed.
create or replace function public.judge_batch(p_limit int default 1000) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_ids bigint[];
  v_sids text[];
begin
  perform public.patchbay_replay_errors(100) where exists (select from public.link_errors where replayed_at is null);
  perform public.patchbay_expand_marks(p_limit);
  v_sids := array(select distinct q.call_sid from (select call_sid from public.judge_queue order by id limit p_limit) as q);
  v_ids := array(select q.id from public.judge_queue q join unnest(v_sids) as s (sid) on s.sid = q.call_sid);  -- all that ask for these
  return jsonb_build_object('queue_ids', to_jsonb(v_ids), 'calls', public.judge_facts(v_sids));
end $$;

-- Leads whose phone field has one of these keys, at most 500 a key.
create or replace function public.leads_with_keys(p_keys text[])
returns table (key text, id bigint, name text, phone text, email text, lead_status text, call_sid text,
  created_at timestamptz, last_contacted_at timestamptz)
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  select k.key, l.id, l.name::text, l.phone::text, l.email::text, l.lead_status::text, l.call_sid::text,
    l.created_at::timestamptz, l.last_contacted_at::timestamptz
  from unnest(p_keys) as k (key)
  cross join lateral (select n.lead_id from public.lead_numbers n where n.key = k.key order by n.lead_id limit 500) as n
  join public.leads l on l.id = n.lead_id $$;

-- The same of some leads by id.
create or replace function public.leads_by_ids(p_ids bigint[])
returns table (id bigint, name text, phone text, email text, lead_status text, call_sid text,
  created_at timestamptz, last_contacted_at timestamptz)
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  select l.id, l.name::text, l.phone::text, l.email::text, l.lead_status::text, l.call_sid::text,
    l.created_at::timestamptz, l.last_contacted_at::timestamptz
  from public.leads l where l.id = any (p_ids) order by l.id $$;

-- Write judgements and take their queue rows away. A call that somebody holds is skipped and stays queued; a call whose queue
-- rows are gone was judged by somebody else, perhaps from newer facts, and is left alone. Returns how many calls changed.
create or replace function public.write_judgements(p_queue_ids bigint[], p_judgements jsonb) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_held text[];
  v_changed int;
begin
  v_held := array(
    select c.call_sid from public.calls c
    where c.call_sid in (select j ->> 'call_sid' from jsonb_array_elements(p_judgements) as j)
    order by c.call_sid for no key update skip locked);
  with ours as (
    delete from public.judge_queue q where q.id = any (p_queue_ids)
      and (q.call_sid = any (v_held) or not exists (select from public.calls c where c.call_sid = q.call_sid))
    returning q.call_sid)
  update public.calls c set
    counterpart = j.counterpart, counterpart_key = j.counterpart_key, cause = j.cause, cause_leads = coalesce(j.cause_leads, '{}'),
    best_lead_id = j.best_lead_id, best_confidence = j.best_confidence, best_evidence = j.best_evidence,
    candidate_count = coalesce(j.candidate_count, 0), suspect = j.suspect, judged_at = clock_timestamp()
  from jsonb_to_recordset(p_judgements) as j (call_sid text, counterpart text, counterpart_key text, cause text, cause_leads bigint[],
    best_lead_id bigint, best_confidence text, best_evidence text, candidate_count int, suspect text)
  where c.call_sid = j.call_sid and c.call_sid in (select o.call_sid from ours o)
    and (c.judged_at is null
      or (c.counterpart, c.counterpart_key, c.cause, c.cause_leads, c.best_lead_id, c.best_confidence, c.best_evidence, c.candidate_count,
          c.suspect)
         is distinct from (j.counterpart, j.counterpart_key, j.cause, coalesce(j.cause_leads, '{}'), j.best_lead_id, j.best_confidence,
           j.best_evidence, coalesce(j.candidate_count, 0), j.suspect));
  get diagnostics v_changed = row_count;
  return v_changed;
end $$;

-- Queue every call, e.g. when the rules changed. Returns how many.
create or replace function public.requeue_all_calls() returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_count int;
begin
  delete from public.judge_queue;  -- each of these is queued anew
  delete from public.judge_marks;  -- and with them all that the marks could name
  insert into public.judge_queue (call_sid) select call_sid from public.calls order by started_at desc;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- Per number, in the newest p_limit calls: how often it stood on our side (From of outbound, To of inbound; a call without a
-- direction counts as outbound, the direction of the guide's smallest table) and on the other,
-- and with how many different numbers it spoke from our side.
create or replace function public.own_number_sample(p_limit int default 20000) returns jsonb
language sql stable security definer set search_path = '' as $$
  with sample as (
    select coalesce(direction ilike 'outbound%', true) as outbound, from_number, to_number from public.calls
    where from_number is not null and to_number is not null and not test
    order by started_at desc limit p_limit)
  , sides as (
    select case when outbound then from_number else to_number end as ours, case when outbound then to_number else from_number end as theirs
    from sample)
  , as_ours as (
    select ours as number, count(*)::int as calls, count(distinct theirs)::int as peers, (array_agg(distinct theirs))[1:5] as peer_sample
    from sides group by ours)
  , as_theirs as (select theirs as number, count(*)::int as calls from sides group by theirs)
  select coalesce(jsonb_agg(jsonb_build_object('number', o.number, 'own_calls', o.calls, 'other_calls', coalesce(t.calls, 0),
    'own_peers', o.peers, 'own_peer_sample', o.peer_sample) order by o.calls desc, o.number), '[]')
  from as_ours o left join as_theirs t using (number) $$;

-- Remember our own numbers [{"number", "source", "calls"}] and queue the calls that a new one concerns. Numbers of the
-- settings that are not named any more go; with p_replace those of the data too, unless a person confirmed or denied them.
create or replace function public.note_own_numbers(p_numbers jsonb, p_replace boolean default false) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_changed text[];
begin
  with given as (select * from jsonb_to_recordset(p_numbers) as g (number text, source text, calls int))
  , gone as (
    delete from public.own_numbers o where not exists (select from given g where g.number = o.number)
      and (o.source = 'settings' or p_replace and o.confirmed is null) returning o.number)
  , new as (
    insert into public.own_numbers (number, source, calls) select number, source, coalesce(calls, 0) from given g
    where not exists (select from public.own_numbers o where o.number = g.number) on conflict do nothing returning number)
  , kept as (
    update public.own_numbers o set source = g.source, calls = coalesce(g.calls, 0) from given g
    where g.number = o.number and (o.source, o.calls) is distinct from (g.source, coalesce(g.calls, 0)))
  select array_agg(number) into v_changed from (select number from gone union select number from new) as x;
  if v_changed is not null then
    insert into public.judge_queue (call_sid)
    select call_sid from public.calls where counterpart = any (v_changed) or from_number = any (v_changed) or to_number = any (v_changed);
  end if;
  return coalesce(cardinality(v_changed), 0);
end $$;
