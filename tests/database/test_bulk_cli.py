"""``reconcile`` as scripts see it: the contract's JSON, exit codes, and what people read."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from core.cli import main
from tests.database import bulk_town as town

Connection = psycopg.Connection[Any]
Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command: exit code, stdout (parsed with ``--json``) and stderr."""
    monkeypatch.setenv("DATABASE_URL", db)

    def words(*argv: str) -> tuple[int, Any, str]:
        code = main(argv)
        told = capsys.readouterr()
        return code, json.loads(told.out) if "--json" in argv and told.out else told.out, told.err

    return words


def test_it_says_what_it_would_do_then_does_it_and_undo_takes_it_back(run: Run, connection: Connection) -> None:
    ana, ben = town.lead(connection, 1), town.lead(connection, 2, status="new")
    new, old, other = (town.call(connection, n, party, days=n) for n, party in ((1, 1), (2, 1), (3, 2)))
    town.call(connection, 4, 99, days=4)
    town.call(connection, 5, 1, days=0)
    linked = [
        {"call_sid": new, "lead_id": ana, "confidence": "high", "as": "current"},
        {"call_sid": old, "lead_id": ana, "confidence": "high", "as": "history"},
        {"call_sid": other, "lead_id": ben, "confidence": "high", "as": "current"},
    ]
    skipped = {"pending": 1, "no_candidate": 1}

    code, would, _ = run("reconcile", "--json")
    assert (code, would) == (0, {"applied": False, "batch_id": None, "linked": linked, "skipped": skipped})
    assert connection.execute("select count(*) from link_events").fetchone() == (0,)

    code, did, said = run("reconcile", "--apply", "--json")
    batch = did["batch_id"]
    assert (code, did) == (0, {"applied": True, "batch_id": batch, "linked": linked, "skipped": skipped})
    assert batch in said and "3 of 3" in said

    code, nothing, _ = run("reconcile", "--apply", "--json")
    assert (code, nothing["applied"], nothing["batch_id"], nothing["linked"]) == (0, True, None, [])

    code, undone, said = run("undo", "--batch", batch, "--json")
    assert (code, len(undone["undone"]), undone["skipped"]) == (0, 3, [])
    assert "3 of 3" in said and "0 skipped" in said, "how far it is goes to stderr"


def test_for_people(run: Run, connection: Connection) -> None:
    town.lead(connection, 1, status="new")
    town.call(connection, 1, 1, days=1)
    town.call(connection, 2, 99, days=2)

    _, text, _ = run("reconcile")
    assert "1 call would be linked: 1 as current, 0 as history." in text
    assert "has exactly this number" in text and "no candidate" in text and "Nothing was written." in text
    assert "1 new lead of theirs would not be dialled" in text

    _, text, _ = run("reconcile", "--apply")
    assert "1 call linked: 1 as current" in text and "undo --batch" in text

    _, text, _ = run("reconcile")
    assert text.startswith("Nothing to link.")


def test_it_judges_first(run: Run, connection: Connection) -> None:
    town.lead(connection, 1)
    town.call(connection, 1, 1, days=1)
    assert connection.execute("select cause from calls").fetchone() == (None,)
    assert len(run("reconcile", "--cause", "missed_match", "--json")[1]["linked"]) == 1


def test_a_limit_a_call_and_filters(run: Run, connection: Connection) -> None:
    for number in (1, 2, 3):
        town.lead(connection, number)
        town.call(connection, number, number, days=number)

    def linked(*words: str) -> list[str]:
        return [pair["call_sid"] for pair in run("reconcile", "--json", *words)[1]["linked"]]

    assert linked("--limit", "2") == [town.sid(1), town.sid(2)]
    assert linked("--call", town.sid(3)) == [town.sid(3)]
    assert linked("--number", town.phone(2)) == [town.sid(2)]
    assert linked("--direction", "outbound") == []
    assert linked("--min-confidence", "certain") == []


@pytest.mark.parametrize(
    "words",
    [
        ("--min-confidence", "medium"),
        ("--min-confidence", "low"),
        ("--min-confidence", ""),
        ("--limit", "0"),
        ("--limit", "ten"),
        ("--cause", "nonsense"),
        ("--call", "\x00"),
        ("--call", "CA1", "--cause", "unknown"),
        ("--batch", "nonsense", "--apply"),
        ("--batch", "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77"),
        ("--batch", "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77", "--apply", "--limit", "3"),
        ("--reason", " ", "--apply"),
    ],
)
def test_bad_input_is_2_and_says_so(run: Run, words: tuple[str, ...]) -> None:
    code, _, said = run("reconcile", *words)
    assert code == 2 and said.startswith("error: ") and len(said.splitlines()) == 1


def test_a_batch_that_there_is_not_is_3(run: Run) -> None:
    assert run("reconcile", "--apply", "--batch", "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77")[0] == 3
