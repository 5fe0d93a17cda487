-- Evidence beyond the number: what jobs of the queue say of a call, the jobs that may have dialled it, what the caller said of
-- themselves, and search keys by which SQL finds the few leads of such a name or e-mail address. Names, addresses and quotes are
-- not copied: keys are hashes, lines are read where they stand. core.model.spoken and core.model.evidence have the last word.
-- Idempotent; may be pasted.

set local lock_timeout = '2s';

-- Keys of what a caller said of themselves (hashed names and addresses, last digits of numbers): when a lead turns up that one of
-- them fits, the call is judged again. Written with the judgement.
create table if not exists public.call_keys (
  key      text not null,
  call_sid varchar(50) not null,
  primary key (key, call_sid));
create index if not exists call_keys_of_call on public.call_keys (call_sid);
comment on table public.call_keys is 'Patchbay: search keys of what callers said of themselves';
alter table public.call_keys enable row level security;

-- Letters with their accents apart (NFD), where the database's encoding knows them.
create or replace function public.patchbay_decomposed(p_text text) returns text language sql immutable as
$$ select case when pg_catalog.getdatabaseencoding() = 'UTF8' then normalize(p_text, nfd) else p_text end $$;

-- A name as it is compared: a to z and single blanks, without accents, apostrophes, titles and a comma's order
-- (core.model.spoken.fold follows the same rule; a name in another script becomes empty).
create or replace function public.patchbay_fold(p_name text) returns text language sql immutable as $$
  select btrim(regexp_replace(regexp_replace(regexp_replace(translate(
    public.patchbay_decomposed(case when p_name ~ '^[^,]+,[^,]+$' then split_part(p_name, ',', 2) || ' ' || split_part(p_name, ',', 1) else p_name end),
    'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿĀāĂăĄąĆćĈĉĊċČčĎďĐđĒēĔĕĖėĘęĚěĜĝĞğĠġĢģĤĥĦħĨĩĪīĬĭĮįİıĴĵĶķĹĺĻļĽľŁłŃńŅņŇňŌōŎŏŐőŒœŔŕŖŗŘřŚśŜŝŞşŠšŢţŤťŨũŪūŬŭŮůŰűŲųŴŵŶŷŸŹźŻżŽžȘșȚț''’‘`´',
    'abcdefghijklmnopqrstuvwxyzaaaaaaaceeeeiiiidnoooooouuuuytsaaaaaaaceeeeiiiidnoooooouuuuytyaaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiijjkkllllllllnnnnnnoooooooorrrrrrssssssssttttuuuuuuuuuuuuwwyyyzzzzzzsstt'),
    '[\u0300-\u036f]', '', 'g'), '[^a-z]+', ' ', 'g'), '\m(?:mr|mrs|ms|miss|dr|prof|sir|jr|sr|ii|iii|phd|md|esq)\M *', '', 'g')) $$;

-- The search keys of a lead: the last seven digits of its numbers, its name by the first name with the beginning of the last and
-- the other way round (so that one of the two may be misspelt), its e-mail addresses. core.model.spoken makes the same keys.
create or replace function public.patchbay_lead_keys(p_phone text, p_name text, p_email text) returns text[]
language sql immutable as $$
  select case when p_phone is null then '{}' else public.patchbay_phone_keys(p_phone) end
    || coalesce((
      select array['~' || left(md5(w[1] || ' ' || left(w[cardinality(w)], 3)), 16),
                   '~' || left(md5(left(w[1], 1) || '  ' || w[cardinality(w)]), 16)]
      from (select string_to_array(public.patchbay_fold(left(p_name, 200)), ' ') as w where p_name is not null) as n
      where cardinality(w) between 2 and 6), '{}')
    || coalesce((
      select array_agg('@' || left(md5(lower(m[1])), 16))
      from regexp_matches(left(p_email, 300), '[^\s,;<>()]+@[^\s,;<>()]+', 'g') as m), '{}') $$;

-- As before, with the keys of names and e-mail addresses, whatever types the columns have. Of a text of megabytes only the beginning
-- is read, since the writer waits for it (the worker's note is in front). Notes change with every call: only what came or went of these
-- keys is marked, while the calls with the lead's number are judged again in any case (how it is written, and its name, may have changed).
create or replace function public.patchbay_note_leads(p_ids bigint[]) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  if coalesce(cardinality(p_ids), 0) = 0 then return; end if;
  with wanted as (
    select distinct l.id::bigint as lead_id, k.key
    from public.leads l cross join unnest(public.patchbay_lead_keys(left(l.phone::text, 500), l.name::text, l.email::text)) as k (key)
    where l.id = any (p_ids))
  , removed as (
    delete from public.lead_numbers n where n.lead_id = any (p_ids)
      and not exists (select from wanted w where w.lead_id = n.lead_id and w.key = n.key) returning n.key)
  , added as (
    insert into public.lead_numbers (lead_id, key) select lead_id, key from wanted on conflict do nothing returning key)
  insert into public.judge_marks (key)
  select key from removed union select key from added
  union select key from wanted where left(key, 1) not in ('~', '@');
  with wanted as (
    select distinct l.id::bigint as lead_id, s.sid from public.leads l
    cross join unnest(public.patchbay_sids_in(left(l.notes::text, 100000))) as s (sid)
    where l.id = any (p_ids) and l.notes is not null)
  , removed as (
    delete from public.lead_mentions m where m.lead_id = any (p_ids)
      and not exists (select from wanted w where w.lead_id = m.lead_id and w.sid = m.call_sid) returning m.call_sid)
  , added as (
    insert into public.lead_mentions (lead_id, call_sid) select lead_id, sid from wanted on conflict do nothing returning call_sid)
  insert into public.judge_marks (call_sid) select call_sid from removed union select call_sid from added
  union select r.call_sid from public.job_results r  -- whether the lead that a job names is there
    where r.lead_id = any (p_ids) and r.call_sid is not null
      and exists (select from public.leads l where l.id = r.lead_id) is distinct from coalesce(
        (select c.cause is distinct from 'lead_deleted' from public.calls c where c.call_sid = r.call_sid), true);
  insert into public.judge_marks (lead_id)  -- whether its linked calls fit it
  select i from unnest(p_ids) as i where exists (select from public.calls c where c.lead_id = i);
end $$;

-- As before: names and e-mail addresses are followed too.
create or replace function public.patchbay_on_leads() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '500ms' as $$
declare
  v_ids bigint[]; v_old text[]; v_new text[]; v_gone boolean[];
begin
  if current_setting('patchbay.writer', true) = 'ours' then return null; end if;
  if tg_op = 'INSERT' then
    select array_agg(id), array_agg(null::text), array_agg(slot), array_agg(false) into v_ids, v_old, v_new, v_gone
    from (select id, public.patchbay_sid(call_sid) as slot from new_rows) as x where slot is not null;
    perform public.patchbay_note_leads(array(select id from new_rows where num_nonnulls(phone, notes, name, email) > 0));
  elsif tg_op = 'UPDATE' then  -- a lead whose id changed is one gone and one new
    select array_agg(id), array_agg(was), array_agg(slot), array_agg(gone) into v_ids, v_old, v_new, v_gone
    from (
      select coalesce(o.id, n.id) as id, public.patchbay_sid(o.call_sid) as was, public.patchbay_sid(n.call_sid) as slot, n.id is null as gone
      from old_rows o full join new_rows n on n.id = o.id) as x
    where was is distinct from slot or gone;
    perform public.patchbay_note_leads(array(
      select coalesce(o.id, n.id) from old_rows o full join new_rows n on n.id = o.id
      where (o.phone::text, o.notes::text, o.name::text, o.email::text) is distinct from
            (n.phone::text, n.notes::text, n.name::text, n.email::text)  -- json is not comparable
        or o.id is null or n.id is null));
  elsif tg_op = 'DELETE' then
    select array_agg(id), array_agg(public.patchbay_sid(call_sid)), array_agg(null::text), array_agg(true)
    into v_ids, v_old, v_new, v_gone from old_rows;
    perform public.patchbay_note_leads(array(select id from old_rows));
  else
    select array_agg(lead), array_agg(r.call_sid), array_agg(null::text), array_agg(true) into v_ids, v_old, v_new, v_gone
    from (select lead_id as lead from public.calls where lead_id is not null
          union select lead_id from public.link_replay_slots where call_sid is not null) as x
    left join public.link_replay_slots r on r.lead_id = x.lead;
    perform public.patchbay_note_leads(array(select lead_id from public.lead_numbers union select lead_id from public.lead_mentions));
  end if;
  if v_ids is not null then perform public.patchbay_follow_leads(v_ids, v_old, v_new, v_gone); end if;
  return null;
exception when others then
  perform public.patchbay_note_error(tg_table_name, tg_op, sqlstate, sqlerrm, v_ids, v_old, v_new, v_gone);
  return null;
end $$;

-- As before: a key of a name or an address means the calls in which it was said. A call that another judge has in hand right now may
-- have no such keys yet: those that have a transcript and are at the head of the queue are judged once more.
create or replace function public.patchbay_expand_marks(p_limit int) returns void
language plpgsql security definer set search_path = '' as $$
begin
  with taken as (
    delete from public.judge_marks where id in (
      select id from public.judge_marks order by id limit p_limit for update skip locked) returning key, call_sid, lead_id)
  , keys as (select distinct key from taken where key is not null)
  , said as (select exists (select from keys where left(key, 1) in ('~', '@')) as named)
  , in_hand as (select distinct q.call_sid from (select call_sid from public.judge_queue order by id limit greatest(p_limit, 1000)) as q)
  insert into public.judge_queue (call_sid)
  select c.call_sid from public.calls c join keys k on c.counterpart_key = k.key
  union
  select c.call_sid from public.call_keys s join keys k on k.key = s.key join public.calls c on c.call_sid = s.call_sid
  union
  select c.call_sid from public.calls c join taken t on t.lead_id = c.lead_id
  union
  select c.call_sid from in_hand h join public.calls c on c.call_sid = h.call_sid
  where exists (select from keys) and (c.transcript_count > 0 and (select named from said)
    or public.patchbay_phone_keys(c.from_number) || public.patchbay_phone_keys(c.to_number) && array(select key from keys))
  union
  select c.call_sid from public.calls c join taken t on t.call_sid = c.call_sid;
end $$;

-- What the other party said in some calls, as far as it may tell who they are: at most the first 40 lines of each, of those only
-- the ones that look like an introduction, an address or a number (core.model.spoken has the last word). n counts the lines.
create or replace function public.patchbay_spoken(p_sids text[]) returns table (call_sid text, lines jsonb)
language plpgsql stable rows 100 security definer set search_path = '' set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_columns record;
begin
  select * into v_columns from public.patchbay_transcript_columns();
  return query execute format($sql$
    select s.sid, jsonb_agg(jsonb_build_object('id', x.id, 'n', x.n, 'text', x.said) order by x.n)
    from unnest($1) as s (sid)
    cross join lateral (
      select y.id, y.said, row_number() over () as n from (
        select t.id, left(%s, 1000) as said from public.conversation_transcripts t
        where t.call_sid = s.sid and lower(%s) in ('user', 'caller', 'customer', 'human', 'client', 'callee', 'contact', 'lead')
        order by coalesce(t."timestamp", t.created_at), t.id limit 40) as y) as x
    where x.said ~ $2
    group by s.sid $sql$, v_columns.said, v_columns.speaker)
  using p_sids, '@|\d[\d ().,+-]{5,}\d|[Tt]his is|[Nn]ame(''|’| i)s|peaking|alling|[Hh]ere\M|[Cc]all me|go by|eached|I(''|’| a)m [A-Z]|\mat\M.*\mdot\M'
    || '|((zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)[ ,.-]+){4}';
end $$;

-- The same as one object, by SID: {sid: [{"id", "n", "text"}]}.
create or replace function public.spoken_lines(p_sids text[]) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_object_agg(s.call_sid, s.lines), '{}') from public.patchbay_spoken(p_sids) as s $$;

-- One job as the rules see it.
create or replace function public.patchbay_job_facts(p_job public.job_results) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('queue', p_job.queue, 'job_id', p_job.job_id, 'job_at', p_job.job_at, 'lead_id', p_job.lead_id,
    'exists', exists (select from public.leads l where l.id = p_job.lead_id), 'to_number', p_job.to_number,
    'call_sid', p_job.call_sid, 'attempts', p_job.attempts, 'processed_at', p_job.processed_at, 'finished_at', p_job.finished_at) $$;

-- What the rules want to know of some calls, as an array; calls that do not exist are left out. jobs: those whose result names the
-- call. windows: those that were made for a number of the call and were being worked on when it started, and whose own result is
-- another call or none: a job that is tried again dials again.
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
  where c.call_sid = any (p_sids) $$;

-- Leads that have one of these keys, at most 500 a number or address; of a name 20, which is then too common to tell anyone by.
create or replace function public.leads_with_keys(p_keys text[])
returns table (key text, id bigint, name text, phone text, email text, lead_status text, call_sid text,
  created_at timestamptz, last_contacted_at timestamptz)
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  select k.key, l.id, l.name::text, l.phone::text, l.email::text, l.lead_status::text, l.call_sid::text,
    l.created_at::timestamptz, l.last_contacted_at::timestamptz
  from unnest(p_keys) as k (key)
  cross join lateral (select n.lead_id from public.lead_numbers n where n.key = k.key order by n.lead_id
                      limit case when left(k.key, 1) = '~' then 20 else 500 end) as n
  join public.leads l on l.id = n.lead_id $$;

-- As before, with the keys of what was said ("keys", an array of texts).
create or replace function public.write_judgements(p_queue_ids bigint[], p_judgements jsonb) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_held text[];
  v_ours text[];
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
  select array_agg(distinct call_sid) into v_ours from ours;
  update public.calls c set
    counterpart = j.counterpart, counterpart_key = j.counterpart_key, cause = j.cause, cause_leads = coalesce(j.cause_leads, '{}'),
    best_lead_id = j.best_lead_id, best_confidence = j.best_confidence, best_evidence = j.best_evidence,
    candidate_count = coalesce(j.candidate_count, 0), suspect = j.suspect, judged_at = clock_timestamp()
  from jsonb_to_recordset(p_judgements) as j (call_sid text, counterpart text, counterpart_key text, cause text, cause_leads bigint[],
    best_lead_id bigint, best_confidence text, best_evidence text, candidate_count int, suspect text)
  where c.call_sid = j.call_sid and c.call_sid = any (v_ours)
    and (c.judged_at is null
      or (c.counterpart, c.counterpart_key, c.cause, c.cause_leads, c.best_lead_id, c.best_confidence, c.best_evidence, c.candidate_count,
          c.suspect)
         is distinct from (j.counterpart, j.counterpart_key, j.cause, coalesce(j.cause_leads, '{}'), j.best_lead_id, j.best_confidence,
           j.best_evidence, coalesce(j.candidate_count, 0), j.suspect));
  get diagnostics v_changed = row_count;
  with given as (
    select distinct j ->> 'call_sid' as call_sid, k.key from jsonb_array_elements(p_judgements) as j
    cross join lateral jsonb_array_elements_text(coalesce(j -> 'keys', '[]')) as k (key)
    where j ->> 'call_sid' = any (v_ours))
  , gone as (
    delete from public.call_keys s where s.call_sid = any (v_ours)
      and not exists (select from given g where g.key = s.key and g.call_sid = s.call_sid))
  insert into public.call_keys (key, call_sid) select key, call_sid from given on conflict do nothing;
  return v_changed;
end $$;

-- As before; once all is taken in, leads that were read before there were keys of names get theirs, in steps like the others.
create or replace function public.patchbay_install_step(p_batch int default 1000) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_state jsonb;
  v_phase text;
  v_after text;
  v_sids text[];
  v_ids bigint[];
begin
  perform public.patchbay_set_state('install', '{"phase": "call_events"}')
  where not exists (select from public.patchbay_state where key = 'install');
  select value into v_state from public.patchbay_state where key = 'install' for update;
  v_phase := v_state ->> 'phase';
  v_after := v_state ->> 'after';
  if v_phase in ('call_events', 'conversation_transcripts') then
    execute format('select array_agg(call_sid) from (select distinct call_sid::text as call_sid from public.%I
      where call_sid is not null and ($1 is null or call_sid > $1) order by 1 limit $2) as x', v_phase) into v_sids using v_after, p_batch;
    if v_sids is null then
      v_state := jsonb_build_object('phase', case v_phase when 'call_events' then 'conversation_transcripts' else 'leads' end);
      perform public.patchbay_set_state('install', v_state);
      return 1;
    end if;
    perform public.patchbay_roll_up(array_remove(array(select public.patchbay_sid(s) from unnest(v_sids) as s order by 1), null));
    perform public.patchbay_set_state('install', jsonb_build_object('phase', v_phase, 'after', v_sids[cardinality(v_sids)]));
    return cardinality(v_sids);
  elsif v_phase = 'leads' then
    v_ids := array(select l.id from public.leads l where v_after is null or l.id > v_after::bigint order by l.id limit p_batch);
    if cardinality(v_ids) = 0 then
      perform public.patchbay_set_state('install', '{"phase": "done"}');
      return 1;
    end if;
    perform public.patchbay_take_in_slots(v_ids);
    perform public.patchbay_note_leads(v_ids);
    perform public.patchbay_set_state('install', jsonb_build_object('phase', 'leads', 'after', v_ids[cardinality(v_ids)]));
    return cardinality(v_ids);
  end if;
  return public.patchbay_keys_step(p_batch);
end $$;

-- Make the keys of the next p_batch leads; returns how many, 0 when all have theirs.
create or replace function public.patchbay_keys_step(p_batch int) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_state jsonb;
  v_ids bigint[];
begin
  select value into v_state from public.patchbay_state where key = 'lead_keys' for update;
  if v_state is null or v_state ->> 'phase' = 'done' then return 0; end if;
  v_ids := array(select l.id from public.leads l where v_state ->> 'after' is null or l.id > (v_state ->> 'after')::bigint order by l.id limit p_batch);
  perform public.patchbay_note_leads(v_ids);
  perform public.patchbay_set_state('lead_keys', case when cardinality(v_ids) = 0 then '{"phase": "done"}'
    else jsonb_build_object('phase', 'leads', 'after', v_ids[cardinality(v_ids)]) end);
  return greatest(cardinality(v_ids), 1);
end $$;

-- An installation that has begun has read leads without these keys.
insert into public.patchbay_state (key, value)
select 'lead_keys', jsonb_build_object('phase', case when exists (select from public.patchbay_state where key = 'install') then 'leads' else 'done' end)
where not exists (select from public.patchbay_state where key = 'lead_keys');

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001410' $$;

select public.patchbay_lock_down(array['call_keys', 'spoken_lines', 'judge_facts', 'leads_with_keys', 'write_judgements']);

notify pgrst, 'reload schema';
