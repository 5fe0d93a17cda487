-- A command locks what it changes also where that comes just then: a call's first row, or a row after all were deleted, or a lead that was
-- deleted and is added again, could be committed between the command's locking and its looking. Then the command changed a row that
-- somebody else was changing, and one of the two changes was lost. Idempotent; may be pasted.

-- Lock what a command on a call may touch: leads by id (the given ones, the call's, every one that carries the SID), then calls
-- by SID (this one, the given ones, and each lead's newest other call, which a slot may fall back to). Then check that nobody
-- was faster, and that what the operator saw still holds.
create or replace function public.patchbay_lock(p_sid text, p_options jsonb, p_leads bigint[] default '{}', p_sids text[] default '{}')
returns public.calls language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_leads bigint[];
  v_sids text[];
  v_locked text[];
  v_call public.calls;
  v_broken jsonb;
  v_last record;
begin
  if not exists (select from public.patchbay_state where key = 'install' and value ->> 'phase' = 'done') then
    raise exception using errcode = 'PB006', message = 'The installation is still reading the leads.', hint = 'Try again in a moment.';
  end if;
  select array_agg(x.id) into v_leads from (
    select l.id from public.leads l
    where l.id = any (p_leads) or l.call_sid = p_sid or l.id = (select c.lead_id from public.calls c where c.call_sid = p_sid)
    order by l.id for update) as x;  -- call_sid is a key: "no key update" would not do
  v_sids := array(select p_sid union select unnest(p_sids) union select public.patchbay_newest(i, p_sid) from unnest(v_leads) as i);
  if (p_options ->> 'create')::boolean then
    if public.patchbay_sid(p_sid) is null then
      raise exception using errcode = 'PB007', message = 'A Call SID has 1 to 50 characters and is not blank.';
    end if;
    perform public.patchbay_lock_calls(v_sids, coalesce((p_options ->> 'started_at')::timestamptz, clock_timestamp()));
    v_locked := v_sids;
  else
    v_locked := array(select c.call_sid from public.calls c where c.call_sid = any (v_sids) order by c.call_sid for update);
  end if;
  select * into v_call from public.calls where call_sid = p_sid;
  if v_call.call_sid is null then
    raise exception using errcode = 'PB001', message = format('There is no call %s.', p_sid),
      hint = 'Look the Call SID up to see what is known of it.';
  end if;
  -- What came after the rows were locked may still be changed by whoever wrote it.
  if p_sid <> all (v_locked)
     or exists (select from public.leads l
             where (l.id = v_call.lead_id or l.call_sid = p_sid or l.id = any (p_leads)) and l.id <> all (coalesce(v_leads, '{}')))
     or exists (select from unnest(v_leads) as i where public.patchbay_newest(i, p_sid) <> all (v_sids)) then
    raise exception using errcode = 'PB006', message = 'Somebody else is changing this call.', hint = 'Try again.';
  end if;
  v_broken := public.patchbay_broken_facts(p_sid, coalesce(p_options -> 'expect', '{}'));
  if v_broken <> '{}' then
    select e.action, e.actor, e.at into v_last from public.link_events e
    where e.call_sid = p_sid or e.lead_ids && public.patchbay_keys(p_options #> '{expect,leads}') order by e.id desc limit 1;
    raise exception using errcode = 'PB003', message = 'It changed since you looked; nothing was written.', detail = v_broken,
      hint = coalesce(format('Last change: %s by %s at %s.', v_last.action, v_last.actor,
        to_char(v_last.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')), 'Look again.');
  end if;
  return v_call;
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122002030' $$;

select public.patchbay_lock_down(array[]::text[]);

notify pgrst, 'reload schema';
