"""Telephone numbers: what people ruled about them, the leads and calls that have them, and ruling anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from core.errors import BadInput
from core.linking import fields, own_numbers, sentences, worklist
from core.linking.results import WorklistPage
from core.linking.worklist import Query
from core.model import holders, phone
from core.model.number_rules import VERDICTS, NumberRule, Verdict
from core.model.phone import Likeness
from core.model.records import Call, Lead, parse_time
from core.settings import Settings
from core.store.gateway import AnyOf, Gateway, Order, Where

LARGEST_PAGE = 500
MOST_RULES = 50
"""So many earlier rules of a number are shown."""
Standing: TypeAlias = Literal["ruled", "own", "one_lead", "several_leads", "no_lead"]


@dataclass(frozen=True, slots=True)
class NumberLead:
    """A lead that has a number. ``likeness``: how it writes it, see :func:`core.model.phone.likeness`."""

    lead: Lead
    likeness: Likeness
    exact: bool


@dataclass(frozen=True, slots=True)
class NumberFigures:
    """What the calls of a number come to. ``months``: per month (``YYYY-MM``) linked, unlinked and set aside calls."""

    calls: int
    states: Mapping[str, int]
    inbound: int
    first_at: datetime | None
    last_at: datetime | None
    months: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "NumberFigures":
        """What the SQL function ``number_figures`` returns."""
        first, last = parse_time(row["first_at"]), parse_time(row["last_at"])
        return cls(row["calls"], dict(row["states"]), row["inbound"], first, last, tuple(row["months"]))

    def to_json(self) -> dict[str, Any]:
        """As scripts get it."""
        times = {"first_at": self.first_at, "last_at": self.last_at}
        return {
            "calls": self.calls,
            "states": dict(self.states),
            "inbound": self.inbound,
            **{name: moment.isoformat() if moment else None for name, moment in times.items()},
        }


@dataclass(frozen=True, slots=True)
class NumberStory:
    """Everything about one number.

    :ivar number: E.164.
    :ivar ours: it counts as one of our own numbers; ``ours_by``: ``rule``, ``settings`` or ``data``, else None.
    :ivar rule: the rule that holds, or None; ``past``: those that ended, the newest first, at most 50.
    :ivar leads: the leads that have it, however they write it; ``alike``: those whose number is only like it.
    :ivar page: a page of its calls, newest first, linked or not, with the sentence of cause or suspicion.
    """

    number: str
    ours: bool
    ours_by: str | None
    rule: NumberRule | None
    past: tuple[NumberRule, ...]
    leads: tuple[NumberLead, ...]
    alike: tuple[NumberLead, ...]
    figures: NumberFigures
    page: WorklistPage

    @property
    def standing(self) -> Standing:
        """What is known of it: ruled by a person, ours, or how many leads have it."""
        if self.rule is not None:
            return "ruled"
        if self.ours:
            return "own"
        if not self.leads:
            return "no_lead"
        return "one_lead" if len(self.leads) == 1 else "several_leads"

    def to_json(self) -> dict[str, Any]:
        """As scripts get it."""
        return {
            "number": self.number,
            "ours": self.ours,
            "verdict": self.rule.verdict if self.rule else "own" if self.ours else None,
            "rule": self.rule.to_json() if self.rule else None,
            "past_rules": [rule.to_json() for rule in self.past],
            "leads": [_lead_json(each) for each in (*self.leads, *self.alike)],
            **self.figures.to_json(),
            "items": [_call_json(call, self.page.details.get(call.call_sid)) for call in self.page.items],
            "next": self.page.next,
        }


def e164(text: object, region: str, field: str = "number") -> str:
    """The telephone number that a text is, in E.164.

    :raises BadInput: when it is none that can be read.
    """
    given = fields.line(field, text, 100)
    found = phone.normalise(given, region).e164
    if found is None:
        raise BadInput(f"{field} is {fields.shown(given)}: expected a phone number such as +1 415 555 0100.")
    return found


def story(
    gateway: Gateway, text: object, settings: Settings, now: datetime, *, limit: object = 50, after: str | None = None
) -> NumberStory:
    """Everything about a number; see :meth:`core.linking.Linking.number`."""
    region = settings.default_region
    number = e164(text, region)
    size = fields.whole("limit", limit, 1, LARGEST_PAGE)
    rules = _rules_of(gateway, number)
    rule = next((each for each in rules if each.holds(now)), None)
    ours_by = _ours_by(gateway, number, rule, settings)
    anywhere = ours_by is not None or (rule is not None and rule.verdict == "withheld")
    having = _leads(gateway, number, region)
    firm = tuple(each for each in having if each.likeness in holders.FIRM)
    told = gateway.call("number_figures", p_number=number, p_anywhere=anywhere)
    return NumberStory(
        number=number,
        ours=ours_by is not None,
        ours_by=ours_by,
        rule=rule,
        past=tuple(each for each in rules if each != rule),
        leads=firm,
        alike=tuple(each for each in having if each not in firm),
        figures=NumberFigures.from_row(told),
        page=_page(gateway, number, anywhere, settings, now, size, after),
    )


def rule(
    gateway: Gateway,
    text: object,
    verdict: object,
    settings: Settings,
    *,
    never_link: bool = False,
    reason: str | None = None,
    until: datetime | None = None,
    actor: str,
    expect: int | Literal["any"] | None = "any",
    request_id: str | None = None,
) -> NumberRule | None:
    """Rule about a number; see :meth:`core.linking.Linking.set_number_rule`."""
    number, word = checked(text, verdict, settings, reason=reason, until=until)
    options = {**_options(reason, actor, expect), "never_link": never_link}
    if until is not None:
        options["expires_at"] = fields.moment("until", until).isoformat()
    if request_id is not None:
        options["request_id"] = fields.line("request id", request_id, fields.REQUEST_ID_LENGTH)
    row = gateway.call("set_number_rule", p_number=number, p_verdict=word, p_options=options)
    return NumberRule.from_row(row) if row else None


def checked(
    text: object, verdict: object, settings: Settings, *, reason: object = None, until: object = None
) -> tuple[str, Verdict]:
    """What a rule takes, checked; looks nothing up.

    :raises BadInput: naming the field that cannot be meant.
    """
    number = e164(text, settings.default_region)
    fields.choice("verdict", verdict, VERDICTS)
    if reason is not None:
        fields.prose("reason", reason, fields.REASON_LENGTH)
    if until is not None and fields.moment("until", until) <= datetime.now(UTC):
        raise BadInput(f"until is {fields.shown(until)}: expected a time to come, or leave it out.")
    return number, verdict  # type: ignore[return-value]


def end(
    gateway: Gateway,
    text: object,
    settings: Settings,
    *,
    reason: str | None = None,
    actor: str,
    expect: int | Literal["any"] | None = "any",
) -> NumberRule | None:
    """End the rule about a number; see :meth:`core.linking.Linking.end_number_rule`."""
    number = e164(text, settings.default_region)
    row = gateway.call("end_number_rule", p_number=number, p_options=_options(reason, actor, expect))
    return NumberRule.from_row(row) if row else None


def _options(reason: str | None, actor: str, expect: int | Literal["any"] | None) -> dict[str, Any]:
    told: dict[str, Any] = {"actor": fields.line("actor", actor, fields.ACTOR_LENGTH)}
    if reason is not None:
        told["reason"] = fields.prose("reason", reason, fields.REASON_LENGTH)
    if expect != "any":
        told["expect_rule"] = expect
    return told


def _rules_of(gateway: Gateway, number: str) -> tuple[NumberRule, ...]:
    where = (Where("number", "eq", number),)
    rows = gateway.select("number_rules", where=where, order=(Order("id", descending=True),), limit=MOST_RULES + 1)
    return tuple(NumberRule.from_row(row) for row in rows)


def _ours_by(gateway: Gateway, number: str, rule: NumberRule | None, settings: Settings) -> str | None:
    if rule is not None and rule.verdict == "own":
        return "rule"
    if number in own_numbers.configured(settings):
        return "settings"
    return "data" if number in own_numbers.known(gateway, settings) else None


def _leads(gateway: Gateway, number: str, region: str) -> tuple[NumberLead, ...]:
    key = phone.key(number)
    rows = gateway.select("leads_with_keys", args={"p_keys": [key]}) if key else []
    having = holders.of(number, (Lead.from_row(row) for row in rows), region)
    return tuple(NumberLead(each.lead, each.likeness, each.exact) for each in having)


def _page(
    gateway: Gateway, number: str, anywhere: bool, settings: Settings, now: datetime, size: int, after: str | None
) -> WorklistPage:
    where = (
        (AnyOf(((Where("from_number", "eq", number),), (Where("to_number", "eq", number),))),)
        if anywhere
        else (Where("counterpart_key", "eq", phone.key(number)), Where("counterpart", "eq", number))
    )
    found, following = worklist.read(gateway, Query("call_links", None, where), limit=size, after=after)
    calls = tuple(sentences.as_of(call, now, settings.link_grace_seconds) for call in found)
    told = sentences.about(gateway, calls, settings)
    return WorklistPage(calls, following, told.details, told.reasons)


def _lead_json(each: NumberLead) -> dict[str, Any]:
    lead = each.lead
    return {"lead_id": lead.id, "name": lead.name, "phone": lead.phone, "as": each.likeness}


def _call_json(call: Call, detail: str | None) -> dict[str, Any]:
    plain = ("call_sid", "state", "lead_id", "direction", "status", "duration", "cause", "suspect")
    shown = {name: getattr(call, name) for name in plain}
    return {**shown, "started_at": call.started_at.isoformat(), "detail": detail}
