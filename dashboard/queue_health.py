"""The System page's lines about the queue: does it answer, does anybody work it; a red one with what mends it."""

from core.linking import Check
from dashboard import formatting, queue_reads
from dashboard.queue_reads import Pulse

START = "python -m core worker"
SET_A_QUEUE = "REDIS_URL=redis://:password@host:6379/0"
ASK_REDIS = 'redis-cli -u "$REDIS_URL" ping'
ASK_DATABASE = "psql \"$DATABASE_URL\" -c 'select 1'"


def checks() -> tuple[Check, ...]:
    """The lines; a queue that is away has none about workers."""
    found = queue_reads.pulse()
    if found.problem is not None:
        hint = f" {found.problem.hint}" if found.problem.hint else ""
        return (Check("queue", False, f"{found.problem.message}{hint}", _fix(found)),)
    waiting, failed = found.counts.get("waiting", 0), found.counts.get("failed", 0)
    paused = " It is paused: workers wait." if found.counts.get("paused") else ""
    where = formatting.sentence(found.where or "the queue")
    words = f"{where} answers for outbound-calls: {waiting:,} waiting, {failed:,} failed.{paused}"
    return (Check("queue", True, words), _worker(found))


def _worker(found: Pulse) -> Check:
    last = f" The last job was taken {formatting.relative(found.last_taken)}." if found.last_taken else ""
    if found.here:
        return Check("worker", True, f"This app takes jobs.{last}")
    if found.is_worked is None:
        return Check("worker", True, f"The queue’s server does not tell who takes jobs.{last}")
    if found.is_worked:
        return Check("worker", True, f"A worker outside this app takes jobs.{last}")
    return Check("worker", False, f"Nobody takes jobs from the queue: scheduled calls wait.{last}", START)


def _fix(found: Pulse) -> str:
    if found.where is None:
        return SET_A_QUEUE
    return ASK_REDIS if queue_reads.shares_a_redis() else ASK_DATABASE
