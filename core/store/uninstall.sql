-- Removes Patchbay: everything of its own goes, the ledger too (save it first). Your tables stay as they were, plus
-- leads.call_sid with its index, constraint and comment. May be pasted again.

do $uninstall$
declare
  v_left text[] := array[
    {{ours}}];
  v_next text[];
  v_object text;
  v_row record;
  v_empty boolean;
  v_blocked text;
begin
  perform set_config('lock_timeout', '2s', true);
  perform set_config('client_min_messages', 'warning', true);
  for v_row in
    select c.relname, t.tgname from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
    where c.relnamespace = 'public'::regnamespace and c.relname in ({{tables}}) and t.tgname like 'patchbay\_%'
    order by 1, 2
  loop
    execute format('drop trigger %I on public.%I', v_row.tgname, v_row.relname);
  end loop;
  foreach v_object in array array[{{indexes}}]::text[] loop
    execute format('drop index if exists public.%I', v_object);
  end loop;

  -- What others made may have the name of a table of ours: ours say so.
  v_left := array(
    select o from unnest(v_left) with ordinality as x (o, n)
    where o not like 'table %' or o like 'table public.patchbay\_%'
      or obj_description(to_regclass(split_part(o, ' ', 2)), 'pg_class') like 'Patchbay:%' order by n);
  loop
    v_next := '{}';
    foreach v_object in array v_left loop
      begin
        execute 'drop ' || regexp_replace(v_object, ' ', ' if exists ');
      exception when dependent_objects_still_exist then
        get stacked diagnostics v_blocked = pg_exception_detail;
        v_next := v_next || v_object;
      end;
    end loop;
    exit when cardinality(v_next) = 0;
    if cardinality(v_next) = cardinality(v_left) then
      raise exception using errcode = 'PB004', message = format('Patchbay cannot be removed: %s is still used.', v_next[1]),
        hint = format('Remove what uses it first; nothing was changed. %s', v_blocked);
    end if;
    v_left := v_next;
  end loop;

  -- Columns that were missing: gone when they hold nothing but numbers that were given by themselves.
  for v_row in
    select c.relname, a.attname, a.attidentity <> '' as numbered from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and c.relname in ({{tables}}) and not a.attisdropped and a.attnum > 0
      and col_description(c.oid, a.attnum) like '{{added}}%'
  loop
    execute format('select not exists (select from public.%I where %I is not null)', v_row.relname, v_row.attname) into v_empty;
    if v_empty or v_row.numbered then
      begin
        execute format('alter table public.%I drop column %I', v_row.relname, v_row.attname);
      exception when dependent_objects_still_exist then null;  -- somebody uses it by now
      end;
    end if;
  end loop;

  -- BullMQ's tables, where they were made for our queue; a backend may keep queues of its own in a schema of this name.
  if obj_description(to_regnamespace('bullmq'), 'pg_namespace') like 'Patchbay:%' then
    execute 'drop schema bullmq cascade';
  end if;

  if to_regclass('supabase_migrations.schema_migrations') is not null then
    execute $q$delete from supabase_migrations.schema_migrations
      where version in ({{versions}}) and name in ({{names}})$q$;
    execute 'alter table supabase_migrations.schema_migrations drop column if exists checksum';
    execute 'select not exists (select from supabase_migrations.schema_migrations)' into v_empty;
    if v_empty and 1 = (select count(*) from pg_catalog.pg_class
                        where relnamespace = 'supabase_migrations'::regnamespace and relkind in ('r', 'v', 'S', 'm')) then
      execute 'drop table supabase_migrations.schema_migrations';
      execute 'drop schema supabase_migrations';
    end if;
  end if;
end $uninstall$;

notify pgrst, 'reload schema';
