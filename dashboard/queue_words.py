"""Jobs as words for people. HTML pieces in which every free text is escaped."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from zoneinfo import ZoneInfo

from core.outbound.board import Action, Entry
from dashboard import formatting, queue_failures, story
from dashboard.queue_reads import Recurring

SIMULATED = "Simulated carrier: nothing is dialled."
HOW_PLAYED = "No Twilio account is set: calls are played inside this machine, and everything else is real."
LEFT_ALONE = "Only jobs that were scheduled without an account are played; others are left to a worker that has one."

VIEW_WORDS: Mapping[str, str] = {
    "all": "All",
    "waiting": "Waiting",
    "delayed": "Delayed",
    "active": "Active",
    "completed": "Completed",
    "failed": "Failed",
    "recurring": "Recurring",
    "unlinked": "Call unlinked",
}
VIEW_HELP: Mapping[str, str] = {
    "all": "Every job that is known, newest first; also those that the queue has forgotten",
    "waiting": "A worker takes these next: by priority, then by age",
    "delayed": "Not due yet",
    "active": "A worker has these",
    "completed": "Every job that is known to have been done, the last one first",
    "failed": "Every job that is known to have failed, the last one first",
    "recurring": "Dialled again and again",
    "unlinked": "Jobs whose call is not tied to a lead",
}
RETENTION: Mapping[str, str] = {"completed": "7 days, at most the last 1,000", "failed": "30 days"}
"""How long the queue itself keeps what is finished."""
LOOKS: Mapping[str, tuple[str, str]] = {
    "waiting": ("pb-wait", "○"),
    "delayed": ("pb-muted", "◷"),
    "active": ("pb-act", "▶"),
    "completed": ("pb-ok", "✓"),
    "failed": ("pb-bad", "✗"),
}
PRIORITIES: Mapping[int, str] = {1: "high", 2: "normal", 3: "low"}
ATTEMPTS: Mapping[str, tuple[str, str, str]] = {
    "dialling": ("pb-act", "▶", "dialling"),
    "retryable": ("pb-wait", "↻", "not dialled, tried again later"),
    "rejected": ("pb-bad", "✗", "refused, not dialled"),
    "placed": ("pb-ok", "✓", "placed"),
    "unknown": ("pb-bad", "?", "unknown: perhaps dialled"),
    "not_dialled": ("pb-muted", "–", "not dialled"),
}
LINKS: Mapping[str, str] = {
    "current": "current",
    "history": "history",
    "unlinked": "unlinked",
    "set_aside": "set aside",
}


def chip(entry: Entry, *, away: bool = False) -> str:
    """The job's state as a word with a mark and a colour.

    :param away: the queue does not answer, so that nobody knows what it has forgotten.
    """
    look, mark, words = _known(entry, away)
    kept = "" if entry.job.in_queue else " · as last known" if away else " · forgotten by the queue"
    return f'<span class="pb-chip {look}">{mark} {escape(words)}{kept}</span>'


def state(entry: Entry, *, away: bool = False) -> str:
    """The same for a table's cell."""
    _, mark, words = _known(entry, away)
    return f"{mark} {words}"


def _known(entry: Entry, away: bool) -> tuple[str, str, str]:
    """What is unfinished and not in the queue any more was cancelled there, or emptied out with everything else."""
    job = entry.job
    if not job.in_queue and not away and job.state not in ("completed", "failed"):
        return ("pb-muted", "↻", "recurring") if job.type == "recurring" else ("pb-muted", "–", "taken out")
    return (*LOOKS.get(job.state, ("pb-muted", "?")), job.state)


def kind(entry: Entry) -> str:
    """What sort of job it is (its type, else its name) and how urgent: ``immediate · high``."""
    words = entry.job.type or entry.job.name or formatting.NONE
    return f"{words} · {priority(entry)}" if entry.job.priority else words


def priority(entry: Entry) -> str:
    """``high``, ``normal``, ``low``; a number that the backend does not use as it is."""
    known = entry.job.priority
    return PRIORITIES.get(known, str(known)) if known else formatting.NONE


def lead(entry: Entry) -> str:
    """The job's lead."""
    if entry.job.lead_id is None:
        return formatting.NONE
    words = formatting.lead_label(entry.job.lead_id, entry.lead_name)
    return f"{words} (deleted)" if entry.lead_gone else words


def link(entry: Entry) -> str:
    """Whether the job's call is tied to a lead, for a table's cell; and to which, where it is another one."""
    if entry.call is None:
        return "? no trace"
    if with_another(entry):
        return f"! lead {entry.call.lead_id}"
    return f"{story.STATE_MARKS[entry.call.state]} {LINKS[entry.call.state]}"


def with_another(entry: Entry) -> bool:
    """Whether the call is tied to another lead than the one that the job was made for."""
    held = entry.call.lead_id if entry.call is not None else None
    return held is not None and entry.job.lead_id is not None and held != entry.job.lead_id


def outcome(entry: Entry) -> str:
    """What became of it, for a table's cell: the failure, else the call, else how far dialling got."""
    failed = queue_failures.of(entry)
    if failed is not None and entry.job.state == "failed":
        return failed.short
    if failed is not None and entry.job.state in ("waiting", "delayed", "active"):
        return f"last try: {failed.short}"
    if entry.attempt is not None and (entry.attempt.state != "placed" or entry.attempt.link_problem):
        mark, words = ATTEMPTS[entry.attempt.state][1:]
        problem = entry.attempt.problem or entry.attempt.link_problem
        return f"{mark} {words}{f': {problem}' if problem else ''}"
    called = _called(entry)
    return f"{called} · an earlier try failed: {failed.short}" if failed is not None else called


def _called(entry: Entry) -> str:
    """The call as the carrier told it."""
    if entry.call is None or entry.call.status is None:
        return "placed" if entry.call_sid else ""
    length = f", {formatting.duration(entry.call.duration)}" if entry.call.duration else ""
    return f"call {formatting.words(entry.call.status, {})}{length}"


def seconds(value: float | None) -> str:
    """``0.4 s``, ``12 s``, ``3m 12s``."""
    if value is None:
        return formatting.NONE
    return f"{value:.1f} s" if value < 10 else formatting.duration(round(value))


def tries(entry: Entry) -> str:
    """``1 of 3``."""
    job = entry.job
    return f"{job.attempts_made} of {job.attempts_allowed}" if job.in_queue else str(job.attempts_made)


def explained(view: str, known: int | None, in_queue: int | None) -> str:
    """What a list holds, beside the search; of finished jobs also how many of them the queue still has.

    :param known: how many jobs were kept; ``in_queue``: how many the queue has. None where that is not known.
    """
    if view not in RETENTION or known is None or in_queue is None:
        return VIEW_HELP[view]
    still = min(in_queue, known)
    has = "all of them" if still == known and known else "none of them" if not still else f"{still:,} of them"
    return f"{VIEW_HELP[view]}; the queue itself still has {has} (it keeps them {RETENTION[view]})"


def when(entry: Entry, now: datetime) -> str:
    """When it was scheduled, or will be due."""
    if entry.job.due_at is not None:
        return f"due {formatting.relative(entry.job.due_at, now=now)}"
    return formatting.relative(entry.job.at, now=now)


def facts(entry: Entry, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """Label and value of everything that is known of a job."""
    job = entry.job
    yield "Job", f"{job.name or 'unnamed'}{f' · {job.type}' if job.type else ''}"
    yield "Scheduled", f"{formatting.relative(job.at)} · {formatting.exact(job.at, zone)}"
    if job.due_at is not None:
        yield "Due", f"{formatting.relative(job.due_at)} · {formatting.exact(job.due_at, zone)}"
    yield "To", formatting.phone(job.to)
    yield "Priority", priority(entry)
    yield "Tries", tries(entry)
    if job.processed_at is not None:
        yield "Taken", f"{formatting.exact(job.processed_at, zone)} · waited {seconds(entry.waited)}"
    if job.finished_at is not None:
        yield "Finished", f"{formatting.exact(job.finished_at, zone)} · worked {seconds(job.took)}"


def attempt_facts(entry: Entry, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """Label and value of the claim to dial for a job."""
    attempt = entry.attempt
    if attempt is None:
        return
    yield "Claimed", f"{formatting.exact(attempt.claimed_at, zone)} · {formatting.count(attempt.tries, 'time')}"
    if attempt.dialled_at is not None:
        yield "Dialled", formatting.exact(attempt.dialled_at, zone)
    if attempt.settled_at is not None:
        yield "Settled", formatting.exact(attempt.settled_at, zone)
    if attempt.problem:
        yield "Problem", attempt.problem
    if attempt.link_problem:
        yield "Not linked", attempt.link_problem
    yield "Claim", attempt.claim


def attempt_chip(entry: Entry) -> str:
    """How far dialling got, as a word with a mark and a colour."""
    if entry.attempt is None:
        return '<span class="pb-chip pb-muted">– no worker of Patchbay’s took it</span>'
    look, mark, words = ATTEMPTS[entry.attempt.state]
    return f'<span class="pb-chip {look}">{mark} {words}</span>'


def recurs(each: Recurring) -> str:
    """``every 24h 00m``, ``by the pattern 0 9 * * 1-5 (UTC)``."""
    if each.every:
        return f"every {formatting.duration(round(each.every / 1000))}"
    return f"by the pattern {each.pattern} (UTC)"


def next_time(each: Recurring, zone: ZoneInfo) -> str:
    """When it is dialled next."""
    if not each.next:
        return "not planned"
    at = datetime.fromtimestamp(each.next / 1000, UTC)
    due = "next" if at > datetime.now(UTC) else "was due"
    return f"{due} {formatting.relative(at)} · {formatting.exact(at, zone)}"


ACTION_WORDS: Mapping[Action, str] = {"retry": "Retry", "promote": "Do now", "cancel": "Cancel"}
ACTION_ICONS: Mapping[Action, str] = {
    "retry": ":material/replay:",
    "promote": ":material/fast_forward:",
    "cancel": ":material/cancel:",
}
TITLES: Mapping[Action, str] = {
    "retry": "Try this job again?",
    "promote": "Do this job now?",
    "cancel": "Cancel this job?",
}
BUTTONS: Mapping[Action, str] = {"retry": "Put it back", "promote": "Do it now", "cancel": "Cancel the job"}
DONE: Mapping[Action, str] = {
    "retry": "Job {job} is back in the queue.",
    "promote": "Job {job} is done as soon as a worker is free.",
    "cancel": "Job {job} is cancelled: nobody is called.",
}
BULK_WORDS: Mapping[Action, str] = {"retry": "Retry", "promote": "Do now", "cancel": "Cancel"}
BULK_WOULD: Mapping[Action, str] = {
    "retry": "would be put back into the queue, tries counted anew",
    "promote": "would be done as soon as a worker is free",
    "cancel": "would be taken out of the queue; nobody is called, and it cannot be taken back",
}
BULK_DONE: Mapping[Action, str] = {"retry": "put back", "promote": "to be done now", "cancel": "cancelled"}


def promise(entry: Entry, action: Action) -> str:
    """What doing it will do, as a sentence."""
    job = entry.job
    called = formatting.phone(job.to) if job.to else "the number in its data"
    whom = f"{called}{f' for lead {job.lead_id}' if job.lead_id is not None else ''}"
    if action == "retry":
        allowed = formatting.count(job.attempts_allowed, "try", "tries")
        return f"It goes back into the queue with {allowed}. A worker then calls {whom}."
    if action == "promote":
        later = f" instead of {formatting.relative(job.due_at)}" if job.due_at else ""
        return f"A worker calls {whom} as soon as it is free{later}."
    return f"It is taken out of the queue: {whom} is not called. This cannot be taken back; schedule a new call then."


def by_reason(reasons: Mapping[str, int]) -> str:
    """Why some jobs are left alone, as list items."""
    items = "".join(
        f"<li>{escape(formatting.count(number, 'job'))}: {escape(words)}</li>" for words, number in reasons.items()
    )
    return f'<ul class="pb-reasons pb-list">{items}</ul>'
