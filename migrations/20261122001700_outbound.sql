-- Outbound calls are dialled once. Who wants to dial for a job claims its row here first, and only one claim can win; what became
-- of it (placed, rejected, perhaps dialled …) decides whether it may ever be dialled again. Ids of jobs start again when a queue is
-- flushed, so a job is its queue, its id and its own time. Used by core.outbound. Idempotent; may be pasted.
--
-- States: dialling (claimed, the answer is out) · retryable (nothing was dialled, later it may work) · rejected (nothing was
-- dialled, and here is why) · placed (there is a Call SID) · unknown (perhaps it was dialled) · not_dialled (asked later, the carrier
-- knew of no such call). Only from retryable, rejected and not_dialled a job may be claimed again.

set local lock_timeout = '2s';

create table if not exists public.call_attempts (
  attempt_id   uuid primary key,      -- goes into the addresses that the carrier calls back
  queue        text not null,
  job_id       text not null,
  job_at       timestamptz not null,  -- the job's own timestamp
  claim        uuid not null,         -- of the newest claim: who repeats a claim whose answer was lost gives the same one
  state        text not null,
  tries        int not null default 1,
  to_number    text,                  -- E.164, or what the job says where that is none
  to_key       text,                  -- its last seven digits, see patchbay_phone_keys
  lead_id      bigint,
  call_sid     varchar(50),
  claimed_at   timestamptz not null default clock_timestamp(),
  dialled_at   timestamptz,
  settled_at   timestamptz,           -- when the state left dialling for good
  problem      text,                  -- why it is not placed
  link_problem text,                  -- placed, and why the lead does not have the call
  event_id     bigint,                -- the link event, where the lead got the call
  constraint call_attempts_state_is_known check (state in ('dialling', 'retryable', 'rejected', 'placed', 'unknown', 'not_dialled')),
  constraint call_attempts_one_a_job unique (queue, job_id, job_at));
create index if not exists call_attempts_open on public.call_attempts (claimed_at) where state in ('dialling', 'unknown');
create index if not exists call_attempts_of_call on public.call_attempts (call_sid) where call_sid is not null;
create index if not exists call_attempts_of_number on public.call_attempts (to_key, claimed_at) where to_key is not null;
create index if not exists call_attempts_of_lead on public.call_attempts (lead_id, claimed_at) where lead_id is not null;
create index if not exists call_attempts_of_job on public.call_attempts (job_id);
comment on table public.call_attempts is 'Patchbay: who dialled for which job, so that none is dialled twice';
alter table public.call_attempts enable row level security;

-- Why a call to this lead could not be linked to it afterwards; null when it could. Nothing is dialled then.
create or replace function public.patchbay_dial_obstacle(p_lead bigint) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_other record;
begin
  if p_lead is null then return null; end if;
  if not exists (select from public.leads where id = p_lead) then
    return format('There is no lead %s; it may have been deleted.', p_lead);
  end if;
  select o.id, o.call_sid into v_other from public.leads l
  join public.calls c on c.call_sid = l.call_sid and c.lead_id = l.id
  join public.leads o on o.call_sid = l.call_sid and o.id <> l.id where l.id = p_lead limit 1;
  if v_other.id is not null then
    return format('Lead %s claims the current call %s of lead %s too; resolve that conflict first.', v_other.id, v_other.call_sid, p_lead);
  end if;
  return null;
end $$;

-- Claim the right to dial for a job: {"queue", "job_id", "job_at", "attempt_id", "claim", "to_number", "lead_id"}. Returns the row with
-- "go": true for the one who may dial now. The same claim again gives the same answer. A row that somebody left in dialling is
-- unknown from here on: whoever it was, the call may be under way.
create or replace function public.claim_call_attempt(p_job jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_claim uuid := (p_job ->> 'claim')::uuid;
  v_lead bigint := (p_job ->> 'lead_id')::bigint;
  v_obstacle text := public.patchbay_dial_obstacle(v_lead);
  v_row public.call_attempts;
begin
  insert into public.call_attempts as a (attempt_id, queue, job_id, job_at, claim, state, to_number, to_key, lead_id)
  values ((p_job ->> 'attempt_id')::uuid, p_job ->> 'queue', p_job ->> 'job_id', (p_job ->> 'job_at')::timestamptz, v_claim, 'dialling',
    p_job ->> 'to_number', (public.patchbay_phone_keys(p_job ->> 'to_number'))[1], v_lead)
  on conflict (queue, job_id, job_at) do update set state = 'dialling', claim = excluded.claim, tries = a.tries + 1,
    to_number = excluded.to_number, to_key = excluded.to_key, lead_id = excluded.lead_id, claimed_at = clock_timestamp(),
    settled_at = null, problem = null
  where a.state in ('retryable', 'rejected', 'not_dialled')
  returning * into v_row;
  if v_row.attempt_id is null then
    select * into v_row from public.call_attempts a
    where a.queue = p_job ->> 'queue' and a.job_id = p_job ->> 'job_id' and a.job_at = (p_job ->> 'job_at')::timestamptz for update;
    if v_row.state = 'dialling' and v_row.claim <> v_claim then
      update public.call_attempts set state = 'unknown', problem = 'The worker that was dialling ended before it said what came of it.'
      where attempt_id = v_row.attempt_id returning * into v_row;
    end if;
  end if;
  if v_row.state = 'dialling' and v_obstacle is not null then
    update public.call_attempts set state = 'rejected', problem = v_obstacle, settled_at = clock_timestamp()
    where attempt_id = v_row.attempt_id returning * into v_row;
  end if;
  return to_jsonb(v_row) || jsonb_build_object('go', v_row.state = 'dialling' and v_row.claim = v_claim);
end $$;

-- Say what became of an attempt that brought no Call SID. A placed one stays placed; p_claim, where given, must still be the newest.
create or replace function public.fail_call_attempt(p_attempt_id uuid, p_state text, p_problem text, p_claim uuid default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_row public.call_attempts;
begin
  if p_state not in ('retryable', 'rejected', 'unknown', 'not_dialled') then
    raise exception using errcode = 'PB007', message = format('An attempt cannot be settled as %s.', p_state);
  end if;
  update public.call_attempts set state = p_state, problem = p_problem, settled_at = case when p_state <> 'unknown' then clock_timestamp() end
  where attempt_id = p_attempt_id and state in ('dialling', 'unknown') and (p_claim is null or claim = p_claim);
  select * into v_row from public.call_attempts where attempt_id = p_attempt_id;
  if v_row.attempt_id is null then
    raise exception using errcode = 'PB001', message = format('There is no call attempt %s.', p_attempt_id);
  end if;
  return to_jsonb(v_row);
end $$;

-- The columns of a lead that a call which was just dialled changes, as {column: value} in the columns' own types. The note goes in
-- front of the notes that are there. A write that comes late leaves a status that somebody may have set meanwhile.
create or replace function public.patchbay_contacted(p_lead bigint, p_sid text, p_at timestamptz, p_note boolean default true) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_lead public.leads;
  v_line text := format('Outbound call %s initiated', p_sid);
  v_wanted jsonb;
begin
  select * into v_lead from public.leads where id = p_lead;
  v_wanted := jsonb_build_object('last_contacted_at', greatest(v_lead.last_contacted_at, p_at));
  if clock_timestamp() - p_at < interval '1 minute' or coalesce(v_lead.lead_status, '') in ('', 'new') then
    v_wanted := v_wanted || '{"lead_status": "contacted"}';
  end if;
  if p_note and strpos(coalesce(v_lead.notes::text, ''), v_line) = 0 then
    v_wanted := v_wanted || jsonb_build_object('notes', v_line || coalesce(E'\n' || nullif(v_lead.notes::text, ''), ''));
  end if;
  return (select jsonb_object_agg(k, to_jsonb(jsonb_populate_record(null::public.leads, v_wanted)) -> k) from jsonb_object_keys(v_wanted) as k);
exception when string_data_right_truncation or invalid_text_representation then  -- no room, or notes are no text
  if p_note then return public.patchbay_contacted(p_lead, p_sid, p_at, false); end if;
  raise;
end $$;

-- Tie a call that was just dialled to its lead: link, slot, status, time and note as one link event. p_options: see link_call.
create or replace function public.link_dialled_call(p_call_sid text, p_lead_id bigint, p_at timestamptz, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_options jsonb := public.patchbay_options(coalesce(p_options, '{}') || jsonb_build_object('mode', 'worker', 'create', true,
    'started_at', p_at), 'link', p_call_sid, p_lead_id::text);
  v_event public.link_events := public.patchbay_repeated(v_options);
  v_call public.calls;
begin
  if v_event.id is not null then return public.patchbay_event_json(v_event); end if;
  perform public.patchbay_need_lead(p_lead_id);
  v_call := public.patchbay_lock(p_call_sid, v_options, array[p_lead_id]);
  perform public.patchbay_need_lead(p_lead_id);
  if v_call.lead_id <> p_lead_id then
    raise exception using errcode = 'PB002', message = format('The call belongs to lead %s.', v_call.lead_id);
  end if;
  if v_call.by_hand or v_call.set_aside then
    raise exception using errcode = 'PB004', message = 'A person unlinked this call or set it aside: the worker leaves it alone.';
  end if;
  return public.patchbay_apply('link', p_call_sid, p_lead_id, jsonb_build_object(
    'call_lead', p_lead_id, 'set_aside', false, 'by_hand', false,
    'leads', jsonb_build_object(p_lead_id, public.patchbay_slot_after(p_call_sid, p_lead_id, v_options)),
    'rows', jsonb_build_object('leads', jsonb_build_object(p_lead_id, public.patchbay_contacted(p_lead_id, p_call_sid, p_at)))), v_options);
end $$;

-- An attempt brought a Call SID: keep it, tie the call to the job's lead and keep the job's result, all or nothing, so that it can be
-- repeated until it is done. A lead that cannot have the call (deleted, conflicting …) costs the link, never the Call SID.
create or replace function public.place_call_attempt(p_attempt_id uuid, p_call_sid text, p_at timestamptz, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_row public.call_attempts;
  v_event jsonb;
  v_problem text;
begin
  select * into v_row from public.call_attempts where attempt_id = p_attempt_id for update;
  if v_row.attempt_id is null then
    raise exception using errcode = 'PB001', message = format('There is no call attempt %s.', p_attempt_id);
  end if;
  if public.patchbay_sid(p_call_sid) is null then
    raise exception using errcode = 'PB007', message = 'A Call SID has 1 to 50 characters and is not blank.';
  end if;
  if v_row.state = 'placed' then
    if v_row.call_sid <> p_call_sid then
      update public.call_attempts set problem = format('The carrier names a second call for this attempt: %s.', p_call_sid)
      where attempt_id = p_attempt_id returning * into v_row;
    end if;
    return to_jsonb(v_row);
  end if;
  if v_row.lead_id is not null then
    begin
      v_event := public.link_dialled_call(p_call_sid, v_row.lead_id, p_at, coalesce(p_options, '{}') || jsonb_build_object(
        'request_id', 'attempt/' || p_attempt_id, 'evidence', jsonb_build_object('kind', 'worker', 'job_id', v_row.job_id)));
    exception
      when sqlstate 'PB006' or lock_not_available or deadlock_detected or query_canceled then raise;
      when others then v_problem := sqlerrm;
    end;
  end if;
  update public.call_attempts set state = 'placed', call_sid = p_call_sid, dialled_at = p_at, settled_at = clock_timestamp(), problem = null,
    link_problem = v_problem, event_id = (v_event ->> 'id')::bigint
  where attempt_id = p_attempt_id returning * into v_row;
  perform public.note_job_results(jsonb_build_array(jsonb_build_object('queue', v_row.queue, 'job_id', v_row.job_id, 'job_at', v_row.job_at,
    'state', 'active', 'lead_id', v_row.lead_id, 'to_number', v_row.to_number, 'call_sid', p_call_sid, 'processed_at', v_row.claimed_at,
    'attempts', v_row.tries)));
  return to_jsonb(v_row);
end $$;

-- A callback of the carrier names the attempt and its Call SID: what was still open is placed by it. Returns whether it was.
create or replace function public.settle_attempt(p_attempt_id text, p_call_sid text, p_status text, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  v_id uuid;
begin
  if p_attempt_id !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then return false; end if;
  select attempt_id into v_id from public.call_attempts where attempt_id = p_attempt_id::uuid and call_sid is distinct from p_call_sid;
  if v_id is null then return false; end if;
  return public.place_call_attempt(v_id, p_call_sid, p_at) ->> 'call_sid' = p_call_sid;
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001700' $$;

select public.patchbay_lock_down(array['call_attempts', 'claim_call_attempt', 'fail_call_attempt', 'link_dialled_call', 'place_call_attempt',
  'settle_attempt']);

notify pgrst, 'reload schema';
