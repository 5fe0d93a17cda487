"""The rules on rows captured from a real backend, against what is true of each call."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.linking import judge, matching, own_numbers
from core.model.records import Call, Candidate
from core.settings import Settings
from core.store.gateway import Order, Where
from core.store.postgres import PostgresGateway
from tests.database import captured
from tests.database.conftest import Cluster

SETTINGS = Settings()
NAMES_SPOKEN = "said (conflict)"
"""Part of the truth's own words for a call where only what was spoken tells the caller from the number's owner."""


@dataclass(frozen=True)
class Judged:
    """The captured database after judging."""

    calls: list[Call]
    candidates: dict[str, tuple[Candidate, ...]]
    truth: dict[str, dict[str, Any]]
    own: frozenset[str]

    @property
    def unlinked(self) -> list[Call]:
        return [call for call in self.calls if call.state == "unlinked"]

    def is_right(self, call: Call, lead_id: int) -> bool:
        true = self.truth[call.call_sid]
        return true["expected"] == "link" and lead_id in true["acceptable_lead_ids"]


@pytest.fixture(scope="module")
def world(pg18: Cluster, captured_data: Path) -> Iterator[Judged]:
    with pg18.database(pg18.migrated_database()) as url:
        captured.load(url, captured_data)
        gateway = PostgresGateway(url)
        judge.run(gateway, SETTINGS)
        calls = [Call.from_row(row) for row in gateway.select("call_links", order=(Order("call_sid"),))]
        found = matching.candidates(gateway, [call for call in calls if call.lead_id is None], SETTINGS)
        own = own_numbers.known(gateway, SETTINGS)
        assert gateway.count("calls", where=(Where("judged_at", "is_null"),)) == 0
        gateway.close()
        yield Judged(calls, found, captured.truth(captured_data), own)


def shown(title: str, figures: Counter[Any]) -> None:
    print(f"\n{title}")
    for what, number in figures.most_common():
        print(f"  {number:5} {what}")


def test_every_unlinked_call_has_a_cause(world: Judged) -> None:
    figures = Counter(call.cause for call in world.unlinked)
    shown(f"{len(world.unlinked)} of {len(world.calls)} calls are unlinked", figures)
    assert None not in figures
    assert figures["unknown"] == 0


def test_causes_agree_with_the_truth(world: Judged) -> None:
    for call in world.unlinked:
        true = world.truth[call.call_sid]
        kind = true["kind"]
        if call.cause == "own_numbers_only":
            assert kind.startswith("own-number-test"), call
        if call.cause == "withheld_caller":
            assert kind == "inbound-withheld", call
        if call.cause == "link_write_failed":
            assert call.cause_leads[0] in true["acceptable_lead_ids"], call
        if call.cause in ("missed_match", "format_mismatch", "several_leads", "no_matching_lead"):
            assert call.counterpart == true["counterpart_e164"], call


def test_no_own_number_is_a_counterpart(world: Judged) -> None:
    assert world.own == {"+14157780142", "+12127390164"}
    assert not [call for call in world.calls if call.counterpart in world.own]


def test_the_first_candidate_is_the_true_lead(world: Judged) -> None:
    figures: Counter[str] = Counter()
    for call in world.unlinked:
        if world.truth[call.call_sid]["expected"] == "link":
            found = world.candidates[call.call_sid]
            right = [world.is_right(call, candidate.lead_id) for candidate in found]
            place = (
                "first" if right[:1] == [True] else "later" if any(right) else "missing" if right else "no candidate"
            )
            figures[place] += 1
            figures[f"{place}, {call.cause}"] += 1
    shown("Unlinked calls with a true lead, by its place among the candidates", figures)
    with_candidates = figures["first"] + figures["later"] + figures["missing"]
    assert figures["first"] >= 0.85 * with_candidates
    assert figures["missing"] <= 0.02 * with_candidates


def test_confident_candidates_are_right(world: Judged) -> None:
    figures: Counter[tuple[str, str]] = Counter()
    wrong = []
    for call in world.unlinked:
        for best in world.candidates[call.call_sid][:1]:
            true = world.truth[call.call_sid]
            verdict = "right" if world.is_right(call, best.lead_id) else "trap" if true["trap"] else "wrong"
            figures[best.confidence, verdict] += 1
            # Names and numbers that were spoken are evidence of a later kind; until then they are traps as well.
            if best.confidence in ("certain", "high") and verdict == "wrong" and NAMES_SPOKEN not in true["why"]:
                wrong.append((call.call_sid, best, true["why"]))
    shown("Best candidates by confidence", figures)
    assert wrong == []
    assert figures["certain", "trap"] == figures["certain", "wrong"] == 0
    assert figures["high", "right"] >= 0.97 * sum(n for (sure, _), n in figures.items() if sure == "high")


def test_only_one_candidate_of_a_call_is_confident(world: Judged) -> None:
    for call_sid, found in world.candidates.items():
        assert sum(candidate.confidence in ("certain", "high") for candidate in found) <= 1, call_sid


def test_the_judgement_written_is_the_candidate_shown(world: Judged) -> None:
    for call in world.unlinked:
        found = world.candidates[call.call_sid]
        assert call.candidate_count == len(found)
        best = found[0] if found else None
        assert call.best_lead_id == (best.lead_id if best else None)
        assert call.best_confidence == (best.confidence if best else None)
