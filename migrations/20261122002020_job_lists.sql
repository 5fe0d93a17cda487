-- Lists and counts of the jobs that have ended stay fast, however many are kept. Idempotent; may be pasted.

set local lock_timeout = '2s';

create index if not exists job_results_ended on public.job_results (queue, state, finished_at desc, job_id) where finished_at is not null;

create or replace function public.patchbay_schema_version() returns text language sql immutable set search_path = '' as
$$ select '20261122002020' $$;

select public.patchbay_lock_down(array[]::text[]);

notify pgrst, 'reload schema';
