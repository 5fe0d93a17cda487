"""The stage strip of one call: job, Twilio, events, transcript, lead. Pure; says only what the rows show."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.linking.results import Stage, StageState
from core.model.records import Call, Lead, LinkEvent
from core.store.gateway import Row
from core.wording import count

FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Twilio's final call statuses."""
UNANSWERED = frozenset({"busy", "failed", "no-answer", "canceled"})
BROKEN_CAUSES = frozenset({"link_write_failed", "lead_deleted"})
"""Causes that say that something went wrong, rather than that nobody has linked the call."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the rows of one call say. ``cause`` and ``detail`` are those of an unlinked call, ``jobs`` rows of
    ``job_results`` whose result names the call, newest first.
    """

    call: Call
    ended: bool
    events: Sequence[Row]
    transcripts: Sequence[Row]
    lead: Lead | None
    history: Sequence[LinkEvent]
    cause: str | None
    detail: str | None
    jobs: Sequence[Row] = ()


def strip(known: Known) -> tuple[Stage, ...]:
    """The five stages in order. Twilio is not asked, and a job that nobody kept is forgotten: unknown is called so."""
    return (_job(known), _twilio(known), _events(known), _transcript(known), _lead(known))


def duration(seconds: int) -> str:
    """Seconds as people read them: ``42s``, ``3m 12s``, ``1h 02m``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


def _job(known: Known) -> Stage:
    if known.jobs:
        return _job_stage(known.jobs[0])
    if known.events and (known.call.direction or "").startswith("inbound") and _has_numbers(known.call):
        return Stage("job", "not_applicable", "An inbound call has no queue job.")
    return Stage("job", "unknown", "No job is known that dialled this call; the queue forgets its jobs after days.")


def _job_stage(job: Row) -> Stage:
    name = f"Job {job['job_id']}" + (f" ({job['name']})" if job.get("name") else "")
    made_for = f"for lead {job['lead_id']}" if job.get("lead_id") is not None else "without a lead"
    tries = f" in {job['attempts']} attempts" if (job.get("attempts") or 0) > 1 else ""
    state: StageState = "ok" if job["state"] in ("completed", "active") else "failed"
    ended = "dialled it" if state == "ok" else f"dialled it and is {job['state']}"
    return Stage("job", state, f"{name} {ended} {made_for}{tries}.")


def _twilio(known: Known) -> Stage:
    call = known.call
    status = (call.status or "").lower()
    if not known.events:
        return Stage("twilio", "unknown", "No status of this call is stored, and Twilio itself was not asked.")
    lasted = f", {duration(call.duration)}" if call.duration else ""
    if status == "failed":
        return Stage("twilio", "failed", "Twilio reported that the call failed.")
    if status in FINAL:
        return Stage("twilio", "ok", f"Twilio reported {status}{lasted}.")
    if known.ended:
        return Stage("twilio", "ok", f"The last status is {status or 'unknown'}, but the call ended{lasted}.")
    return Stage("twilio", "unknown", f"The last status is {status or 'unknown'}; no final one has arrived.")


def _events(known: Known) -> Stage:
    stored = len(known.events)
    if not stored:
        return Stage("events", "missing", "No row in call_events: no callback of this call was saved.")
    rows = count(stored, "row")
    if not _has_numbers(known.call):
        return Stage("events", "failed", f"{rows} in call_events, none with a phone number.")
    more = "" if stored == 1 else ": the backend keeps one row per call, so these are duplicates"
    return Stage("events", "ok", f"{rows} in call_events{more}.")


def _transcript(known: Known) -> Stage:
    turns = len(known.transcripts)
    if turns:
        return Stage("transcript", "ok", f"{count(turns, 'turn')}.")
    status = (known.call.status or "").lower()
    if status in UNANSWERED:
        return Stage("transcript", "not_applicable", f"Nobody spoke: the call ended as {status}.")
    if status in FINAL or known.ended:
        lasted = f" although the call lasted {duration(known.call.duration)}" if known.call.duration else ""
        return Stage("transcript", "missing", f"No transcript{lasted}. A call that only plays a message has none.")
    return Stage("transcript", "unknown", "No transcript so far; whether the call has ended is not known.")


def _lead(known: Known) -> Stage:
    call = known.call
    if call.lead_id is not None:
        if known.lead is None:
            return Stage("lead", "failed", f"Linked to lead {call.lead_id}, which does not exist any more.")
        called = f" ({known.lead.name})" if known.lead.name else ""
        rank = "its current call" if call.state == "current" else "part of its history"
        return Stage("lead", "ok", f"Linked to lead {call.lead_id}{called} as {rank}.")
    if call.set_aside:
        return Stage("lead", "not_applicable", _set_aside(known.history))
    state: StageState = (
        "failed" if known.cause in BROKEN_CAUSES else "unknown" if known.cause == "pending" else "missing"
    )
    return Stage("lead", state, f"Not linked. {known.detail}" if known.detail else "Not linked.")


def _set_aside(history: Sequence[LinkEvent]) -> str:
    event = next((e for e in history if e.after.get("set_aside") and not e.before.get("set_aside")), None)
    if event is None:
        return "Set aside."
    return f"Set aside by {event.actor}: {event.reason}" if event.reason else f"Set aside by {event.actor}."


def _has_numbers(call: Call) -> bool:
    return bool((call.from_number or "").strip() or (call.to_number or "").strip())
