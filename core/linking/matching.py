"""From calls to the leads they may belong to: the database finds the few that could match, the rules decide."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from core.linking import own_numbers, ruled_numbers
from core.model import causes, counterpart, evidence, holders, number_rules, suspects
from core.model.causes import Decision
from core.model.counterpart import CallFacts, Counterpart
from core.model.number_rules import NO_RULES, Rules
from core.model.records import Call, Candidate, Lead
from core.model.suspects import Suspicion
from core.settings import Settings
from core.store.gateway import Gateway, Row

CALLS_AT_ONCE = 500
KEYS_AT_ONCE = 200
"""Number keys of one read of leads; most keys belong to one lead or none."""
LARGEST_READ = 1000
"""PostgREST cuts a result at 1000 rows without a word: so many rows mean that some may be missing."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the rules say about one call. ``decision`` is None for a linked call, ``suspicion`` where its link fits."""

    counterpart: Counterpart
    decision: Decision | None
    candidates: tuple[Candidate, ...]
    suspicion: Suspicion | None = None


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The leads around some calls: by id, and by the search keys of their numbers."""

    by_id: Mapping[int, Lead]
    by_key: Mapping[str, tuple[Lead, ...]]


@dataclass(frozen=True, slots=True)
class Near:
    """Leads that were read before the rules asked for them.

    :ivar keys: the search keys that were looked for; ``by_key`` are the rows found, as ``leads_with_keys`` gives them.
    :ivar ids: the leads that were looked for; ``by_id`` are those that exist, as ``leads_by_ids`` gives them.
    """

    keys: AbstractSet[str]
    ids: AbstractSet[int]
    by_key: Sequence[Row] = ()
    by_id: Sequence[Row] = ()

    @classmethod
    def from_row(cls, row: Row) -> "Near":
        """``near`` in the SQL function ``call_page``."""
        return cls(frozenset(row["keys"]), frozenset(row["ids"]), row["by_key"], row["by_id"])


NOTHING_READ = Near(frozenset(), frozenset())


def candidates(gateway: Gateway, calls: Sequence[Call], settings: Settings) -> dict[str, tuple[Candidate, ...]]:
    """The leads that may belong to each call, best first, by SID; as the data is now, judged or not."""
    own, rules = own_numbers.known(gateway, settings), ruled_numbers.in_force(gateway)
    found: dict[str, tuple[Candidate, ...]] = {call.call_sid: () for call in calls}
    sids = list(found)
    for start in range(0, len(sids), CALLS_AT_ONCE):
        rows = gateway.call("judge_facts", p_sids=sids[start : start + CALLS_AT_ONCE])
        found.update(candidates_by(gateway, rows, own, settings.default_region, rules))
    return found


def candidates_by(
    gateway: Gateway, rows: Iterable[Row], own: AbstractSet[str], region: str, rules: Rules, near: Near = NOTHING_READ
) -> dict[str, tuple[Candidate, ...]]:
    """The same from what the rules want to know, where that was read already; see :func:`assess_all`."""
    assessed = assess_all(gateway, rows, own, region, rules, near)
    return {facts.call_sid: assessment.candidates for facts, assessment in assessed}


def assess_all(
    gateway: Gateway,
    rows: Iterable[Row],
    own: AbstractSet[str],
    region: str,
    rules: Rules = NO_RULES,
    near: Near = NOTHING_READ,
) -> list[tuple[CallFacts, Assessment]]:
    """Assess calls as ``judge_facts`` and ``judge_batch`` give them.

    :param own: our own numbers in E.164.
    :param region: ISO 3166 region in which a number without country code is read.
    :param rules: what people ruled about numbers.
    :param near: leads that were read already.
    """
    calls = [CallFacts.from_row(row) for row in rows]
    sides = (counterpart.of(c.direction, c.from_number, c.to_number, own, region) for c in calls)
    others = [number_rules.applied(other, rules) for other in sides]
    around = _neighbourhood(gateway, calls, others, near)
    return [(call, assess(call, other, around, region, rules)) for call, other in zip(calls, others, strict=True)]


def assess(
    call: CallFacts, other: Counterpart, around: Neighbourhood, region: str, rules: Rules = NO_RULES
) -> Assessment:
    """Cause and candidates of one call, from the leads around it."""
    having = holders.of(other.e164, around.by_key.get(other.key or "", ()), region) if other.e164 is not None else ()
    ids = _named_ids(call)
    named = {lead_id: around.by_id[lead_id] for lead_id in ids if lead_id in around.by_id}
    fitting = [lead for key in call.said.keys for lead in around.by_key.get(key, ())]
    suggested = having if number_rules.suggests(other, rules) else ()
    ruled = number_rules.doubt(other, rules)
    found = evidence.candidates(call, other, named, suggested, region, fitting, ruled)
    order = {candidate.lead_id: place for place, candidate in enumerate(found)}
    best_first = sorted(having, key=lambda holder: order.get(holder.lead.id, len(order)))
    if call.lead_id is not None:
        linked = around.by_id.get(call.lead_id)
        telling = other if ruled is None else replace(other, standing="withheld")  # so ruled, a number tells nobody
        return Assessment(other, None, found, suspects.decide(call, telling, linked, best_first, region, found))
    return Assessment(other, causes.decide(call, other, best_first), found)


def _named_ids(call: CallFacts) -> set[int]:
    """The leads that notes, jobs and the ledger name for a call; those of the ledger so far as they exist."""
    jobs = {job.lead_id for job in call.windows if job.lead_id is not None and job.exists}
    return {*call.proof, *jobs, *(link.lead_id for link in call.earlier if link.exists)}


def leads_by_ids(gateway: Gateway, ids: Iterable[int]) -> dict[int, Lead]:
    """Leads by id; those that are gone are missing."""
    wanted = sorted(set(ids))
    found: dict[int, Lead] = {}
    for start in range(0, len(wanted), CALLS_AT_ONCE):
        rows = gateway.select("leads_by_ids", args={"p_ids": wanted[start : start + CALLS_AT_ONCE]})
        found.update((row["id"], Lead.from_row(row)) for row in rows)
    return found


def _neighbourhood(
    gateway: Gateway, calls: Sequence[CallFacts], others: Sequence[Counterpart], near: Near
) -> Neighbourhood:
    keys = {o.key for o in others if o.key is not None} | {key for call in calls for key in call.said.keys}
    ids = {lead_id for call in calls for lead_id in _named_ids(call)}
    ids |= {call.lead_id for call in calls if call.lead_id is not None}
    asked = sorted(keys - near.keys)
    rows = list(near.by_key)
    for start in range(0, len(asked), KEYS_AT_ONCE):
        rows += _rows_with_keys(gateway, asked[start : start + KEYS_AT_ONCE])
    by_key: dict[str, list[Lead]] = {}
    known: dict[int, Lead] = {}  # one lead has several keys
    for row in rows:
        lead = known.get(row["id"]) or known.setdefault(row["id"], Lead.from_row(row))
        by_key.setdefault(row["key"], []).append(lead)
    by_id = {row["id"]: Lead.from_row(row) for row in near.by_id} | leads_by_ids(gateway, ids - near.ids)
    return Neighbourhood(by_id, {key: tuple(leads) for key, leads in by_key.items()})


def _rows_with_keys(gateway: Gateway, keys: Sequence[str]) -> list[Row]:
    rows = gateway.select("leads_with_keys", args={"p_keys": list(keys)})
    if len(rows) < LARGEST_READ or len(keys) == 1:
        return rows
    middle = len(keys) // 2
    return [*_rows_with_keys(gateway, keys[:middle]), *_rows_with_keys(gateway, keys[middle:])]
