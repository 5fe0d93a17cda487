-- Work on everything at once outlasts the seconds after which a hosted project stops a statement. PostgREST takes a function's
-- own statement_timeout for the whole request; on a plain connection it changes nothing. Idempotent; may be pasted.

-- What differs from rows, slots and ledger: the view link_drift, with time to look at everything.
create or replace function public.patchbay_drift(p_limit int default 500) returns setof public.link_drift
language sql stable security definer rows 1 set search_path = '' as $$ select * from public.link_drift limit p_limit $$;

do $$
declare
  v_name text;
begin
  for v_name in
    select p.oid::regprocedure::text from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and (p.proname in ('patchbay_drift', 'patchbay_doctor', 'patchbay_rebuild')
        or p.proname in ('requeue_all_calls', 'add_call_sid_constraint') and p.pronargs = 0)
  loop
    execute format('alter function %s set statement_timeout = %L', v_name, '15min');
  end loop;
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001300' $$;

select public.patchbay_lock_down(array['patchbay_drift']);

notify pgrst, 'reload schema';
