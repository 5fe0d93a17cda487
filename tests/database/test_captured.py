"""The rules on rows captured from a real backend, against what is true of each call.

Four times: with all evidence that was captured, with the jobs only that the queue would still have, without Twilio's
numbers too, and with the database alone.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.model.call_sid import is_standard
from tests.database import trial
from tests.database.conftest import Cluster
from tests.database.trial import CONFIDENT, KINDS, Trial


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def world(request: pytest.FixtureRequest, pg18: Cluster, captured_data: Path) -> Iterator[Trial]:
    with pg18.database(pg18.migrated_database()) as url:
        found = trial.run(url, captured_data, request.param)
        with psycopg.connect(url) as connection:
            assert connection.execute("select count(*) from calls where judged_at is null").fetchone() == (0,)
            assert connection.execute("select count(*) from link_errors").fetchone() == (0,)
    print(f"\n{found.table()}")
    yield found


def test_every_unlinked_call_has_a_cause(world: Trial) -> None:
    assert {call.cause for call in world.unlinked}.isdisjoint({None, "unknown"})


def test_causes_are_what_the_truth_and_the_rows_say(world: Trial) -> None:
    assert len(world.wrong_causes) <= 0.02 * len(world.unlinked), world.wrong_causes


def test_no_own_number_is_a_counterpart(world: Trial) -> None:
    assert world.own == {"+14157780142", "+12127390164"}
    assert not [call for call in world.calls.values() if call.counterpart in world.own]


def test_the_first_candidate_is_the_true_lead_where_the_data_determine_it(world: Trial) -> None:
    missed = [sid for sid in world.determined if not world.first_is_right(sid)]
    assert len(missed) <= 0.05 * len(world.determined), missed


def test_no_confident_candidate_is_wrong_but_in_a_trap(world: Trial) -> None:
    """A trap is a call whose evidence, all of it, points at one wrong lead: a borrowed telephone, a caller unknown."""
    wrong = [(level, n) for (level, verdict), n in world.verdicts.items() if level in CONFIDENT and verdict == "wrong"]
    assert wrong == []
    assert world.verdicts["certain", "trap"] == 0


def test_most_calls_whose_lead_is_determined_may_be_linked_in_bulk(world: Trial) -> None:
    assert len(world.covered) >= 0.8 * len(world.open), world.left


def test_only_one_candidate_of_a_call_is_confident(world: Trial) -> None:
    for sid, found in world.candidates.items():
        assert sum(candidate.confidence in CONFIDENT for candidate in found) <= 1, sid


def test_no_rightly_linked_call_is_suspect(world: Trial) -> None:
    assert world.suspicions[0] == []


def test_evidence_names_the_row_it_comes_from_and_copies_no_number(world: Trial) -> None:
    tables = ("leads/", "link_events/", "job_results/", "conversation_transcripts/", "calls/")
    for sid, found in world.candidates.items():
        assert is_standard(sid)
        for item in (item for candidate in found for item in (*candidate.evidence, *candidate.against)):
            assert item.source.startswith(tables), item
            assert item.detail.endswith((".", "?")), item


def test_the_judgement_written_is_the_candidate_shown(world: Trial) -> None:
    for call in world.unlinked:
        found = world.candidates[call.call_sid]
        assert call.candidate_count == len(found)
        best = found[0] if found else None
        assert call.best_lead_id == (best.lead_id if best else None)
        assert call.best_confidence == (best.confidence if best else None)
