"""Facts as words for people. Pure: no Streamlit, no clock of its own, no database."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers

from core.model.phone import WITHHELD_NUMBERS
from core.model.records import LinkEvent
from core.wording import count as count  # pages say formatting.count

NONE = "–"
"""Shown where there is no value."""

CAUSE_WORDS: Mapping[str, str] = {
    "pending": "pending",
    "unlinked_by_hand": "unlinked by hand",
    "link_write_failed": "link write failed",
    "lead_deleted": "lead deleted",
    "no_numbers": "no numbers",
    "own_numbers_only": "own numbers only",
    "withheld_caller": "withheld caller",
    "several_leads": "several leads",
    "missed_match": "missed match",
    "format_mismatch": "format mismatch",
    "no_matching_lead": "no matching lead",
    "unknown": "unknown",
}
"""The causes in the order in which they are decided, as they are written on every screen."""

SUSPECT_WORDS: Mapping[str, str] = {
    "contradicted": "proof names another",
    "other_lead": "another lead's number",
    "overruled": "overruled",
    "unknown_number": "nobody's number",
    "voice_disagrees": "another name said",
}
"""Why a link is suspect, the worst first."""

CONFLICT_WORDS: Mapping[str, str] = {
    "contradicting_event_rows": "contradicting rows",
    "duplicate_event_rows": "duplicate rows",
    "sid_variant": "SID variants",
    "two_leads_claim": "two leads claim",
    "rejected_link": "rejected link",
    "missing_constraint": "missing constraint",
}
"""The kinds of conflict, as they are written on every screen."""

REMEDY_WORDS: Mapping[str, str] = {
    "choose_row": "choose the row that holds",
    "merge_rows": "merge the rows",
    "normalise_sid": "write the SID in one way",
    "choose_lead": "choose the lead",
    "add_constraint": "add the constraint",
}

STATE_WORDS: Mapping[str, str] = {
    "current": "linked, current call",
    "history": "linked, history",
    "unlinked": "unlinked",
    "set_aside": "set aside",
}


def words(key: str | None, table: Mapping[str, str] = CAUSE_WORDS) -> str:
    """The words for a key of the database; an unknown key is shown as it is, without underscores."""
    if not key:
        return NONE
    return table.get(key, key.replace("_", " "))


def sentence(text: str) -> str:
    """``text`` with its first letter in upper case, unless it begins with a name such as ``leads.phone``."""
    first, _, _ = text.partition(" ")
    return text if "." in first[:-1] or "_" in first else text[:1].upper() + text[1:]


def short_sid(call_sid: str) -> str:
    """``CA3f…9c1e`` for tables; what is no longer than that stays whole."""
    return call_sid if len(call_sid) <= 12 else f"{call_sid[:4]}…{call_sid[-4:]}"


_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-!|<>~:$&])")


def plain(text: str) -> str:
    """Free text for a place that renders Markdown: nothing in it is formatted, linked or loaded."""
    return _MARKUP.sub(r"\\\1", text)


_SPACES = str.maketrans({" ": "␣", "\t": "⇥", "\n": "⏎", "\r": "⏎", "\u00a0": "⍽"})


def visible(text: str) -> str:
    """``text`` with signs for its white space: where two texts differ in nothing else, it must be seen."""
    return text.translate(_SPACES)


def clip(text: str, limit: int = 80) -> str:
    """``text`` on one line, cut at ``limit`` characters with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def duration(seconds: int | None) -> str:
    """``3m 12s``, ``48s``, ``1h 04m``; a dash when unknown."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(max(seconds, 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


def phone(number: str | None) -> str:
    """An E.164 number in international format, ``withheld`` for the digits that mean so; anything else as given."""
    if not number:
        return NONE
    if number in WITHHELD_NUMBERS:
        return "withheld"
    if not number.startswith("+"):
        return clip(number, 40)
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return clip(number, 40)
    shown = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return shown.replace("-", " ")


def zone_of(name: str | None) -> ZoneInfo:
    """The viewer's time zone, UTC when the browser names none that is known."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def exact(moment: datetime | None, zone: ZoneInfo) -> str:
    """``21 Nov 2026, 14:05:09 CET``: the exact time with its zone."""
    if moment is None:
        return NONE
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def clock(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """``14:05:09`` today, ``21 Nov 14:05`` on other days, with the year when it is another one."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    year = "" if local.year == today.year else f"{local:%Y }"
    return f"{local.day} {local:%b} {year}{local:%H:%M}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """``21 Nov 14:05:09``: to the second, for what happens within one call."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %H:%M:%S}"


def relative(moment: datetime | None, *, now: datetime | None = None) -> str:
    """``12 min ago``, ``3 d ago``, ``in 5 min``; for ages over 60 days months are counted."""
    if moment is None:
        return NONE
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    size = _size(abs(seconds))
    if size is None:
        return "just now"
    return f"{size} ago" if seconds > 0 else f"in {size}"


def _size(seconds: float) -> str | None:
    for limit, unit, name in ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (5_184_000, 86_400, "d")):
        if seconds < limit:
            return None if name == "s" and seconds < 5 else f"{int(seconds // unit)} {name}"
    months = round(seconds / 2_629_746)
    return f"{months} months" if months < 24 else f"{months // 12} years"


def age(moment: datetime | None, *, now: datetime | None = None) -> str:
    """How long ago, without the word: ``3 d``."""
    if moment is None:
        return NONE
    return _size(max(((now or datetime.now(UTC)) - moment).total_seconds(), 1)) or "0 min"


def direction(raw: str | None) -> str:
    """Arrow and word: ``← in`` for calls to us, ``→ out`` for ours."""
    if not raw:
        return NONE
    return "← in" if raw.startswith("inbound") else "→ out"


def direction_words(raw: str | None) -> str:
    """``Inbound`` or ``Outbound``."""
    if not raw:
        return "Direction unknown"
    return "Inbound" if raw.startswith("inbound") else "Outbound"


def share(part: int, whole: int) -> str:
    """``93.1 %``; a dash when there is nothing to divide by."""
    return f"{100 * part / whole:.1f} %" if whole else NONE


def lead_label(lead_id: int | None, name: str | None = None) -> str:
    """``Lead 212 · Dana Whitfield``; a dash for no lead."""
    if lead_id is None:
        return NONE
    return f"Lead {lead_id} · {clip(name, 40)}" if name and name.strip() else f"Lead {lead_id}"


def cell(value: Any) -> str:
    """A cell of a raw row as text: nothing for null, everything else as Python prints it, clipped."""
    return "" if value is None else clip(str(value), 200)


def event_words(event: LinkEvent) -> str:
    """What a link event did to its call, without who and when: ``linked to lead 212 as its current call``."""
    was, now, lead_id = event.before.get("call_lead"), event.after.get("call_lead"), event.lead_id
    match event.action:
        case "link":
            return f"linked to lead {now}{_as_what(event)}"
        case "create_lead":
            return f"linked to lead {now}, which was made from it"
        case "baseline":
            return f"found linked to lead {now} at installation"
        case "make_current":
            return f"made the current call of lead {lead_id}"
        case "unlink":
            return f"unlinked from lead {was}"
        case "relink" | "move":
            return f"moved from lead {was} to lead {now}{_as_what(event)}"
        case "set_aside":
            return "set aside"
        case "restore":
            return "put back on the worklist"
        case "claim":
            return f"also written into lead {lead_id}, while lead {now} keeps it"
        case "unclaim":
            return f"taken out of lead {lead_id} again, while lead {now} keeps it"
        case "lead_deleted":
            return f"unlinked, because lead {lead_id} was deleted"
        case "merge_rows":
            return "event rows merged into one"
        case "repair":
            return "filled with what Twilio knows of it"
        case "finish_test_call":
            had = "what" if event.after.get("rows") else "the current call that"
            return f"ended as a test call: lead {lead_id} has {had} it had before"
        case "normalise_sid":
            return f"linked to lead {now}, written as Twilio writes it" if now else "given up for its standard SID"
        case "confirm":
            return f"confirmed as a call of lead {now}"
        case "set_phone":
            return f"phone of lead {lead_id} changed"
        case "undo":
            return f"change {event.undoes} undone: {outcome_words(event)}"
    return words(event.action, {})


def outcome_words(event: LinkEvent) -> str:
    """How an event leaves its call: ``linked to lead 212 as its current call``, ``unlinked``, ``set aside``."""
    if event.call_sid is None:
        return f"lead {event.lead_id} is as it was"
    if event.after.get("rows") and event.after.get("call_lead") == event.before.get("call_lead"):
        return "rows as they were"
    lead_id = event.after.get("call_lead")
    if lead_id is not None:
        return f"linked to lead {lead_id}{_as_what(event)}"
    return "set aside" if event.after.get("set_aside") else "unlinked"


def _as_what(event: LinkEvent) -> str:
    slots = event.after.get("leads") or {}
    current = slots.get(str(event.after.get("call_lead")))
    if current == event.call_sid:
        return " as its current call"
    return "" if event.source == "outside" else " as history"


def actor_words(event: LinkEvent) -> str:
    """Who did it: a person by name, another program said to be one."""
    match event.source:
        case "baseline":
            return "installation"
        case "outside":
            return f"another program ({event.actor})"
        case "worker" | "automatic":
            return f"{event.source} link ({event.actor})"
    return event.actor
