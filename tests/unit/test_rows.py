"""Times without a zone in the customer's rows are UTC, and say so when they are handed out."""

from core.model.rows import all_in_utc, in_utc


def test_naive_times_are_marked_and_nothing_else_is_touched() -> None:
    row = {
        "created_at": "2026-03-01T09:00:00.5",
        "timestamp": "2026-03-01T09:00:00",
        "updated_at": "2026-03-01T09:00:00+00:00",
        "last_contacted_at": None,
        "message": "2026-03-01T09:00:00",
        "judged_at": 5,
    }
    assert in_utc(row) == {**row, "created_at": "2026-03-01T09:00:00.5+00:00", "timestamp": "2026-03-01T09:00:00+00:00"}
    assert all_in_utc(None) == ()
