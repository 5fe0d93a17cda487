-- What a page of a worklist shows, in one read. Idempotent; may be pasted.

-- Each call with the leads that its cause's or suspicion's sentence names: [{"id", "name", "phone"}], without those that are
-- gone. Null where nobody is named but the best candidate, whom the call's own columns bring.
create or replace view public.worklist_calls with (security_invoker) as
select c.*, case when c.suspect is not null or not c.cause_leads <@ array[c.best_lead_id] or c.best_lead_id is not null and c.best_lead_phone is null
  then (
    select coalesce(json_agg(json_build_object('id', n.id, 'name', n.name, 'phone', n.phone)), '[]')
    from public.leads n where n.id = any (c.cause_leads || c.best_lead_id || c.lead_id)) end as named_leads
from public.call_links c;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001650' $$;

select public.patchbay_lock_down(array['worklist_calls']);

notify pgrst, 'reload schema';
