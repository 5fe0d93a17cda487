-- Stop early, with a message that says what to change, where Patchbay could not work rightly. A file of its own, so that the
-- runner has built no index yet. Changes nothing; may be pasted.

do $$
declare
  v_problem text;
begin
  select format('public.%s is not a table', c.relname) into v_problem
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relname in ('leads', 'call_events', 'conversation_transcripts')
    and c.relkind not in ('r', 'p');
  if v_problem is not null then
    raise exception using errcode = 'PB007', message = v_problem, hint = 'Patchbay follows tables by triggers; a view cannot be followed.';
  end if;

  select format('leads.id has the type %s', format_type(a.atttypid, a.atttypmod)) into v_problem
  from pg_catalog.pg_attribute a
  where a.attrelid = to_regclass('public.leads') and a.attname = 'id' and not a.attisdropped
    and a.atttypid not in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype);
  if v_problem is not null then
    raise exception using errcode = 'PB007', message = v_problem || ': Patchbay needs integer lead ids',
      hint = 'Lead ids must be integer or bigint, as in the integration guide. Nothing was changed.';
  end if;

  select format('%s.%s has the type %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod)) into v_problem
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid and c.relnamespace = 'public'::regnamespace
    and c.relname in ('leads', 'call_events', 'conversation_transcripts')
  where not a.attisdropped and (
    a.attname = 'call_sid' and a.atttypid not in ('text'::regtype, 'varchar'::regtype)
    or a.attname in ('created_at', 'timestamp', 'last_contacted_at')
      and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype))
  limit 1;
  if v_problem is not null then
    raise exception using errcode = 'PB007', message = v_problem || ', which Patchbay cannot read',
      hint = 'call_sid must be text or varchar; created_at, timestamp and last_contacted_at must be timestamps. Nothing was changed.';
  end if;

  select format('public.%s exists already and is not Patchbay''s', c.relname) into v_problem
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relname in ('calls', 'link_events')
    and coalesce(obj_description(c.oid, 'pg_class'), '') not like 'Patchbay:%'
  limit 1;
  if v_problem is not null then
    raise exception using errcode = 'PB007', message = v_problem,
      hint = 'Patchbay needs the names calls and link_events in schema public. Rename that table, then migrate again.';
  end if;
end $$;
