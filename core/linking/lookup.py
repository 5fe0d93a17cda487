"""From whatever a person pastes to the call that is meant, and everything that is known about it."""

import re
from collections.abc import Sequence
from datetime import datetime

from core.errors import BadInput, NotFound
from core.linking import fields, matching, own_numbers, ruled_numbers, sentences, stages
from core.linking.results import Story
from core.linking.worklist import NEWEST_FIRST
from core.model import call_sid as sids
from core.model import phone
from core.model.number_rules import NumberRule
from core.model.records import Call, Lead, LinkEvent
from core.model.rows import all_in_utc, in_utc
from core.settings import Settings
from core.store.gateway import AnyOf, Gateway, Row, Where

MOST_MATCHES = 25
MOST_SIDS = 20
"""So many SIDs of one paste are looked up."""
FEWEST_CHARACTERS = 3
"""A shorter part of a SID tells no calls apart."""


def find(gateway: Gateway, text: object, region: str) -> tuple[list[Call], bool]:
    """The calls that a text may mean, newest first, and whether there are more of them.

    :raises BadInput: when the text is empty, or too long to mean a call and contains no SID.
    :raises NotFound: when nothing matches.
    """
    wanted, named = understood(text)
    if named:
        return _named(gateway, named), False
    numbered = by_number(gateway, wanted, region)
    # A number with its plus is no part of a SID; looking for one would go through every call.
    parts = [] if numbered and wanted.startswith("+") else _by_part(gateway, wanted)
    rows = {row["call_sid"]: row for row in [*parts, *numbered]}
    if not rows:
        raise NotFound(f"No call matches {fields.shown(wanted)}.", hint=fields.LOOKUP_EXPECTED)
    newest = sorted(rows.values(), key=lambda row: (row["started_at"], row["call_sid"]), reverse=True)
    return [Call.from_row(row) for row in newest[:MOST_MATCHES]], len(newest) > MOST_MATCHES


def understood(text: object) -> tuple[str, list[str]]:
    """The text to look for, cleaned, and the whole Call SIDs that stand in it; looks nothing up.

    :raises BadInput: as :func:`find`.
    """
    wanted = fields.lookup_text(text)
    named = sids.find(wanted)[:MOST_SIDS]
    if not named and len(wanted) > sids.LONGEST:
        raise BadInput(f"No Call SID stands in this text of {len(wanted)} characters.", hint=fields.LOOKUP_EXPECTED)
    return wanted, named


def one(gateway: Gateway, call_sid: str) -> Call:
    """The call with exactly this SID.

    :raises NotFound: when there is none.
    """
    rows = gateway.select("call_links", where=(Where("call_sid", "eq", call_sid),), limit=1)
    if not rows:
        raise _no_call(call_sid)
    return Call.from_row(rows[0])


def story(gateway: Gateway, call_sid: str, settings: Settings, now: datetime) -> Story:
    """Everything about the call with exactly this SID.

    :param now: the time at which ``pending`` is judged.
    :raises NotFound: when there is no such call.
    """
    told = gateway.call("call_page", p_call_sid=call_sid)
    if not told or not told.get("call"):
        raise _no_call(call_sid)
    return _story(gateway, told, settings, now)


def whole(gateway: Gateway, call_sid: str, settings: Settings, now: datetime) -> Story | None:
    """The story of the one call that a whole SID names; None where no call, or several, are written like it."""
    told = gateway.call("call_page", p_call_sid=call_sid)
    if not told or not told.get("call") or told["alike"] != 1:
        return None
    return _story(gateway, told, settings, now)


def _story(gateway: Gateway, told: Row, settings: Settings, now: datetime) -> Story:
    call = sentences.as_of(Call.from_row(told["call"]), now, settings.link_grace_seconds)
    lead = Lead.from_row(in_utc(told["lead"])) if told.get("lead") else None
    history = tuple(LinkEvent.from_row(row) for row in told.get("history") or ())
    detail = sentences.about(gateway, [call], settings).details.get(call.call_sid)
    events, transcripts = all_in_utc(told.get("events")), all_in_utc(told.get("transcripts"))
    jobs = all_in_utc(told["jobs"])
    rules = ruled_numbers.holding(map(NumberRule.from_row, told["rules"]), now)
    own = own_numbers.configured(settings) | set(told["own_numbers"])
    own |= {number for number, rule in rules.items() if rule.verdict == "own"}
    near = matching.Near.from_row(told["near"])
    candidates = matching.candidates_by(gateway, told["facts"], own, settings.default_region, rules, near)
    ended = bool(told["call"].get("ended"))
    known = stages.Known(call, ended, events, transcripts, lead, history, call.cause, detail, jobs)
    return Story(
        call=call,
        cause=call.cause,
        detail=detail,
        warning=_warning(call.call_sid),
        call_row=told["call"],
        events=events,
        transcripts=transcripts,
        recordings=all_in_utc(told.get("recordings")),
        lead=lead,
        candidates=candidates.get(call.call_sid, ()),
        history=history,
        mentions=tuple(told.get("mentions") or ()),
        lead_calls=tuple(told.get("lead_calls") or ()),
        lead_calls_total=told.get("lead_calls_total") or 0,
        slots=tuple(told.get("slots") or ()),
        stages=stages.strip(known),
        job=jobs[0] if jobs else None,
    )


def _named(gateway: Gateway, named: Sequence[str]) -> list[Call]:
    """The calls whose whole SID stands in the text, in its order."""
    found: dict[str, Call] = {}
    for sid in named:
        for row in gateway.select("find_calls", args={"p_text": sid, "p_limit": MOST_MATCHES}):
            found.setdefault(row["call_sid"], Call.from_row(row))
    if not found:
        others = "" if len(named) == 1 else f" (nor any of the {len(named) - 1} others in this text)"
        raise NotFound(f"There is no call {named[0]}{others}.", hint="Nothing that was saved mentions it.")
    return list(found.values())


def _by_part(gateway: Gateway, wanted: str) -> list[Row]:
    rows = gateway.select("find_calls", args={"p_text": wanted, "p_limit": MOST_MATCHES + 1})
    if len(wanted) >= FEWEST_CHARACTERS:
        return rows
    exact = [row for row in rows if row["call_sid"].strip().lower() == wanted.lower()]
    if not exact:
        raise BadInput(f"{fields.shown(wanted)} is too short to tell calls apart.", hint=fields.LOOKUP_EXPECTED)
    return exact


def by_number(gateway: Gateway, wanted: str, region: str) -> list[Row]:
    """Calls with this phone number as counterpart, or, when there are none, on either side (our own numbers)."""
    if sum(character.isdigit() for character in wanted) < 7 or re.search(r"[^\W\d_]", wanted):
        return []
    e164 = phone.normalise(wanted, region).e164
    if e164 is None:
        return []
    limit = MOST_MATCHES + 1
    either = AnyOf(((Where("from_number", "eq", e164),), (Where("to_number", "eq", e164),)))
    key = Where("counterpart_key", "eq", phone.key(e164))
    rows = gateway.select("call_links", where=(key, Where("counterpart", "eq", e164)), order=NEWEST_FIRST, limit=limit)
    return rows or gateway.select("call_links", where=(either,), order=NEWEST_FIRST, limit=limit)


def _warning(call_sid: str) -> str | None:
    if sids.is_standard(call_sid):
        return None
    return f"{fields.shown(call_sid)} has not the form of a Twilio Call SID (CA and 32 hexadecimal digits)."


def _no_call(call_sid: str) -> NotFound:
    return NotFound(f"There is no call {call_sid}.", hint="Look it up by a part of its SID or by its phone number.")
