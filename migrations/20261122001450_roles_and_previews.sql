-- Another role for an account, and what undoing a batch would do. Idempotent; may be pasted.

-- Another role: the account's sessions have it from their next request on, since a session asks for its account's role.
create or replace function public.patchbay_user_role(p_key text, p_role text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_user public.patchbay_users;
begin
  update public.patchbay_users set role = p_role where key = p_key returning * into v_user;
  if v_user.id is null then
    raise exception using errcode = 'PB001', message = 'There is no such account.', hint = 'See: user list';
  end if;
  return public.patchbay_user_json(v_user);
end $$;

-- Which of these link events could be undone now: [{"id", "would"}] or [{"id", "state", "message", "detail", "hint"}] for a
-- refusal. p_groups: arrays of event ids, newest first; within a group an undo may rest on the one before it. A group of one is a
-- preview; a larger one is undone and taken back by a subtransaction, which gives its locks back too, so nothing is written.
create or replace function public.patchbay_preview_undos(p_groups jsonb, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_group jsonb;
  v_id bigint;
  v_told jsonb := '[]';
  v_event jsonb;
  v_state text;
  v_message text;
  v_detail text;
  v_hint text;
begin
  for v_group in select g.value from jsonb_array_elements(p_groups) with ordinality as g order by g.ordinality loop
    begin
      for v_id in select i.value::bigint from jsonb_array_elements_text(v_group) with ordinality as i order by i.ordinality loop
        begin
          v_event := public.undo_link_event(v_id, p_options || jsonb_build_object('preview', jsonb_array_length(v_group) = 1));
          v_told := v_told || jsonb_build_object('id', v_id, 'would', coalesce(v_event, 'null') <> 'null');
        exception when sqlstate 'PB001' or sqlstate 'PB002' or sqlstate 'PB003' or sqlstate 'PB004' or integrity_constraint_violation then
          get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_detail = pg_exception_detail, v_hint = pg_exception_hint;
          v_told := v_told || jsonb_build_object('id', v_id, 'state', v_state, 'message', v_message, 'detail', v_detail, 'hint', v_hint);
        end;
      end loop;
      raise exception using errcode = 'PB000', message = 'It was only looked at.';
    exception when sqlstate 'PB000' then null;
    end;
  end loop;
  return v_told;
end $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001450' $$;

select public.patchbay_lock_down(array[]::text[]);

notify pgrst, 'reload schema';
