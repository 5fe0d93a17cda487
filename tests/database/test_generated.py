"""The rules on ten thousand calls of a backend in play, with numbers of several countries, against what is true."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from core.linking import jobs, judge, own_numbers
from core.model.records import Call
from core.settings import Settings
from core.store.gateway import Order, Where
from core.store.postgres import PostgresGateway
from tests.backend.play import KEPT, OWN, Truth, play
from tests.database import captured
from tests.database.conftest import Cluster

CALLS = 11_500
"""Plans of calls; about nine in ten are placed and leave a row."""
SURE = ("certain", "high")


@dataclass(frozen=True)
class Measured:
    """The world after judging, by Call SID."""

    calls: dict[str, Call]
    truth: dict[str, Truth]

    def unlinked(self) -> Iterator[tuple[Call, Truth]]:
        return ((self.calls[sid], true) for sid, true in self.truth.items() if true.linked is None)


@pytest.fixture(scope="module", params=[KEPT, timedelta(days=365)], ids=["jobs-of-a-week", "all-jobs"])
def world(
    request: pytest.FixtureRequest, pg18: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Measured]:
    folder: Path = tmp_path_factory.mktemp("backend")
    made = play(CALLS, seed=20261122, jobs_kept=request.param)
    made.write(folder)
    with pg18.database(pg18.migrated_database()) as url:
        captured.load(url, folder, ("leads", "call_events", "conversation_transcripts"))
        gateway = PostgresGateway(url)
        jobs.load_export(gateway, folder / "jobs.json")
        judge.run(gateway, Settings())
        assert own_numbers.known(gateway, Settings()) == set(OWN)
        found: list[Call] = []
        while page := gateway.select("call_links", order=(Order("sid_key"),), where=_after(found), limit=5000):
            found += [Call.from_row(row) for row in page]
        gateway.close()
        yield Measured({call.call_sid: call for call in found}, made.truth)


def _after(found: list[Call]) -> tuple[Where, ...]:
    return (Where("sid_key", "gt", found[-1].call_sid),) if found else ()


def test_it_is_large_and_every_call_is_known(world: Measured) -> None:
    assert len(world.truth) >= 10_000
    assert world.truth.keys() <= world.calls.keys()
    assert all(world.calls[sid].lead_id == true.linked for sid, true in world.truth.items())


def test_confident_candidates_are_right(world: Measured) -> None:
    figures: Counter[tuple[str, str]] = Counter()
    wrong = []
    for call, true in world.unlinked():
        if call.best_lead_id is not None and call.best_confidence is not None:
            verdict = "right" if call.best_lead_id in true.leads else "trap" if true.trap else "wrong"
            figures[call.best_confidence, verdict] += 1
            if verdict == "wrong" and call.best_confidence in SURE:
                wrong.append((call.call_sid, true.kind, call.best_confidence, call.best_evidence))
    print("\nBest candidates by confidence", dict(sorted(figures.items())), *wrong[:20], sep="\n  ")
    right = sum(figures[sure, "right"] for sure in SURE)
    assert right >= 4_000
    assert len(wrong) <= 0.001 * (right + len(wrong))
    assert figures["certain", "wrong"] == figures["certain", "trap"] == 0


def test_causes_are_right(world: Measured) -> None:
    judged = [(call, true) for call, true in world.unlinked() if true.causes]
    wrong = Counter((min(true.causes), call.cause) for call, true in judged if call.cause not in true.causes)
    print(f"\n{len(judged)} causes, {wrong.total()} wrong: {dict(wrong)}")
    assert wrong.total() <= 0.02 * len(judged)


def test_links_that_are_right_are_not_suspect(world: Measured) -> None:
    figures: Counter[tuple[str, str]] = Counter()
    for sid, true in world.truth.items():
        if true.linked is not None:
            right = "right" if true.linked in true.leads else "wrong"
            figures[right, world.calls[sid].suspect or "not suspect"] += 1
    print(f"\nLinks {dict(figures)}")
    suspected = sum(
        number for (right, suspect), number in figures.items() if right == "right" and suspect != "not suspect"
    )
    assert suspected <= 0.01 * sum(number for (right, _), number in figures.items() if right == "right")
