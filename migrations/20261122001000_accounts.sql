-- Who may come in: accounts, sessions, one-time codes, API tokens, and the count of sign-in attempts. No secret is stored: keys
-- are SHA-256 digests of random tokens, passwords argon2 hashes; both are made by the caller. Nobody reads these tables but the
-- functions below. Idempotent; may be pasted.

set local lock_timeout = '2s';

-- key: the name as it is compared (folded by the caller). An account is disabled, never deleted: the ledger names it.
create table if not exists public.patchbay_users (
  id bigint generated always as identity primary key,
  name text not null check (length(name) between 1 and 200),
  key text not null unique,
  role text not null check (role in ('viewer', 'operator', 'admin')),
  password_hash text not null,
  created_at timestamptz not null default now(),
  last_sign_in_at timestamptz,
  disabled_at timestamptz
);

-- key: digest of the token in the person's cookie. user_id is null for whoever signed in otherwise than by an account here.
create table if not exists public.patchbay_sessions (
  key text primary key check (key ~ '^[0-9a-f]{64}$'),
  user_id bigint references public.patchbay_users (id) on delete cascade,
  name text not null,
  role text not null check (role in ('viewer', 'operator', 'admin')),
  method text not null check (method in ('link', 'password', 'supabase')),
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index if not exists patchbay_sessions_user on public.patchbay_sessions (user_id);
create index if not exists patchbay_sessions_expiry on public.patchbay_sessions (expires_at);

-- Links and codes that work once: using one deletes it.
create table if not exists public.patchbay_one_time_codes (
  key text primary key check (key ~ '^[0-9a-f]{64}$'),
  purpose text not null check (purpose in ('link', 'first_admin')),
  expires_at timestamptz not null
);

-- account, address: digests, since people type passwords into the wrong field.
create table if not exists public.patchbay_sign_in_attempts (
  id bigint generated always as identity primary key,
  account text not null,
  address text not null,
  at timestamptz not null default clock_timestamp()
);
create index if not exists patchbay_sign_in_attempts_account on public.patchbay_sign_in_attempts (account, at);
create index if not exists patchbay_sign_in_attempts_address on public.patchbay_sign_in_attempts (address, at);
create index if not exists patchbay_sign_in_attempts_at on public.patchbay_sign_in_attempts (at);

create table if not exists public.patchbay_tokens (
  id bigint generated always as identity primary key,
  name text not null check (length(name) between 1 and 200),
  name_key text not null,
  key text not null unique check (key ~ '^[0-9a-f]{64}$'),
  role text not null check (role in ('viewer', 'operator', 'admin')),
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);
create unique index if not exists patchbay_tokens_name on public.patchbay_tokens (name_key) where revoked_at is null;

-- Accounts ------------------------------------------------------------------------------------------------------------------

create or replace function public.patchbay_user_json(p_user public.patchbay_users) returns jsonb
language sql immutable set search_path = '' as
$$ select to_jsonb(p_user) - 'password_hash' - 'key' $$;

-- Add an account, or bring a disabled one back with this role and password. First admin: see patchbay_first_admin.
create or replace function public.patchbay_user_add(p_name text, p_key text, p_role text, p_password_hash text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_user public.patchbay_users;
begin
  insert into public.patchbay_users as u (name, key, role, password_hash) values (p_name, p_key, p_role, p_password_hash)
  on conflict (key) do update set name = excluded.name, role = excluded.role, password_hash = excluded.password_hash, disabled_at = null
  where u.disabled_at is not null
  returning * into v_user;
  if v_user.id is null then
    raise exception using errcode = 'PB004', message = format('There is an account %s already.', p_name),
      hint = 'Set a new password with: user passwd';
  end if;
  return public.patchbay_user_json(v_user);
end $$;

create or replace function public.patchbay_user_list() returns jsonb
language sql stable security definer set search_path = '' as
$$ select coalesce(jsonb_agg(public.patchbay_user_json(u) order by u.key), '[]') from public.patchbay_users u $$;

-- What a sign-in is checked against; null when there is no such account.
create or replace function public.patchbay_user_credentials(p_key text) returns jsonb
language sql stable security definer set search_path = '' as
$$ select to_jsonb(u) from public.patchbay_users u where u.key = p_key $$;

-- Disable an account; its sessions end.
create or replace function public.patchbay_user_disable(p_key text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_user public.patchbay_users;
begin
  update public.patchbay_users set disabled_at = coalesce(disabled_at, now()) where key = p_key returning * into v_user;
  if v_user.id is null then
    raise exception using errcode = 'PB001', message = 'There is no such account.', hint = 'See: user list';
  end if;
  delete from public.patchbay_sessions where user_id = v_user.id;
  return public.patchbay_user_json(v_user);
end $$;

-- Set a new password; all sessions of the account end.
create or replace function public.patchbay_user_password(p_key text, p_password_hash text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_user public.patchbay_users;
begin
  update public.patchbay_users set password_hash = p_password_hash where key = p_key returning * into v_user;
  if v_user.id is null then
    raise exception using errcode = 'PB001', message = 'There is no such account.', hint = 'See: user list';
  end if;
  delete from public.patchbay_sessions where user_id = v_user.id;
  return public.patchbay_user_json(v_user);
end $$;

create or replace function public.patchbay_has_users() returns boolean
language sql stable security definer set search_path = '' as
$$ select exists (select from public.patchbay_users) $$;

-- One-time codes ------------------------------------------------------------------------------------------------------------

create or replace function public.patchbay_one_time_issue(p_key text, p_purpose text, p_seconds int) returns void
language sql security definer set search_path = '' as $$
  delete from public.patchbay_one_time_codes where expires_at <= now();
  insert into public.patchbay_one_time_codes (key, purpose, expires_at) values (p_key, p_purpose, now() + make_interval(secs => p_seconds)) $$;

create or replace function public.patchbay_one_time_is_live(p_key text) returns boolean
language sql stable security definer set search_path = '' as
$$ select exists (select from public.patchbay_one_time_codes where key = p_key and expires_at > now()) $$;

-- True for exactly one caller: of two at once the second waits for the row and finds it gone.
create or replace function public.patchbay_one_time_redeem(p_key text, p_purpose text) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  delete from public.patchbay_one_time_codes where key = p_key and purpose = p_purpose and expires_at > now();
  return found;
end $$;

-- The first account, an admin, for whoever has the code from the server's log. Refused as soon as there is any account.
create or replace function public.patchbay_first_admin(p_code text, p_name text, p_key text, p_password_hash text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('patchbay first admin', 0));
  if public.patchbay_has_users() then
    raise exception using errcode = 'PB004', message = 'The first account has been created already.', hint = 'Sign in with it.';
  end if;
  if not public.patchbay_one_time_redeem(p_code, 'first_admin') then
    raise exception using errcode = 'PB004', message = 'This code is wrong, used or expired.',
      hint = 'The newest one stands in the server''s log.';
  end if;
  return public.patchbay_user_add(p_name, p_key, 'admin', p_password_hash);
end $$;

-- Sessions ------------------------------------------------------------------------------------------------------------------

-- p_password_hash: what the password was just checked against; the session is refused when it has changed meanwhile.
create or replace function public.patchbay_session_open(
  p_key text, p_user_id bigint, p_password_hash text, p_name text, p_role text, p_method text, p_seconds int) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  delete from public.patchbay_sessions where expires_at <= now();
  if p_user_id is not null then
    update public.patchbay_users set last_sign_in_at = now()
    where id = p_user_id and disabled_at is null and password_hash = p_password_hash;
    if not found then return false; end if;
  end if;
  insert into public.patchbay_sessions (key, user_id, name, role, method, expires_at)
  values (p_key, p_user_id, p_name, p_role, p_method, now() + make_interval(secs => p_seconds));
  return true;
end $$;

-- Who a session belongs to, with the account's role as it is now; null when it ended. With p_touch this is a sign of life.
create or replace function public.patchbay_session(p_key text, p_idle_seconds int, p_touch boolean) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_found record;
begin
  select s.name, coalesce(u.role, s.role) as role, s.method, s.last_seen_at,
    s.expires_at > now() and s.last_seen_at > now() - make_interval(secs => p_idle_seconds) and u.disabled_at is null as alive
  into v_found
  from public.patchbay_sessions s left join public.patchbay_users u on u.id = s.user_id where s.key = p_key;
  if v_found.alive is not true then
    if v_found.alive is false then delete from public.patchbay_sessions where key = p_key; end if;
    return null;
  end if;
  if p_touch and v_found.last_seen_at < now() - interval '1 minute' then
    update public.patchbay_sessions set last_seen_at = now() where key = p_key;
  end if;
  return jsonb_build_object('name', v_found.name, 'role', v_found.role, 'method', v_found.method);
end $$;

create or replace function public.patchbay_session_close(p_key text) returns void
language sql security definer set search_path = '' as
$$ delete from public.patchbay_sessions where key = p_key $$;

-- Throttling ----------------------------------------------------------------------------------------------------------------

-- Count one attempt before it is checked, so that many at once count too. Returns 0, or for how many seconds nothing is
-- checked; an attempt that has to wait is not counted.
create or replace function public.patchbay_sign_in_attempt(
  p_account text, p_address text, p_seconds int, p_account_limit int, p_address_limit int) returns int
language plpgsql security definer set search_path = '' as $$
declare
  v_since timestamptz;
  v_free timestamptz;
begin
  perform pg_advisory_xact_lock(hashtextextended('patchbay account ' || p_account, 0));
  perform pg_advisory_xact_lock(hashtextextended('patchbay address ' || p_address, 0));
  v_since := clock_timestamp() - make_interval(secs => p_seconds);
  delete from public.patchbay_sign_in_attempts where at <= v_since;
  select greatest(
    (select at from public.patchbay_sign_in_attempts where account = p_account and at > v_since
     order by at desc offset p_account_limit - 1 limit 1),
    (select at from public.patchbay_sign_in_attempts where address = p_address and at > v_since
     order by at desc offset p_address_limit - 1 limit 1)) into v_free;
  if v_free is not null then
    return greatest(1, ceil(extract(epoch from v_free - v_since)))::int;
  end if;
  insert into public.patchbay_sign_in_attempts (account, address) values (p_account, p_address);
  return 0;
end $$;

-- It was the right password: what this person mistyped here before is forgotten, other addresses' attempts are not.
create or replace function public.patchbay_sign_in_succeeded(p_account text, p_address text) returns void
language sql security definer set search_path = '' as
$$ delete from public.patchbay_sign_in_attempts where account = p_account and address = p_address $$;

-- API tokens ----------------------------------------------------------------------------------------------------------------

create or replace function public.patchbay_token_add(p_name text, p_name_key text, p_key text, p_role text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_token public.patchbay_tokens;
begin
  insert into public.patchbay_tokens (name, name_key, key, role) values (p_name, p_name_key, p_key, p_role)
  on conflict do nothing returning * into v_token;
  if v_token.id is null then
    raise exception using errcode = 'PB004', message = format('There is a token %s already.', p_name),
      hint = 'Choose another name, or revoke it first.';
  end if;
  return to_jsonb(v_token) - 'key' - 'name_key';
end $$;

create or replace function public.patchbay_token_list() returns jsonb
language sql stable security definer set search_path = '' as
$$ select coalesce(jsonb_agg(to_jsonb(t) - 'key' - 'name_key' order by t.id), '[]') from public.patchbay_tokens t $$;

create or replace function public.patchbay_token_revoke(p_name_key text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_token public.patchbay_tokens;
begin
  update public.patchbay_tokens set revoked_at = now() where name_key = p_name_key and revoked_at is null returning * into v_token;
  if v_token.id is null then
    raise exception using errcode = 'PB001', message = 'There is no such token.', hint = 'See: token list';
  end if;
  return to_jsonb(v_token) - 'key' - 'name_key';
end $$;

-- Whose token this is; null when it is unknown or revoked. "Last used" is kept to the minute.
create or replace function public.patchbay_token_use(p_key text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_token public.patchbay_tokens;
begin
  select * into v_token from public.patchbay_tokens where key = p_key and revoked_at is null;
  if v_token.id is null then return null; end if;
  if v_token.last_used_at is null or v_token.last_used_at < now() - interval '1 minute' then
    update public.patchbay_tokens set last_used_at = now() where id = v_token.id;
  end if;
  return jsonb_build_object('name', v_token.name, 'role', v_token.role);
end $$;

-- Nobody but the owner and a service's key calls these functions; the tables are for the functions only.
do $$
declare
  v_object record;
  v_role text;
begin
  for v_object in
    select 'function ' || p.oid::regprocedure as name, true as callable from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and (p.proname in ('patchbay_first_admin', 'patchbay_has_users')
      or p.proname like any (array['patchbay\_user\_%', 'patchbay\_one\_time\_%', 'patchbay\_session%', 'patchbay\_sign\_in\_%', 'patchbay\_token\_%']))
    union all
    select 'table ' || c.oid::regclass, false from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relname in (
      'patchbay_users', 'patchbay_sessions', 'patchbay_one_time_codes', 'patchbay_sign_in_attempts', 'patchbay_tokens')
  loop
    execute format('revoke all on %s from public', v_object.name);
    for v_role in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role') loop
      execute format('revoke all on %s from %I', v_object.name, v_role);
      if v_role = 'service_role' and v_object.callable then
        execute format('grant execute on %s to service_role', v_object.name);
      end if;
    end loop;
    if not v_object.callable then
      execute format('alter %s enable row level security', v_object.name);
    end if;
  end loop;
end $$;

notify pgrst, 'reload schema';
