-- Calls that came in through us and are to be linked without anybody's doing: at their first line, at their end, and when their lead
-- appears later. core.inbound.auto_link reads and writes this. Idempotent; may be pasted.

create table if not exists public.auto_links (
  call_sid  varchar(50) primary key,
  wanted_at timestamptz not null default now(),
  tried_at  timestamptz,        -- null: not yet
  outcome   text,               -- linked, or why not
  done      boolean not null default false);
create index if not exists auto_links_open on public.auto_links (wanted_at) where not done;
comment on table public.auto_links is 'Patchbay: calls to be linked as soon as a lead is certain or high';
alter table public.auto_links enable row level security;

-- This call is to be linked. Says whether it was not known yet.
create or replace function public.want_auto_link(p_call_sid text) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.auto_links (call_sid) values (p_call_sid) on conflict do nothing;
  return found;
end $$;

-- Calls of the last 30 days that were tried in vain, and about which the judge thinks otherwise since: their lead appeared.
create or replace function public.auto_links_due(p_limit int default 50) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(call_sid), '[]') from (
    select a.call_sid from public.auto_links a join public.calls c on c.call_sid = a.call_sid
    where not a.done and a.wanted_at > now() - interval '30 days' and c.judged_at > a.tried_at
      and c.lead_id is null and not c.by_hand and not c.set_aside and not c.test and c.best_confidence in ('certain', 'high')
    order by a.wanted_at limit p_limit) as due $$;

-- What came of trying; done: it need not be tried again.
create or replace function public.note_auto_link(p_call_sid text, p_outcome text, p_done boolean) returns void
language sql security definer set search_path = '' as $$
  insert into public.auto_links (call_sid, tried_at, outcome, done) values (p_call_sid, clock_timestamp(), p_outcome, p_done)
  on conflict (call_sid) do update set tried_at = clock_timestamp(), outcome = excluded.outcome, done = excluded.done $$;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122001800' $$;

select public.patchbay_lock_down(array['auto_links', 'want_auto_link', 'auto_links_due', 'note_auto_link']);

notify pgrst, 'reload schema';
