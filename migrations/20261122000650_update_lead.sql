-- The guide's Lead.update as one transaction: plain columns, and call_sid by way of the link commands, so that the ledger has
-- it. Idempotent; may be pasted.

-- Set columns of a lead. call_sid makes that call the lead's current one (null unlinks the current one); it is refused when
-- another lead has the call. Returns the lead as it is afterwards. (search_path: as in patchbay_set_slots.)
create or replace function public.update_lead(p_lead_id bigint, p_columns jsonb, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = pg_catalog, public, extensions, pg_temp as $$
declare
  v_wrong text;
  v_names text;
  v_slot text;
  v_lead jsonb;
begin
  perform public.patchbay_need_lead(p_lead_id);
  select k into v_wrong from jsonb_object_keys(p_columns) as k
  where k = 'id' or not exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = 'public.leads'::regclass and a.attname = k and a.attnum > 0 and not a.attisdropped)
  order by k limit 1;
  if v_wrong is not null then
    raise exception using errcode = 'PB007', message = format('leads has no column %s that can be updated.', quote_ident(v_wrong));
  end if;

  if p_columns ? 'call_sid' then
    if public.patchbay_sid(p_columns ->> 'call_sid') is not null then
      perform public.link_call(p_columns ->> 'call_sid', p_lead_id, coalesce(p_options, '{}') || '{"current": true}');
    else
      select public.patchbay_sid(call_sid) into v_slot from public.leads where id = p_lead_id;
      if v_slot is not null then
        perform public.unlink_call(v_slot, coalesce(p_options, '{}')
          || jsonb_build_object('expect', jsonb_build_object('leads', jsonb_build_object(p_lead_id, v_slot))));
      end if;
    end if;
  end if;

  select string_agg(quote_ident(k), ', ' order by k) into v_names from jsonb_object_keys(p_columns - 'call_sid') as k;
  if v_names is not null then
    execute format('update public.leads set (%1$s) = (select %1$s from jsonb_populate_record(null::public.leads, $1)) where id = $2', v_names)
    using p_columns - 'call_sid', p_lead_id;
  end if;
  select to_jsonb(l) into v_lead from public.leads l where l.id = p_lead_id;
  if v_lead is null then raise exception using errcode = 'PB001', message = format('There is no lead %s.', p_lead_id); end if;
  return v_lead;
end $$;

revoke execute on function public.update_lead(bigint, jsonb, jsonb) from public;
do $$
declare
  v_role text;
begin
  for v_role in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke execute on function public.update_lead(bigint, jsonb, jsonb) from %I', v_role);
  end loop;
  for v_role in select rolname from pg_catalog.pg_roles where rolname = 'service_role' loop
    execute format('grant execute on function public.update_lead(bigint, jsonb, jsonb) to %I', v_role);
  end loop;
end $$;
