"""``search``, ``ticket``, ``export``, ``own-numbers`` and ``undo --batch --preview`` on the command line."""

import csv
import io
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.database.outside import Connection, add_call, add_lead, sid
from tests.database.test_cli import Outcome, run

__all__ = ["run"]

Run = Callable[..., Outcome]
THEIRS, OURS = "+14155550142", "+14155550000"


@pytest.fixture
def pair(connection: Connection) -> tuple[str, int]:
    """A call to a lead's number, not linked."""
    lead = add_lead(connection, "=Ada", THEIRS, created_at="2026-01-01")
    add_call(connection, 1, direction="outbound-api", from_number=OURS, to_number=THEIRS, created_at="2026-01-02")
    return sid(1), lead


def test_search_finds_calls_and_leads(run: Run, pair: tuple[str, int]) -> None:
    hits = run("--json", "search", "415 555 0142").json
    assert [call["call_sid"] for call in hits["calls"]] == [pair[0]] and [lead["id"] for lead in hits["leads"]] == [
        pair[1]
    ]
    told = run("search", "Ada")
    assert told.code == 0 and "=Ada" in told.out
    assert "Nothing fits" in run("search", "nobody").out
    assert run("search", " ").code == 2
    assert run("search", "Ada", "--limit", "0").code == 2


def test_a_ticket_masks_numbers_unless_told(run: Run, pair: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    masked = run("ticket", pair[0])
    assert masked.code == 0 and pair[0] in masked.out and THEIRS not in masked.out and "…0142" in masked.out
    assert "Page:" not in masked.out
    monkeypatch.setenv("PUBLIC_URL", "https://console.example.com")
    whole = run("--json", "ticket", pair[0], "--full-numbers").json
    assert THEIRS in whole["text"] and f"https://console.example.com/lookup?q={pair[0]}" in whole["text"]
    assert run("ticket", sid(77)).code == 3
    assert run("ticket", "x" * 60).code == 2


def test_a_worklist_as_csv(run: Run, pair: tuple[str, int], tmp_path: Path) -> None:
    printed = run("export")
    rows = list(csv.DictReader(io.StringIO(printed.out.lstrip("\ufeff"))))
    assert [row["call_sid"] for row in rows] == [pair[0]]
    assert rows[0]["counterpart"] == THEIRS and rows[0]["best_lead_name"] == "'=Ada"
    assert printed.out.startswith("\ufeff") and "\r\n" in printed.out and "\ufffd" not in printed.out
    assert run("--json", "export").json == {"csv": printed.out}
    assert len(run("export", "--cause", "withheld_caller").out.splitlines()) == 1

    file = tmp_path / "calls.csv"
    assert run("--json", "export", "--out", file).json == {"file": str(file), "calls": 1}
    assert file.read_bytes().decode() == printed.out
    again = run("export", "--out", file)
    assert again.code == 2 and "exists already" in again.err
    assert run("export", "--out", tmp_path / "no" / "calls.csv").code == 2
    assert run("export", "--cause", "bad luck").code == 2


def test_numbers_and_conflicts_as_csv(run: Run, pair: tuple[str, int], connection: Connection, tmp_path: Path) -> None:
    numbers = list(csv.DictReader(io.StringIO(run("export", "--by-number").out.lstrip("\ufeff"))))
    assert [(row["counterpart"], row["calls"]) for row in numbers] == [(THEIRS, "1")]
    file = tmp_path / "numbers.csv"
    assert run("--json", "export", "--by-number", "--out", file).json == {"file": str(file), "numbers": 1}

    add_call(connection, 2, call_sid=f"{sid(1)} ", created_at="2026-01-02")
    listed = run("--json", "conflicts").json["items"]
    conflicts = list(csv.DictReader(io.StringIO(run("export", "--conflicts").out.lstrip("\ufeff"))))
    assert listed and [row["kind"] for row in conflicts] == [item["kind"] for item in listed]
    for words in (
        ("--conflicts", "--cause", "unknown"),
        ("--conflicts", "--by-number"),
        ("--by-number", "--view", "stuck"),
    ):
        refused = run("export", *words)
        assert refused.code == 2 and ("--conflicts" in refused.err or "--view" in refused.err)


def test_a_file_that_cannot_be_finished_is_not_left(tmp_path: Path) -> None:
    from core.cli import exports

    def lines():  # type: ignore[no-untyped-def]
        yield "one line"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        exports._write(tmp_path / "calls.csv", lines())
    assert list(tmp_path.iterdir()) == []


def test_own_numbers_are_listed_and_said(run: Run, pair: tuple[str, int]) -> None:
    assert run("--json", "own-numbers").json == [{"number": OURS, "source": "data", "calls": 1, "confirmed": None}]
    assert "to be confirmed" in run("own-numbers").out
    for verb, said in (("confirm", True), ("deny", False), ("clear", None)):
        assert run("--json", "own-numbers", verb, "(415) 555-0000").json["confirmed"] is said
    assert run("own-numbers", "confirm", THEIRS).code == 3
    for words in (("confirm",), ("approve", OURS)):
        assert run("own-numbers", *words).code == 2


def test_a_batch_is_looked_at_before_it_is_undone(run: Run, pair: tuple[str, int]) -> None:
    batch = str(uuid.uuid4())
    from core.app import build
    from core.linking import Options
    from core.settings import Settings

    app = build(Settings.load())
    app.linking.link(*pair, Options(batch_id=batch))
    app.close()
    seen = run("--json", "undo", "--batch", batch, "--preview").json
    assert seen["preview"] and [each["call_sid"] for each in seen["would_undo"]] == [pair[0]] and seen["skipped"] == []
    assert "1 would be undone, 0 skipped. Nothing was written." in run("undo", "--batch", batch, "--preview").out
    assert len(run("--json", "undo", "--batch", batch).json["undone"]) == 1
    skipped = run("--json", "undo", "--batch", batch, "--preview").json
    assert skipped["would_undo"] == [] and skipped["skipped"][0]["code"] == "not_allowed"
    assert run("undo", "5", "--preview").code == 2
    assert run("undo", "--batch", str(uuid.uuid4()), "--preview").code == 3
