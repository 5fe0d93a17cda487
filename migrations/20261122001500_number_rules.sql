-- What people ruled about a telephone number: whose it is (a person's, a switchboard's, ours, as good as withheld, a test line's), and
-- whether calls with it may be linked automatically. core.linking.number_rules reads and writes it. Idempotent; may be pasted.

set local lock_timeout = '2s';

-- One row for each rule that ever held: a rule ends, it is never deleted. At most one holds for a number at a time.
create table if not exists public.number_rules (
  id         bigint generated always as identity primary key,
  number     text not null,          -- E.164
  verdict    text not null check (verdict in ('person', 'switchboard', 'own', 'withheld', 'test')),
  never_link boolean not null,       -- a lead is never found by this number automatically
  reason     text,
  author     text not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,            -- from then on it counts no more; null: until somebody ends it
  ended_at   timestamptz,
  ended_by   text,                   -- null where it expired
  end_reason text,
  request_id text,
  request    jsonb);                 -- what that request asked for, so that another use of its id is told apart
create unique index if not exists number_rules_in_force on public.number_rules (number) where ended_at is null;
create unique index if not exists number_rules_of_request on public.number_rules (request_id) where request_id is not null;
create index if not exists number_rules_of_number on public.number_rules (number, id desc);
create index if not exists number_rules_expiring on public.number_rules (expires_at) where ended_at is null and expires_at is not null;
comment on table public.number_rules is 'Patchbay: what people ruled about telephone numbers';
alter table public.number_rules enable row level security;

-- Judge every call again that has one of these numbers on any side, however its rows write it.
create or replace function public.patchbay_requeue_numbers(p_numbers text[]) returns void
language sql security definer set search_path = '' as $$
  with keys as (select distinct right(regexp_replace(n, '\D', '', 'g'), 7) as key from unnest(p_numbers) as n)
  insert into public.judge_queue (call_sid)
  select c.call_sid from public.calls c
  where c.counterpart_key in (select key from keys)
    or right(regexp_replace(c.from_number, '\D', '', 'g'), 7) in (select key from keys)
    or right(regexp_replace(c.to_number, '\D', '', 'g'), 7) in (select key from keys) $$;

-- One rule's row as people and programs get it.
create or replace function public.patchbay_rule_json(p_rule public.number_rules) returns jsonb
language sql stable set search_path = '' set timezone = 'UTC' as $$ select to_jsonb(p_rule) - 'request' - 'request_id' $$;

-- End what has expired and have its calls judged again. Returns how many rules that were.
create or replace function public.expire_number_rules() returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_numbers text[];
begin
  if not exists (select from public.number_rules where ended_at is null and expires_at <= now()) then return 0; end if;
  with expired as (
    update public.number_rules r set ended_at = r.expires_at
    where r.id in (select x.id from public.number_rules x where x.ended_at is null and x.expires_at <= now() for update skip locked)
    returning r.number)
  select array_agg(number) into v_numbers from expired;
  if v_numbers is not null then perform public.patchbay_requeue_numbers(v_numbers); end if;
  return coalesce(cardinality(v_numbers), 0);
end $$;

-- Rule about a number. The rule that held until now ends. p_options: actor, reason, never_link, expires_at, expect_rule (the id of the
-- rule that the person saw in force, or null), request_id. A switchboard's, a test line's and a withheld number are never linked
-- automatically. Returns the rule, or null when just this holds already.
create or replace function public.set_number_rule(p_number text, p_verdict text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '2s' as $$
declare
  v_request jsonb := jsonb_build_array('set', p_number, p_verdict, p_options -> 'never_link', p_options -> 'expires_at', p_options -> 'reason');
  v_rule public.number_rules := public.patchbay_rule_of_request(p_options, v_request);
  v_never boolean := p_verdict in ('switchboard', 'withheld', 'test') or coalesce((p_options ->> 'never_link')::boolean, false);
  v_expires timestamptz := (p_options ->> 'expires_at')::timestamptz;
  v_actor text := public.patchbay_actor(p_options ->> 'actor');
begin
  if v_rule.id is not null then return public.patchbay_rule_json(v_rule); end if;
  if p_number !~ '^\+[1-9][0-9]{5,14}$' then
    raise exception using errcode = 'PB007', message = 'The number is not in E.164 form.', hint = 'Expected a number such as +14155550100.';
  end if;
  if v_expires <= now() then
    raise exception using errcode = 'PB007', message = 'The rule would have expired already.', hint = 'Give a later time, or none.';
  end if;
  perform public.expire_number_rules();
  v_rule := public.patchbay_rule_in_force(p_number, p_options);
  if v_rule.id is not null and (v_rule.verdict, v_rule.never_link, v_rule.reason, v_rule.expires_at)
      is not distinct from (p_verdict, v_never, p_options ->> 'reason', v_expires) then
    return null;
  end if;
  update public.number_rules set ended_at = clock_timestamp(), ended_by = v_actor, end_reason = 'Another rule took its place.'
  where id = v_rule.id;
  insert into public.number_rules (number, verdict, never_link, reason, author, expires_at, request_id, request)
  values (p_number, p_verdict, v_never, p_options ->> 'reason', v_actor, v_expires, p_options ->> 'request_id', v_request)
  returning * into v_rule;
  perform public.patchbay_requeue_numbers(array[p_number]);
  return public.patchbay_rule_json(v_rule);
end $$;

-- End the rule about a number. p_options: actor, reason, expect_rule. Returns the ended rule, or null when none holds.
create or replace function public.end_number_rule(p_number text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '2s' as $$
declare
  v_rule public.number_rules;
  v_actor text := public.patchbay_actor(p_options ->> 'actor');
begin
  perform public.expire_number_rules();
  v_rule := public.patchbay_rule_in_force(p_number, p_options);
  if v_rule.id is null then return null; end if;
  update public.number_rules set ended_at = clock_timestamp(), ended_by = v_actor, end_reason = p_options ->> 'reason'
  where id = v_rule.id returning * into v_rule;
  perform public.patchbay_requeue_numbers(array[p_number]);
  return public.patchbay_rule_json(v_rule);
end $$;

-- The rule that a repeated request made; refused where its id was used for something else.
create or replace function public.patchbay_rule_of_request(p_options jsonb, p_request jsonb) returns public.number_rules
language plpgsql security definer set search_path = '' as $$
declare
  v_rule public.number_rules;
begin
  if p_options ->> 'request_id' is null then return null; end if;
  perform pg_advisory_xact_lock(hashtextextended('patchbay rule ' || (p_options ->> 'request_id'), 0));
  select * into v_rule from public.number_rules where request_id = p_options ->> 'request_id';
  if v_rule.id is not null and v_rule.request is distinct from p_request then
    raise exception using errcode = 'PB005', message = 'this request id was already used for another command',
      hint = 'Use a new request id for every command.';
  end if;
  return v_rule;
end $$;

-- The rule about a number that holds now, locked together with the number; refused when it is not the one that the person saw.
create or replace function public.patchbay_rule_in_force(p_number text, p_options jsonb) returns public.number_rules
language plpgsql security definer set search_path = '' as $$
declare
  v_rule public.number_rules;
begin
  perform pg_advisory_xact_lock(hashtextextended('patchbay number ' || p_number, 0));
  select * into v_rule from public.number_rules where number = p_number and ended_at is null for update;
  if p_options ? 'expect_rule' and (p_options ->> 'expect_rule')::bigint is distinct from v_rule.id then
    raise exception using errcode = 'PB003', message = 'The rule about this number changed since you looked; nothing was written.',
      hint = 'Look again.', detail = jsonb_build_object('rule', public.patchbay_rule_json(v_rule))::text;
  end if;
  return v_rule;
end $$;

-- What the calls of a number come to: how many in each state and direction, first and last, and per month. p_anywhere: with the number
-- on any side (our own numbers, and those that count as withheld, are nobody's counterpart).
create or replace function public.number_figures(p_number text, p_anywhere boolean default false) returns jsonb
language sql stable security definer set search_path = '' set timezone = 'UTC' as $$
  with mine as (
    select c.state, c.direction, c.started_at from public.call_links c
    where not p_anywhere and c.counterpart_key = right(regexp_replace(p_number, '\D', '', 'g'), 7) and c.counterpart = p_number
    union all
    select c.state, c.direction, c.started_at from public.call_links c
    where p_anywhere and (c.from_number = p_number or c.to_number = p_number))
  select jsonb_build_object('calls', (select count(*)::int from mine),
    'states', coalesce((select jsonb_object_agg(x.state, x.n) from (select state, count(*)::int as n from mine group by state) as x), '{}'),
    'inbound', (select count(*)::int from mine where direction ilike 'inbound%'),
    'first_at', (select min(started_at) from mine), 'last_at', (select max(started_at) from mine),
    'months', coalesce((select jsonb_agg(jsonb_build_object('month', x.month, 'linked', x.linked, 'unlinked', x.unlinked, 'set_aside', x.aside)
        order by x.month)
      from (select to_char(started_at, 'YYYY-MM') as month, count(*) filter (where state in ('current', 'history'))::int as linked,
          count(*) filter (where state = 'unlinked')::int as unlinked, count(*) filter (where state = 'set_aside')::int as aside
        from mine group by 1) as x), '[]')) $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001500' $$;

select public.patchbay_lock_down(array['number_rules', 'expire_number_rules', 'set_number_rule', 'end_number_rule', 'number_figures']);

notify pgrst, 'reload schema';
