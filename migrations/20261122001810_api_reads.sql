-- What the HTTP API reads beside what the console reads: pages of leads by number of page, as the backend's API has them.
-- Idempotent; may be pasted.

-- Leads, filtered and sorted, with how many there are. p_filter: status, priority, source (exact), search (part of name, e-mail, phone
-- or company), date_from, date_to (created_at, both included). p_sort is a column of the caller's whitelist; one that the customer's
-- table does not have sorts nothing.
create or replace function public.list_leads(p_limit int, p_offset bigint, p_filter jsonb default '{}', p_sort text default 'created_at',
  p_descending boolean default true) returns jsonb
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_where text := 'true';
  v_names jsonb := '{"status": "lead_status", "priority": "lead_priority", "source": "lead_source"}';
  v_key text;
  v_order text := 'l.id';
  v_direction text := case when p_descending then 'desc nulls last' else 'asc nulls last' end;
  v_columns text[] := array(select a.attname::text from pg_catalog.pg_attribute a
    where a.attrelid = 'public.leads'::regclass and a.attnum > 0 and not a.attisdropped);
  v_total bigint;
  v_rows jsonb;
begin
  for v_key in select jsonb_object_keys(v_names) loop
    continue when not p_filter ? v_key;
    v_where := v_where || case when v_names ->> v_key = any (v_columns)
      then format(' and l.%I::text = %L', v_names ->> v_key, p_filter ->> v_key) else ' and false' end;
  end loop;
  if p_filter ? 'search' then
    v_where := v_where || ' and (' || array_to_string(array(
      select format('l.%I::text ilike %L', c, public.patchbay_pattern(p_filter ->> 'search'))
      from unnest(array['name', 'email', 'phone', 'company']) as c where c = any (v_columns)), ' or ') || ')';
  end if;
  if p_filter ? 'date_from' then v_where := v_where || format(' and l.created_at::timestamptz >= %L', (p_filter ->> 'date_from')::timestamptz); end if;
  if p_filter ? 'date_to' then v_where := v_where || format(' and l.created_at::timestamptz <= %L', (p_filter ->> 'date_to')::timestamptz); end if;
  if p_sort = any (v_columns) then v_order := format('l.%I %s, l.id', p_sort, v_direction); end if;
  v_order := v_order || case when p_descending then ' desc' else '' end;
  execute format('select count(*) from public.leads l where %s', v_where) into v_total;
  execute format('select coalesce(jsonb_agg(to_jsonb(x)), ''[]'') from (select l.* from public.leads l where %s order by %s limit %s offset %s) as x',
    v_where, v_order, p_limit, p_offset) into v_rows;
  return jsonb_build_object('total', v_total, 'rows', v_rows);
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001810' $$;

select public.patchbay_lock_down(array['list_leads']);

notify pgrst, 'reload schema';
