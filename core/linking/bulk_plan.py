"""The plan of a bulk link: which calls would go to which leads, as current call or as history, and which would not, and
why. Nothing is written.

A call is planned when exactly one lead fits it with the confidence that was asked for, computed afresh from the rows.
What a person decided is left alone: calls that were unlinked by hand, set aside, or are linked already. The slots
follow the rule of automatic linking, newest call first: an empty slot gets the newest of the lead's linked calls, the
new ones included; a filled one is never touched.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias, get_args

from core.errors import BadInput
from core.linking import fields, matching, worklist
from core.linking.worklist import Query, WorklistFilter
from core.model import causes, dialling
from core.model.dialling import DiallingChange
from core.model.records import CONFIDENCES, Call, Candidate, Confidence, Evidence, Lead, LinkEvent, parse_time
from core.settings import Settings
from core.store.gateway import Gateway, Row, Where

MinConfidence: TypeAlias = Literal["certain", "high"]
MIN_CONFIDENCES: tuple[MinConfidence, ...] = get_args(MinConfidence)
As: TypeAlias = Literal["current", "history"]

Skipped: TypeAlias = Literal[
    "already_linked",
    "set_aside",
    "unlinked_by_hand",
    "pending",
    "test_call",
    "number_rule",
    "several_leads",
    "lead_gone",
    "below_confidence",
    "no_candidate",
    "no_call",
    "changed",
    "busy",
]
SKIPPED: tuple[Skipped, ...] = get_args(Skipped)
"""Why a call is not linked in bulk; the last two are met only while a plan is carried out."""

CALLS_AT_ONCE = 500
LISTED = 200
"""So many calls of each reason a plan lists; the others are counted."""
MOST_SELECTED = 10_000

Pick: TypeAlias = WorklistFilter | Sequence[str]
Progress: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """One call that would be linked.

    :ivar slot: the lead's current call afterwards: this call, or the one whose history it joins.
    :ivar evidence: what speaks for it, the strongest first; sentences are made when read and never stored.
    """

    call_sid: str
    started_at: datetime
    direction: str | None
    counterpart: str | None
    lead_id: int
    lead_name: str | None
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    slot: str = ""

    @property
    def becomes(self) -> As:
        """What the call becomes for its lead."""
        return "current" if self.slot == self.call_sid else "history"

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape."""
        return pair_json(self)


class _Tied(Protocol):
    """A call with its lead, planned or linked."""

    @property
    def call_sid(self) -> str: ...
    @property
    def lead_id(self) -> int: ...
    @property
    def confidence(self) -> Confidence: ...
    @property
    def becomes(self) -> As: ...


def pair_json(pair: _Tied) -> dict[str, Any]:
    """An item of ``linked`` in the contract's JSON shape of ``reconcile``."""
    return {
        "call_sid": pair.call_sid,
        "lead_id": pair.lead_id,
        "confidence": pair.confidence,
        "as": pair.becomes,
    }


@dataclass(frozen=True, slots=True)
class Skip:
    """One call that is not linked, and why, as a sentence. ``lead_id`` is the lead that it is about, if any."""

    call_sid: str
    reason: Skipped
    sentence: str
    lead_id: int | None = None


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """What a bulk link would do.

    :ivar pairs: the calls that would be linked, newest first: the order in which it is done.
    :ivar skipped: how many calls of the set are left out, by reason.
    :ivar listed: the first of them, by reason, at most :data:`LISTED` each.
    :ivar dialling: the leads that the backend's automation would not dial any more.
    :ivar considered: how many calls were looked at.
    :ivar limited: there may be more, a limit was reached.
    :ivar chosen: which calls these are, in words.
    """

    pairs: tuple[Pair, ...]
    skipped: Mapping[Skipped, int]
    listed: Mapping[Skipped, tuple[Skip, ...]]
    dialling: tuple[DiallingChange, ...]
    min_confidence: MinConfidence
    considered: int
    limited: bool = False
    chosen: str = ""

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape of a ``reconcile`` that only says what it would do."""
        return {
            "applied": False,
            "batch_id": None,
            "linked": [pair.to_json() for pair in self.pairs],
            "skipped": dict(self.skipped),
        }


@dataclass(slots=True)
class _Draft:
    pairs: list[Pair] = field(default_factory=list)
    counts: Counter[Skipped] = field(default_factory=Counter)
    listed: dict[Skipped, list[Skip]] = field(default_factory=dict)
    considered: int = 0
    limited: bool = False

    def skip(self, skip: Skip) -> None:
        self.counts[skip.reason] += 1
        some = self.listed.setdefault(skip.reason, [])
        if len(some) < LISTED:
            some.append(skip)


def make(
    gateway: Gateway,
    wanted: Pick,
    settings: Settings,
    now: datetime,
    *,
    least: object = "high",
    limit: object = None,
    progress: Progress = lambda considered: None,
) -> BulkPlan:
    """Plan a bulk link; see :meth:`core.linking.Linking.plan`.

    :param progress: told how many calls were looked at, now and then.
    :raises BadInput: for a filter, SID, confidence or limit that cannot be meant.
    """
    level, most = min_confidence(least), None if limit is None else fields.whole("limit", limit, 1, fields.LARGEST_ID)
    draft = _Draft()
    for calls in _chunks(gateway, wanted, settings, now, draft):
        _consider(gateway, calls, settings, now, level, draft)
        progress(draft.considered)
        if most is not None and len(draft.pairs) >= most:
            draft.limited = True
            break
    newest_first = sorted(draft.pairs, key=lambda pair: (pair.started_at, pair.call_sid.encode()), reverse=True)
    pairs, taken_off = _with_slots(gateway, newest_first[:most], draft)
    counts = {reason: draft.counts[reason] for reason in SKIPPED if draft.counts[reason]}
    listed = {reason: tuple(draft.listed[reason]) for reason in counts}
    words = chosen_words(wanted)
    return BulkPlan(pairs, counts, listed, taken_off, level, draft.considered, draft.limited, words)


def min_confidence(value: object) -> MinConfidence:
    """``certain`` or ``high``: nothing less may ever be linked in bulk.

    :raises BadInput: for any other word.
    """
    for known in MIN_CONFIDENCES:
        if value == known:
            return known
    raise BadInput(f"min confidence is {fields.shown(value)}: expected certain or high; nothing less is ever safe.")


def check(wanted: Pick, *, least: object, limit: object, region: str, now: datetime) -> None:
    """Raise :class:`core.errors.BadInput` for a plan that cannot be meant; looks nothing up."""
    min_confidence(least)
    if limit is not None:
        fields.whole("limit", limit, 1, fields.LARGEST_ID)
    if isinstance(wanted, WorklistFilter):
        worklist.query(wanted, now=now, grace_seconds=0, region=region)
    else:
        _sids(wanted)


def chosen_words(wanted: Pick) -> str:
    """Which calls were chosen, in words; no number and no text that was searched for."""
    if not isinstance(wanted, WorklistFilter):
        return "1 selected call" if len(wanted) == 1 else f"{len(wanted)} selected calls"
    said = [str(value).replace("_", " ") for value in (wanted.cause, wanted.direction, wanted.status) if value]
    said += [f"by {name}" for name in ("number", "text") if getattr(wanted, name)]
    said += ["by date"] if wanted.since or wanted.until else []
    view = wanted.view.replace("_", " ")
    return f"{view} calls: {', '.join(said)}" if said else f"all {view} calls"


def verdict(
    call: Call,
    candidates: Sequence[Candidate],
    least: MinConfidence,
    *,
    pending: bool = False,
    test: bool = False,
) -> Candidate | Skip:
    """The lead to which a call may be linked without anybody looking at it, or why not. Pure.

    :param candidates: as :func:`core.linking.matching.candidates` gives them, best first.
    :param pending: it is younger than the grace period: the backend may still link it.
    """
    standing = _standing(call, pending=pending, test=test)
    if standing is not None:
        return standing
    if not candidates:
        return _without_candidate(call)
    best = candidates[0]
    rules = [each.detail for each in best.against if each.kind == "number_rule"]
    if rules:
        return Skip(call.call_sid, "number_rule", rules[0], best.lead_id)
    fitting = [each for each in candidates if CONFIDENCES.index(each.confidence) <= CONFIDENCES.index(least)]
    if len(fitting) == 1 and fitting[0] is best:
        return best
    return _doubtful(call, best, len(fitting))


def is_pinned(call: Call, history: Sequence[LinkEvent]) -> bool:
    """Whether a person decided last on a call's link, so that no automation touches it. Pure.

    :param history: its link events, newest first.
    """
    if call.lead_id is None:
        return call.by_hand or call.set_aside
    decided = (e for e in history if e.action == "confirm" or e.before.get("call_lead") != e.after.get("call_lead"))
    last = next(decided, None)
    return last is not None and last.source == "person"


def _standing(call: Call, *, pending: bool, test: bool) -> Skip | None:
    """Why a call is left alone whatever the evidence says."""
    sid = call.call_sid
    if call.lead_id is not None:
        return Skip(sid, "already_linked", f"It is linked to lead {call.lead_id} already.", call.lead_id)
    if call.set_aside:
        return Skip(sid, "set_aside", "Somebody set it aside.")
    if call.by_hand:
        return Skip(sid, "unlinked_by_hand", "Pinned: somebody unlinked it by hand, so only a person links it again.")
    if pending:
        return Skip(sid, "pending", "It is younger than the grace period: the backend may still link it.")
    return Skip(sid, "test_call", "It is a test call.") if test else None


def _without_candidate(call: Call) -> Skip:
    if call.cause == "lead_deleted":
        return Skip(call.call_sid, "lead_gone", "The lead that it belonged to was deleted.")
    return Skip(call.call_sid, "no_candidate", "No lead has its number, and nothing else names one.")


def _doubtful(call: Call, best: Candidate, fitting: int) -> Skip:
    """Why the best candidate is not good enough, by what speaks against it."""
    sid, lead_id = call.call_sid, best.lead_id
    shared = [each.detail for each in best.against if each.kind == "number_shared"]
    if fitting > 1 or shared:
        detail = shared[0] if shared else f"{fitting} leads fit equally well."
        return Skip(sid, "several_leads", f"Lead {lead_id} is one of several: {_inside(detail)}", lead_id)
    why = best.against[0].detail if best.against else best.evidence[0].detail if best.evidence else ""
    return Skip(sid, "below_confidence", f"Lead {lead_id} is {best.confidence} only. {why}".strip(), lead_id)


def _inside(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


# The calls ------------------------------------------------------------------------------------------------------------


def _chunks(
    gateway: Gateway, wanted: Pick, settings: Settings, now: datetime, draft: _Draft
) -> Iterator[Sequence[Call]]:
    if isinstance(wanted, WorklistFilter):
        grace, region = settings.link_grace_seconds, settings.default_region
        yield from _of_filter(gateway, worklist.query(wanted, now=now, grace_seconds=grace, region=region))
        return
    sids = _sids(wanted)
    for start in range(0, len(sids), CALLS_AT_ONCE):
        some = sids[start : start + CALLS_AT_ONCE]
        found = {call.call_sid: call for call in read_calls(gateway, some)}
        for sid in some:
            if sid not in found:
                draft.considered += 1
                draft.skip(Skip(sid, "no_call", "There is no such call."))
        yield [found[sid] for sid in some if sid in found]


def _of_filter(gateway: Gateway, wanted: Query) -> Iterator[Sequence[Call]]:
    after: str | None = None
    while True:
        calls, after = worklist.read(gateway, wanted, limit=CALLS_AT_ONCE, after=after)
        yield calls
        if after is None:
            return


def _sids(wanted: Sequence[str]) -> list[str]:
    if isinstance(wanted, str):
        raise BadInput("calls is one text: expected a list of Call SIDs.")
    sids = list(dict.fromkeys(fields.call_sid(sid) for sid in wanted))
    if len(sids) > MOST_SELECTED:
        raise BadInput(f"{len(sids)} calls are selected: at most {MOST_SELECTED} can be; use a filter for more.")
    return sids


def read_calls(gateway: Gateway, sids: Sequence[str]) -> list[Call]:
    """Calls by SID as they are now; those that there are not are missing. At most :data:`CALLS_AT_ONCE`."""
    rows = gateway.select("call_links", where=(Where("call_sid", "in", list(sids)),)) if sids else []
    return [Call.from_row(row) for row in rows]


def tests_among(gateway: Gateway, sids: Sequence[str]) -> frozenset[str]:
    """Which of some calls are test calls."""
    where = (Where("call_sid", "in", list(sids)), Where("test", "eq", True))
    return frozenset(row["call_sid"] for row in gateway.select("calls", columns=("call_sid",), where=where))


def _consider(
    gateway: Gateway, calls: Sequence[Call], settings: Settings, now: datetime, least: MinConfidence, draft: _Draft
) -> None:
    if not calls:
        return
    found = matching.candidates(gateway, calls, settings)
    tests = tests_among(gateway, [call.call_sid for call in calls])
    for call in calls:
        young = causes.is_pending(call.started_at, now, settings.link_grace_seconds)
        said = verdict(call, found[call.call_sid], least, pending=young, test=call.call_sid in tests)
        draft.considered += 1
        if isinstance(said, Skip):
            draft.skip(said)
        else:
            draft.pairs.append(pair_of(call, said))


def pair_of(call: Call, lead: Candidate) -> Pair:
    """A call with the lead that it goes to; what becomes of the slot is not known yet."""
    return Pair(
        call_sid=call.call_sid,
        started_at=call.started_at,
        direction=call.direction,
        counterpart=call.counterpart,
        lead_id=lead.lead_id,
        lead_name=lead.name,
        confidence=lead.confidence,
        evidence=lead.evidence,
    )


# The slots ------------------------------------------------------------------------------------------------------------


def _with_slots(
    gateway: Gateway, pairs: Sequence[Pair], draft: _Draft
) -> tuple[tuple[Pair, ...], tuple[DiallingChange, ...]]:
    leads = _leads(gateway, {pair.lead_id for pair in pairs})
    slots, kept = {lead_id: row["call_sid"] for lead_id, row in leads.items()}, []
    for pair in pairs:
        if pair.lead_id not in leads:
            gone = Skip(pair.call_sid, "lead_gone", f"Lead {pair.lead_id} was deleted a moment ago.", pair.lead_id)
            draft.skip(gone)
            continue
        if slots[pair.lead_id] is None:
            slots[pair.lead_id] = slot_after(pair, leads[pair.lead_id])
        kept.append(replace(pair, slot=slots[pair.lead_id]))
    return tuple(kept), _dialling(leads, slots)


def slot_after(pair: Pair, lead: Row) -> str:
    """The current call of a lead without one after a call was linked to it: the newest of its calls, test calls aside.

    :param lead: a row of the SQL function ``bulk_slots``.
    """
    newest, newest_at = lead["newest"], parse_time(lead["newest_at"])
    if newest is None or newest_at is None:
        return pair.call_sid
    newer = (newest_at, newest.encode()) > (pair.started_at, pair.call_sid.encode())
    return str(newest) if newer else pair.call_sid


def _leads(gateway: Gateway, ids: Iterable[int]) -> dict[int, Row]:
    wanted, found = sorted(ids), {}
    for start in range(0, len(wanted), CALLS_AT_ONCE):
        rows = gateway.call("bulk_slots", p_leads=wanted[start : start + CALLS_AT_ONCE])
        found.update({row["id"]: row for row in rows})
    return found


def _dialling(leads: Mapping[int, Row], slots: Mapping[int, str | None]) -> tuple[DiallingChange, ...]:
    """The leads that leave the backend's dialling list, because their empty slot is filled."""
    filled = {lead_id: slot for lead_id, slot in slots.items() if leads[lead_id]["call_sid"] != slot}
    sides = ({"leads": {str(lead_id): None for lead_id in filled}}, {"leads": {str(i): s for i, s in filled.items()}})
    event = LinkEvent(None, None, "", "automatic", "link", None, None, *sides)
    return dialling.changes(event, [Lead.from_row(leads[lead_id]) for lead_id in filled])
