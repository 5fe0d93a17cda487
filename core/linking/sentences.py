"""Causes and reasons as sentences, made when read: the rows they speak of are read now, so nothing is copied or stale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.model import causes, evidence
from core.model.records import Call, Lead
from core.settings import Settings
from core.store.gateway import Gateway

MOST_IDS = 500
"""Leads read at once: PostgREST cuts silently at 1000 rows."""


@dataclass(frozen=True, slots=True)
class Told:
    """For each call's SID its cause as a sentence, and its best candidate's strongest reason."""

    details: Mapping[str, str]
    reasons: Mapping[str, str]


def cause_now(call: Call, now: datetime, grace_seconds: int) -> str | None:
    """The cause that holds now: ``pending`` while an unlinked call is younger than the grace period."""
    if call.lead_id is not None:
        return None
    if not call.set_aside and call.started_at > now - timedelta(seconds=grace_seconds):
        return "pending"
    return call.cause


def about(gateway: Gateway, calls: Sequence[Call], settings: Settings) -> Told:
    """The sentences of some calls; one read for all leads that they name."""
    named = {lead_id for call in calls for lead_id in call.cause_leads}
    named |= {call.best_lead_id for call in calls if call.best_lead_id is not None}
    leads = _leads(gateway, sorted(named))
    raise NotImplementedError


def _leads(gateway: Gateway, ids: Sequence[int]) -> dict[int, Lead]:
    found: dict[int, Lead] = {}
    for start in range(0, len(ids), MOST_IDS):
        rows = gateway.select("leads_by_ids", args={"p_ids": list(ids[start : start + MOST_IDS])})
        found.update({row["id"]: Lead.from_row(row) for row in rows})
    return found
