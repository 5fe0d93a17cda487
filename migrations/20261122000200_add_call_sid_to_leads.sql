-- leads.call_sid as in the Call SID integration guide: column, UNIQUE, index, comment.
-- Where exact duplicates stand in the way of UNIQUE, column and index are added all the same, the view duplicate_slots
-- lists the offenders, and add_call_sid_constraint() adds the constraint once there are none. Idempotent; may be pasted.

set local lock_timeout = '2s';

do $$
begin
  if not exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = 'public.leads'::regclass and a.attname = 'call_sid' and not a.attisdropped)
  then
    alter table public.leads add column call_sid varchar(50);
  end if;
end $$;

create index if not exists idx_leads_call_sid on public.leads (call_sid);

comment on column public.leads.call_sid is
  'Twilio Call SID of this lead''s most recent call; links leads to call_events and conversation_transcripts';

-- Leads that share a SID to the letter: what stands in the way of UNIQUE (call_sid).
create or replace view public.duplicate_slots with (security_invoker) as
select l.call_sid, count(*)::int as leads, array_agg(l.id::bigint order by l.id) as lead_ids
from public.leads l where l.call_sid is not null group by l.call_sid having count(*) > 1;

-- Is there a valid unique index on exactly leads(call_sid)?
create or replace function public.has_call_sid_constraint() returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = 'public.leads'::regclass and i.indisunique and i.indisvalid and i.indnkeyatts = 1
      and i.indpred is null and i.indexprs is null and a.attname = 'call_sid') $$;

-- Add UNIQUE (call_sid) unless it is there or duplicates stand in the way; says whether it stands now.
create or replace function public.add_call_sid_constraint() returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '2s' as $$
begin
  if public.has_call_sid_constraint() then return true; end if;
  if exists (select from public.duplicate_slots) then return false; end if;
  begin
    alter table public.leads add constraint leads_call_sid_key unique (call_sid);
  exception when unique_violation then return false;  -- somebody wrote a duplicate meanwhile
  end;
  return true;
end $$;

select public.add_call_sid_constraint();
