"""What people read on a terminal: aligned whatever the alphabet, one line a row, nothing that steers the terminal."""

from datetime import UTC, datetime
from typing import Any

from core.cli import text
from core.linking import BatchUndo, Check, Rebuilt, SkippedUndo, WorklistPage
from core.model.records import Call, LinkEvent

FIGURES: dict[str, Any] = {
    "calls": 10,
    "linked": 4,
    "current": 3,
    "history": 1,
    "unlinked": 5,
    "unlinked_by_cause": {"no_numbers": 1, "missed_match": 4},
    "pending": 0,
    "set_aside": 1,
    "conflicts": None,
    "suspect": None,
    "stuck": None,
    "dangling": None,
    "oldest_unlinked_at": None,
}
EVENT: dict[str, Any] = {
    "id": 7,
    "at": None,
    "actor": "maria",
    "source": "person",
    "action": "unlink",
    "call_sid": "CA1",
    "lead_id": 5,
    "before": {"call_lead": 5, "set_aside": False, "by_hand": False, "leads": {"5": "CA1"}},
    "after": {"call_lead": None, "set_aside": False, "by_hand": True, "leads": {"5": None}},
}


def test_columns_align_with_wide_and_combining_characters() -> None:
    table = text.table(("name", "n"), [("山田", 1), ("e\u0301va", 22), ("Ada", 3)], right=(1,))
    assert table.splitlines() == ["name   n", "山田   1", "e\u0301va   22", "Ada    3"]


def test_a_cell_is_one_short_line() -> None:
    (_, row) = text.table(("x",), [("a\nb\x1b[2J" + "y" * 200,)]).splitlines()
    assert len(row) == text.WIDEST_CELL
    assert row.startswith("a b")
    assert "\x1b" not in row


def test_figures_without_a_rule_are_not_shown() -> None:
    told = text.overview(FIGURES)
    assert "conflicts" not in told
    assert "linked                  4 (40.0%)" in told
    assert told.index("missed_match") < told.index("no_numbers"), "the largest cause first"
    assert "conflicts               0" in text.overview({**FIGURES, "conflicts": 0})


def test_an_empty_worklist_says_so() -> None:
    assert text.worklist(WorklistPage((), None), 0, None) == "No calls."
    assert text.worklist(WorklistPage((), None), 3, None) == "No more calls (3 in all)."


def test_a_call_of_which_nothing_is_known_has_dashes() -> None:
    call = Call(call_sid="CA1", state="unlinked", started_at=datetime(2026, 3, 1, tzinfo=UTC))
    row = text.worklist(WorklistPage((call,), None), 1, None).splitlines()[1]
    assert row.split() == ["CA1", "2026-03-01", "00:00:00", "-", "-", "-", "-", "-", "-"]


def test_an_event_shows_every_slot_that_changes_and_the_way_back() -> None:
    told = text.event(LinkEvent.from_row(EVENT), ["Lead 5 may be dialled."])
    assert told.splitlines() == [
        "maria unlinked call CA1 from lead 5.",
        "  lead 5: current call CA1 -> none",
        "  Note: Lead 5 may be dialled.",
        "Event 7. To take it back: python -m core undo 7",
    ]


def test_a_batch_lists_what_was_skipped_and_why() -> None:
    event = LinkEvent.from_row(EVENT)
    told = text.batch(BatchUndo("b", (event,), (SkippedUndo(event, "stale", "It moved on."),)))
    assert "1 undone, 1 skipped (batch b)." in told
    assert "skipped  event 7, call CA1: It moved on." in told


def test_a_rebuild_names_what_differed_by_column() -> None:
    row = {
        "kind": "roll-up",
        "key": "CA1",
        "should_be": {"duration": 61, "first_at": 1},
        "is_now": {"duration": 5, "x": 1},
    }
    told = text.rebuilt(Rebuilt((row, {**row, "should_be": None}), 1, 0, 0, 0, 2))
    assert "duration 61" in told.splitlines()[1]
    assert "duration 5" in told.splitlines()[1]
    assert "1 summaries, 0 links, 0 slots and 2 causes put right" in told


def test_only_red_checks_show_their_fix() -> None:
    told = text.checks([Check("a", True, "Fine.", "unused"), Check("b", False, "Broken.", "mend it")])
    assert "unused" not in told
    assert "FAIL  b: Broken.\n      fix: mend it" in told
    assert told.endswith("2 checks, 1 failed.")
