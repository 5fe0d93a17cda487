"""Causes and reasons as sentences, made when read: from the rows as they are now, so nothing is copied or stale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.linking import matching
from core.model import causes, evidence, suspects
from core.model.records import Call, Lead
from core.settings import Settings
from core.store.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Told:
    """For each call's SID its cause as a sentence, and its best candidate's strongest reason."""

    details: Mapping[str, str]
    reasons: Mapping[str, str]


def cause_now(call: Call, now: datetime, grace_seconds: int) -> str | None:
    """The cause that holds now: ``pending`` while an unlinked call is younger than the grace period."""
    if call.lead_id is not None:
        return None
    if not call.set_aside and causes.is_pending(call.started_at, now, grace_seconds):
        return "pending"
    return call.cause


def as_of(call: Call, now: datetime, grace_seconds: int) -> Call:
    """The call with the cause that holds now."""
    cause = cause_now(call, now, grace_seconds)
    return call if cause == call.cause else replace(call, cause=cause)


def about(gateway: Gateway, calls: Sequence[Call], settings: Settings) -> Told:
    """The sentences of some calls, by the cause that each of them carries; at most one read for the leads they name."""
    leads = {lead.id: lead for call in calls if (lead := _best_lead(call)) is not None}
    leads.update((lead.id, lead) for call in calls for lead in call.named_leads or ())
    asking = [call for call in calls if call.named_leads is None]
    named = {lead_id for call in asking for lead_id in (*call.cause_leads, call.best_lead_id) if lead_id is not None}
    named |= {call.lead_id for call in asking if call.suspect and call.lead_id is not None}
    leads.update(matching.leads_by_ids(gateway, named - leads.keys()))
    region, grace = settings.default_region, settings.link_grace_seconds
    details = {call.call_sid: causes.sentence(call.cause, call, leads, region, grace) for call in calls if call.cause}
    details |= {call.call_sid: suspects.sentence(call, leads) for call in calls if call.suspect and call.lead_id}
    reasons = {call.call_sid: reason for call in calls if (reason := _reason(call, leads))}
    return Told(details, reasons)


def of_view(view: str, calls: Sequence[Call], now: datetime) -> dict[str, str]:
    """Why calls are in one of the worklists that are not about a cause, by SID; {} for the others."""
    if view == "stuck":
        return {call.call_sid: _stuck(call, now) for call in calls}
    return {call.call_sid: _dangling(call) for call in calls} if view == "dangling" else {}


def _stuck(call: Call, now: datetime) -> str:
    status = f"Its status is still “{call.status}”"
    if call.duration:
        return f"{status}, although it lasted {call.duration} s."
    hours = int((now - call.started_at).total_seconds() // 3600)
    return f"{status}, {hours} hours after it started." if hours >= 4 else f"{status}, although it has a recording."


def _dangling(call: Call) -> str:
    who = causes.named(call.lead_id, Lead(call.lead_id, call.lead_name)) if call.lead_id is not None else "A lead"
    return f"{who} names this call, and no event row or transcript knows it."


def _best_lead(call: Call) -> Lead | None:
    """The best candidate as the call's row brings it: all that sentences speak of. None where it may be gone."""
    if call.best_lead_id is None or (call.best_lead_name is None and call.best_lead_phone is None):
        return None
    return Lead(id=call.best_lead_id, name=call.best_lead_name, phone=call.best_lead_phone)


def _reason(call: Call, leads: Mapping[int, Lead]) -> str | None:
    """The best candidate's strongest reason; None where there is no candidate or it is gone meanwhile."""
    lead = leads.get(call.best_lead_id) if call.best_lead_id is not None else None
    kind = call.best_evidence
    if lead is None or kind is None or kind not in evidence.FOR:
        return None
    return evidence.reason(kind, lead, call.counterpart)
