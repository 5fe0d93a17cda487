"""What triage remembers of one person's pass: where they came from, what they did, what they passed over today.

What changed a call stands in the ledger. A call that was only passed over changed nothing: the server remembers it for
the day, so that a reload forgets neither it nor how many calls the pass began with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast

import streamlit as st

from core.linking import Story
from core.model.records import LinkEvent
from dashboard import state

_PASS, _ASKED, _AHEAD, _SEEN = "triage.pass", "triage.asked", "triage.ahead", "triage.seen"
MOST_REMEMBERED = 500
StatusChoice: TypeAlias = Literal["keep", "contacted"]
"""What becomes of the status ``new`` of a lead that a call is linked to."""
END = "end"
"""In the address in place of a call: the pass is over."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One step that Undo takes back. ``event_id`` is None for a call that was passed over."""

    call_sid: str
    event_id: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Pass:
    """One person's way through one filtered worklist.

    :ivar key: which filters; other filters are another pass.
    :ivar total: how many calls it began with.
    :ivar came_from: the calls before this one, for Back.
    :ivar following: a call and the one that should come after it; when it does not, somebody else finished it.
    :ivar shown: which candidate is in front.
    :ivar asks_reason: the reasons for setting aside are offered.
    :ivar lists_work: today's work is listed.
    :ivar status: what becomes of the status of leads that the backend's automation would dial; None: not chosen yet.
    :ivar asks_status: accepting waits for that choice.
    :ivar offer: the lead whose number may be stored after the last link: its id and the number.
    :ivar last: what the last step did, in words.
    """

    key: str
    total: int = 0
    came_from: tuple[str, ...] = ()
    deeds: tuple[Deed, ...] = ()
    notes: tuple[str, ...] = ()
    following: tuple[str, str] | None = None
    shown: int = 0
    asks_reason: bool = False
    lists_work: bool = False
    status: StatusChoice | None = None
    asks_status: bool = False
    offer: tuple[int, str] | None = None
    last: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a key or button asked for; the next run does it."""

    what: str
    value: str | int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the screen says that accepting does."""

    call_sid: str
    lead_id: int
    event: LinkEvent


@dataclass(frozen=True, slots=True)
class Ahead:
    """The next call's story, read while a person looks at this one."""

    told: Story
    read_at: datetime


@dataclass(slots=True)
class Memory:
    """What the server remembers of one person for a day: calls passed over, and the sizes of passes."""

    skipped: dict[str, datetime] = field(default_factory=dict)
    totals: dict[str, tuple[int, datetime]] = field(default_factory=dict)


@st.cache_resource(show_spinner=False)
def _memories() -> dict[str, Memory]:
    return {}


def memory(actor: str) -> Memory:
    """What is remembered of this person."""
    known = _memories()
    if actor not in known and len(known) >= MOST_REMEMBERED:
        known.pop(next(iter(known)))
    return known.setdefault(actor, Memory())


def skipped_since(actor: str, since: datetime) -> list[tuple[str, datetime]]:
    """The calls that a person passed over since a moment, the newest first."""
    found = [(sid, at) for sid, at in memory(actor).skipped.items() if at >= since]
    return sorted(found, key=lambda each: each[1], reverse=True)


def note_skip(actor: str, call_sid: str) -> datetime:
    """A call was passed over; returns when."""
    known, now = memory(actor).skipped, datetime.now(UTC)
    known.pop(call_sid, None)
    known[call_sid] = now
    while len(known) > MOST_REMEMBERED:
        known.pop(next(iter(known)))
    return now


def forget_skip(actor: str, call_sid: str) -> None:
    """It was not passed over after all."""
    memory(actor).skipped.pop(call_sid, None)


def begin(actor: str, key: str, left: int, since: datetime, *, at_the_top: bool) -> Pass:
    """The pass through these filters: the one of this session, else with the size it had when it was begun today.

    :param left: how many calls are left from the place where it begins.
    :param at_the_top: it starts with the newest call: a new pass, but Undo still knows the deeds of the one before.
    """
    now = cast(Pass | None, state.value(_PASS))
    if at_the_top:
        return Pass(key, left, deeds=now.deeds if now is not None else ())
    if now is not None and now.key == key:
        return now
    total, at = memory(actor).totals.get(key, (0, since))
    return Pass(key, max(left, total if at >= since else 0))


def keep(actor: str, walk: Pass) -> Pass:
    """Remember a pass."""
    state.set_value(_PASS, walk)
    totals = memory(actor).totals
    totals[walk.key] = (walk.total, datetime.now(UTC))
    while len(totals) > MOST_REMEMBERED:
        totals.pop(next(iter(totals)))
    return walk


def begin_anew(actor: str, key: str) -> None:
    """Forget the pass through these filters."""
    memory(actor).totals.pop(key, None)
    state.set_value(_PASS, None)


def ask(what: str, value: str | int | None = None) -> None:
    """Ask for a step in the next run. Serves as ``on_click``."""
    state.set_value(_ASKED, Asked(what, value))


def take() -> Asked | None:
    """What was asked for; told once."""
    asked = cast(Asked | None, state.value(_ASKED))
    state.set_value(_ASKED, None)
    return asked


def note_seen(seen: Seen | None) -> None:
    """Keep what is shown, so that exactly this is what gets accepted."""
    state.set_value(_SEEN, seen)


def seen(call_sid: str, lead_id: int) -> LinkEvent | None:
    """What was shown for this pair, or None."""
    kept = cast(Seen | None, state.value(_SEEN))
    return kept.event if kept is not None and (kept.call_sid, kept.lead_id) == (call_sid, lead_id) else None


def look_ahead(told: Story | None) -> None:
    """Keep the next call's story."""
    state.set_value(_AHEAD, None if told is None else Ahead(told, datetime.now(UTC)))


def ahead(call_sid: str, seconds: float) -> Story | None:
    """The story that was read ahead, if it is this call's and not older than this."""
    kept = cast(Ahead | None, state.value(_AHEAD))
    if kept is None or kept.told.call_sid != call_sid:
        return None
    return kept.told if (datetime.now(UTC) - kept.read_at).total_seconds() <= seconds else None


def done(walk: Pass, event: LinkEvent) -> Pass:
    """The pass with one more deed."""
    if event.id is None:
        return walk
    deed = Deed(event.call_sid or "", event.id, datetime.now(UTC))
    return replace(walk, deeds=(*walk.deeds, deed)[-MOST_REMEMBERED:])


def facts(values: Mapping[str, Any]) -> str:
    """A key for filters."""
    return repr(sorted((name, str(value)) for name, value in values.items()))
