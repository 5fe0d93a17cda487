"""The judge: writes cause, counterpart and best candidate of every call that became doubtful.

Triggers mark, Python judges: ``phonenumbers`` cannot run in a trigger. Several judges may run at once; they may do the
same work, never harm: a change that comes while a call is judged queues it again.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from core.linking import matching, own_numbers, ruled_numbers
from core.linking.matching import Assessment
from core.model import phone
from core.model.counterpart import CallFacts
from core.model.number_rules import NO_RULES, Rules
from core.settings import Settings
from core.store.gateway import Gateway, Row, Where

RULES_VERSION = 6
"""Raise it when a rule of :mod:`core.model` changes what it says: every call is judged again."""
BATCH = 1000
FINGERPRINT = "judge_fingerprint"


class Judge:
    """Judges the calls that wait for it. Holds no state of the database but our own numbers while it runs.

    :param gateway: the way into the database.
    :param settings: region and own numbers.
    """

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self._gateway = gateway
        self._settings = settings
        self._own: frozenset[str] = frozenset()
        self._rules: Rules = NO_RULES
        self._weighed: set[str] = set()

    def run(self, limit: int | None = None) -> int:
        """Judge what waits, at most about ``limit`` calls; returns how many were judged.

        :raises core.errors.Unavailable: when the database does not answer; what was judged until then is written.
        """
        self._follow_rules()
        self._gateway.call("expire_number_rules")
        self._own = own_numbers.known(self._gateway, self._settings)
        self._rules = ruled_numbers.in_force(self._gateway)
        self._weighed = set(self._own)
        judged, marks = 0, self._marks()
        while limit is None or judged < limit:
            size = BATCH if limit is None else min(BATCH, limit - judged)
            batch = self._gateway.call("judge_batch", p_limit=size)
            if not batch["queue_ids"]:
                before, marks = marks, self._marks()
                if 0 < marks < before:
                    continue  # marks that concern no call are spent; there are more
                break
            looked = self._look_for_own_numbers(batch["calls"])
            changed = self._judge(batch)
            judged += len(batch["calls"])
            if len(batch["queue_ids"]) < size and not looked and not self._marks():
                break  # the queue held no more
            if changed == 0 and not self._moved_on(batch["queue_ids"]):
                break  # every call of the batch is held by somebody else: they stay queued
        return judged

    def _follow_rules(self) -> None:
        """Judge everything again when the rules or the settings they use are not those of the last time."""
        now = fingerprint(self._settings)
        rows = self._gateway.select("patchbay_state", columns=("value",), where=(Where("key", "eq", FINGERPRINT),))
        if rows and rows[0]["value"] == now:
            return
        own_numbers.refresh(self._gateway, self._settings)
        while self._gateway.call("requeue_calls", p_fingerprint=now):
            pass  # in steps: of many calls one statement would be stopped for taking too long
        self._gateway.call("patchbay_set_state", p_key=FINGERPRINT, p_value=now)

    def _look_for_own_numbers(self, rows: Iterable[Row]) -> bool:
        """Look at the data anew when a number stands on our side that was never weighed; says whether it did.

        A number that proves to be ours queues its calls again.
        """
        region = self._settings.default_region
        unweighed = {number for row in rows for number in _our_sides(row, region)} - self._weighed
        if unweighed:
            self._own = own_numbers.refresh(self._gateway, self._settings)
            self._weighed |= unweighed
        return bool(unweighed)

    def _judge(self, batch: dict[str, Any]) -> int:
        region = self._settings.default_region
        assessed = matching.assess_all(self._gateway, batch["calls"], self._own, region, self._rules)
        judgements = [_judgement(facts, assessment) for facts, assessment in assessed]
        changed = self._gateway.call("write_judgements", p_queue_ids=batch["queue_ids"], p_judgements=judgements)
        self._gateway.call("note_claims", p_sids=[facts.call_sid for facts, _ in assessed])
        return int(changed)

    def _marks(self) -> int:
        """How many changes of leads wait for their calls to be found."""
        return self._gateway.count("judge_marks")

    def _moved_on(self, queue_ids: list[int]) -> bool:
        """Did any of these queue rows go?"""
        left = self._gateway.count("judge_queue", where=(Where("id", "in", queue_ids),))
        return left < len(queue_ids)


def run(gateway: Gateway, settings: Settings, limit: int | None = None) -> int:
    """Judge what waits; see :meth:`Judge.run`."""
    return Judge(gateway, settings).run(limit)


def fingerprint(settings: Settings) -> str:
    """What the judgements depend on besides the data."""
    inputs = [RULES_VERSION, settings.default_region, sorted(own_numbers.configured(settings))]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def _our_sides(row: Row, region: str) -> Iterable[str]:
    """The number on our side of a call, as its row says."""
    if not row["from_number"] or not row["to_number"]:
        return
    outbound = (row["direction"] or "outbound").lower().startswith("outbound")
    number = phone.normalise(row["from_number"] if outbound else row["to_number"], region).e164
    if number is not None:
        yield number


def _judgement(facts: CallFacts, assessment: Assessment) -> Row:
    other, decision = assessment.counterpart, assessment.decision
    judgement: Row = {
        "call_sid": facts.call_sid,
        "counterpart": other.e164,
        "counterpart_key": other.key,
        "cause": None if decision is None else decision.cause,
        "cause_leads": [] if decision is None else list(decision.leads),
        "best_lead_id": None,
        "best_confidence": None,
        "best_evidence": None,
        "candidate_count": 0,
        "suspect": None,
        "keys": list(facts.said.keys),
    }
    suspicion, found = assessment.suspicion, assessment.candidates
    if suspicion is not None:
        judgement["suspect"] = suspicion.suspect
        judgement["cause_leads"] = list(suspicion.better)
        found = tuple(candidate for candidate in found if candidate.lead_id in suspicion.better)
    if found and (decision is not None or suspicion is not None):
        best = found[0]
        judgement["best_lead_id"] = best.lead_id
        judgement["best_confidence"] = best.confidence
        told = suspicion.kind if suspicion is not None else None
        judgement["best_evidence"] = told or best.evidence[0].kind
        judgement["candidate_count"] = len(found)
    return judgement
