"""Test calls on the screen: what can be called, how a call goes on, and what came of earlier ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from core import app as console
from core.errors import PatchbayError
from core.model import phone
from core.store.gateway import Order, Where
from core.telephony import TestCall, TestCalls, TestStage, Watched
from core.telephony.simulator import LOST, REFUSED, SILENT, THROTTLED
from dashboard import formatting, identity, reads

MOST_LEADS = 30
MOST_EARLIER = 25
STAGE_LOOKS = {
    "green": ("pb-ok", "✓", "done"),
    "waiting": ("pb-wait", "○", "waiting"),
    "red": ("pb-bad", "✗", "failed"),
    "skipped": ("pb-muted", "·", "not part of it"),
}
MAGIC_WORDS = {
    "+15005550007": "busy",
    "+15005550008": "nobody answers",
    "+15005550009": "the call fails",
    SILENT: "answered, nothing is said",
    **{number: f"refused, Twilio error {code}" for number, code in REFUSED.items()},
    THROTTLED: "too many requests",
    LOST: "the answer to dialling is lost",
}
"""What the simulated carrier plays for its own numbers."""
VIA_WORDS = {"direct": "Dial at once", "queue": "Through the queue"}
ALLOW = "TEST_CALL_ALLOWLIST=+14155550123,+14155550124"


@dataclass(frozen=True, slots=True)
class Number:
    """A number that may be called.

    :ivar leads: ids and names of the leads that have it.
    """

    e164: str
    words: str
    leads: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier test call with what came of it; ``watched`` is None where that could not be read."""

    call: TestCall
    watched: Watched | None


def service() -> TestCalls:
    """Test calls for the signed-in person."""
    return console.shared().test_calls.acting_as(identity.current_actor())


def simulated() -> bool:
    """Whether calls are played by the built-in carrier."""
    return console.shared().telephony.simulated


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def numbers() -> list[Number]:
    """The numbers that may be called: the allow list's; simulated without one, demo leads' and the simulator's own."""
    allowed = console.shared().test_calls.allowed()
    if allowed:
        return [_allowed(number) for number in sorted(allowed)]
    if console.shared().settings.test_call_allowlist or not simulated():
        return []
    theirs = _of_demo_leads() if reads.is_demo() else []
    magic = [Number(number, f"{formatting.phone(number)} · plays: {words}") for number, words in MAGIC_WORDS.items()]
    return [*theirs, *magic]


def leads_of(number: str) -> tuple[tuple[int, str], ...]:
    """Ids and names of the leads whose phone this is."""
    region = console.shared().settings.default_region
    hits = reads.search(number).leads
    same = (hit for hit in hits if phone.normalise(hit.phone or "", region).e164 == number)
    return tuple((hit.id, formatting.lead_label(hit.id, hit.name)) for hit in same)


@st.cache_data(ttl=3, max_entries=4, show_spinner=False)
def earlier() -> list[Earlier]:
    """The newest test calls, newest first."""
    return [Earlier(call, _watched(call.id)) for call in console.shared().test_calls.recent(MOST_EARLIER)]


def said(call_sid: str) -> list[dict[str, Any]]:
    """What was said so far."""
    return console.shared().transcripts.find_by_call_sid(call_sid)


def clear() -> None:
    """Forget what was read: a test call was placed or is over."""
    earlier.clear()
    reads.clear()


def _watched(test_id: int) -> Watched | None:
    try:
        return console.shared().test_calls.watch(test_id)
    except PatchbayError:
        return None


def _allowed(number: str) -> Number:
    leads = leads_of(number)
    whose = f" · {leads[0][1]}" if len(leads) == 1 else f" · {len(leads)} leads" if leads else ""
    return Number(number, f"{formatting.phone(number)}{whose}", leads)


def _of_demo_leads() -> list[Number]:
    """Leads with an empty slot first: there the link is best seen."""
    gateway, region = console.shared().gateway, console.shared().settings.default_region
    found: dict[str, Number] = {}
    for empty in (Where("call_sid", "is_null"), Where("call_sid", "not_null")):
        where = (empty, Where("phone", "prefix", "+"))
        columns = ("id", "name", "phone")
        for row in gateway.select("leads", columns=columns, where=where, order=(Order("id"),), limit=MOST_LEADS):
            number = phone.normalise(row["phone"], region).e164
            if number is None or len(found) >= MOST_LEADS:
                continue
            label = formatting.lead_label(row["id"], row["name"])
            known = found.get(number)
            leads = (*(known.leads if known else ()), (row["id"], label))
            found[number] = Number(number, f"{formatting.phone(number)} · {leads[0][1]}", leads)
    return list(found.values())


# Words ----------------------------------------------------------------------------------------------------------------


def strip(watched: Watched, zone: ZoneInfo) -> str:
    """The stages as a strip, each with its time; a red one with cause and remedy."""
    waiting = next((stage.stage for stage in watched.stages if stage.state == "waiting"), None)
    items, broken = "", False
    for stage in watched.stages:
        skipped = "not reached" if broken else "not part of it"
        items += _stage(stage, watched.call.at, zone, is_next=stage.stage == waiting, skipped=skipped)
        broken = broken or stage.state == "red"
    return f'<ol class="pb-stages pb-tall" aria-label="Stages of the test call">{items}</ol>'


def _stage(stage: TestStage, began: datetime, zone: ZoneInfo, *, is_next: bool, skipped: str) -> str:
    look, mark, word = STAGE_LOOKS[stage.state]
    said = skipped if stage.state == "skipped" else word
    head = f'<b>{escape(stage.title)} <span class="{look}">{mark} {said}</span></b>'
    lines = []
    if stage.at is not None:
        exact = escape(formatting.exact(stage.at, zone))
        since = max((stage.at - began).total_seconds(), 0.0)
        lines.append(f'<span title="{exact}">{stage.at.astimezone(zone):%H:%M:%S} · after {since:.1f} s</span>')
    if stage.cause and (stage.state in ("red", "skipped") or is_next):
        lines.append(escape(stage.cause))
    if stage.remedy and stage.state == "red":
        lines.append(f"<b>What to do:</b> {escape(stage.remedy)}")
    return f'<li class="{look}">{head}{"<br>".join(lines)}</li>'


def verdict(watched: Watched) -> tuple[str, str, str]:
    """Look, mark and sentence of how a test call went or goes."""
    broken = next((stage for stage in watched.stages if stage.state == "red"), None)
    if broken is not None:
        return "pb-bad", "✗", f"It broke at “{broken.title}”: {broken.cause or 'no cause is known'}"
    if not watched.over:
        waiting = next((stage for stage in watched.stages if stage.state == "waiting"), None)
        return "pb-wait", "○", (waiting.cause if waiting else None) or "The call goes on until somebody hangs up."
    linked = any(stage.stage == "linked" and stage.state == "green" for stage in watched.stages)
    what = f"linked to lead {watched.call.lead_id}" if linked else "no lead was chosen"
    return "pb-ok", "✓", f"Every stage worked, {what}{_took(watched)}"


def _took(watched: Watched) -> str:
    times = [stage.at for stage in watched.stages if stage.at is not None]
    return f", {(max(times) - watched.call.at).total_seconds():.1f} s after the click" if times else ""


def result(each: Earlier) -> str:
    """How an earlier test call went, for a table's cell."""
    if each.watched is None:
        return "? could not be read"
    _, mark, words = verdict(each.watched)
    return f"{mark} {words}"


def facts(call: TestCall, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """Label and value of a test call."""
    yield "Called", formatting.phone(call.to)
    how = "through the queue" if call.via == "queue" else "dialled at once"
    yield "How", f"{how}, {'played by the simulated carrier' if call.simulated else 'by Twilio'}"
    yield "Placed", f"{formatting.exact(call.at, zone)} by {call.actor}"
    if call.call_sid:
        yield "Call", call.call_sid
    if call.job_id:
        yield "Job", call.job_id
    if call.problem_code:
        yield "Twilio’s error", str(call.problem_code)


def lead_words(call: TestCall, zone: ZoneInfo) -> str | None:
    """What becomes of the lead's slot, status and notes."""
    if call.lead_id is None:
        return None
    if call.keep:
        slot = "gets its current call back" if call.restored_at is None else "got its current call back"
        return (
            f"Lead {call.lead_id} keeps what the call wrote (status, time of contact, note) and {slot}; the link stays."
        )
    if call.restored_at is not None:
        at = f"{call.restored_at.astimezone(zone):%H:%M:%S}"
        return f"Lead {call.lead_id} got back its slot, status, time of contact and notes at {at}; the link stays."
    return (
        f"When it is over, lead {call.lead_id} gets back its slot, status, time of contact and notes; the link stays."
    )


def rows(found: Sequence[Earlier], zone: ZoneInfo) -> list[dict[str, str]]:
    """Earlier test calls as rows of words."""
    now = datetime.now(UTC)
    return [
        {
            "when": formatting.relative(each.call.at, now=now),
            "result": result(each),
            "to": formatting.phone(each.call.to),
            "lead": formatting.lead_label(each.call.lead_id) if each.call.lead_id is not None else "",
            "via": "queue" if each.call.via == "queue" else "direct",
            "carrier": "simulated" if each.call.simulated else "Twilio",
            "call": formatting.short_sid(each.call.call_sid) if each.call.call_sid else "",
            "who": formatting.clip(each.call.actor, 40),
            "time": formatting.clock(each.call.at, zone, now=now),
        }
        for each in found
    ]
