-- What a hosted database needs whose owner is no superuser, and which stops statements after some seconds.
-- The functions that write the customer's tables announce themselves to our triggers by a setting. In a function's SET clause only a
-- superuser may name a setting of one's own, and the owner of a hosted database is none; in the body anybody may. It lasts as long as
-- the function: it is put back at the end, and an error takes it back with everything else. Idempotent; may be pasted.

-- Set slots, as before.
create or replace function public.patchbay_set_slots(p_slots jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, public, extensions, pg_temp set enable_seqscan = off set lock_timeout = '10ms' as $$
declare
  v_slot record;
  v_writer text := coalesce(current_setting('patchbay.writer', true), '');
begin
  perform set_config('patchbay.writer', 'ours', true);
  update public.leads l set call_sid = null
  from jsonb_each_text(p_slots) as own, jsonb_each_text(p_slots) as other
  where l.id = own.key::bigint and other.key <> own.key and l.call_sid = other.value and l.call_sid is distinct from own.value;
  for v_slot in select key::bigint as lead, value as sid from jsonb_each_text(p_slots) order by 1 loop
    update public.leads set call_sid = v_slot.sid where id = v_slot.lead and call_sid is distinct from v_slot.sid;
  end loop;
  perform set_config('patchbay.writer', v_writer, true);
exception when unique_violation or lock_not_available then
  raise exception using errcode = 'PB006', message = 'Another lead has just taken one of these calls.', hint = 'Try again.';
end $$;

-- Bring rows to what {table: {id: {column: value} or null}} says, as before.
create or replace function public.patchbay_set_rows(p_rows jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, public, extensions, pg_temp set timezone = 'UTC' as $$
declare
  v_row record;
  v_columns text;
  v_writer text := coalesce(current_setting('patchbay.writer', true), '');
begin
  perform set_config('patchbay.writer', 'ours', true);
  for v_row in
    select t.key as relation, r.key as id, r.value as image, public.patchbay_row(t.key, r.key) is not null as is_there
    from jsonb_each(coalesce(p_rows, '{}')) as t, jsonb_each(t.value) as r
    order by r.value = 'null', public.patchbay_row(t.key, r.key) is not null, t.key, r.key
  loop
    select string_agg(format('%I', k), ', ') into v_columns
    from jsonb_object_keys(case when v_row.image = 'null' then '{}' else v_row.image end) as k;
    if v_row.image = 'null' then
      execute format('delete from public.%I where id = %L::%s', v_row.relation, v_row.id, public.patchbay_id_type(v_row.relation));
    elsif v_row.is_there then
      execute format('update public.%1$I t set (%2$s) = (select %2$s from jsonb_populate_record(null::public.%1$I, $1)) where t.id = %3$L::%4$s',
        v_row.relation, v_columns, v_row.id, public.patchbay_id_type(v_row.relation)) using v_row.image;
    else
      execute format('insert into public.%1$I (%2$s) overriding system value select %2$s from jsonb_populate_record(null::public.%1$I, $1)',
        v_row.relation, v_columns) using v_row.image;
    end if;
  end loop;
  perform set_config('patchbay.writer', v_writer, true);
  if p_rows ? 'leads' then perform public.patchbay_note_leads(public.patchbay_keys(p_rows -> 'leads')); end if;
end $$;

-- What a number concerns may be most of the calls: time to queue them all (as in bulk_work).
do $$
declare
  v_name text;
begin
  for v_name in
    select p.oid::regprocedure::text from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and array_to_string(p.proconfig, ',') like '%search_path=%'
      and p.proname in ('note_own_numbers', 'note_account_numbers', 'confirm_own_number', 'set_number_rule', 'end_number_rule', 'expire_number_rules')
  loop
    execute format('alter function %s set statement_timeout = %L', v_name, '15min');
  end loop;
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001910' $$;

select public.patchbay_lock_down(array[]::text[]);

notify pgrst, 'reload schema';
