"""A pass through the worklist: its order, its place while others work, what is left, and what somebody did today."""

from datetime import UTC, datetime, timedelta

import pytest

from core.app import App
from core.errors import BadInput
from core.linking import Draft, Linking, Options, WorklistFilter
from tests.database.outside import Connection, add_call, add_lead, sid

START = datetime(2026, 3, 1, tzinfo=UTC)
ALL = WorklistFilter()


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


@pytest.fixture
def calls(linking: Linking, connection: Connection) -> list[str]:
    """Five calls, newest first; two of them started in the same second."""
    found = [add_call(connection, n, at=START + timedelta(hours=n // 2)) for n in range(5)]
    linking.judge()
    return found[::-1]


def walk(linking: Linking, wanted: WorklistFilter = ALL, **options: str) -> list[tuple[str, int]]:
    seen, turn = [], linking.triage(wanted, **options)
    while turn.call is not None:
        seen.append((turn.call.call_sid, turn.left))
        following = turn.following
        turn = linking.triage(wanted, after=turn.call, **options)
        assert (turn.call.call_sid if turn.call else None) == following
    assert turn.left == 0
    return seen


def test_the_worklists_order_counted_down(linking: Linking, calls: list[str]) -> None:
    assert walk(linking) == [(calls[n], 5 - n) for n in range(5)]
    assert [call.call_sid for call in linking.worklist(ALL).items] == calls


def test_new_calls_do_not_shift_the_place(linking: Linking, connection: Connection, calls: list[str]) -> None:
    second = linking.triage(ALL, after=linking.triage(ALL).call)
    add_call(connection, 50, at=START + timedelta(days=2))
    again = linking.triage_at(ALL, second.call)
    assert (again.call.call_sid, again.left, again.following) == (calls[1], 4, calls[2])


def test_the_place_outlives_the_call(linking: Linking, connection: Connection, calls: list[str]) -> None:
    first = linking.triage(ALL).call
    lead = add_lead(connection)
    linking.link(calls[0], lead)
    linking.set_aside(calls[1])
    turn = linking.triage(ALL, after=first)
    assert (turn.call.call_sid, turn.left) == (calls[2], 3)
    assert linking.triage_at(ALL, first).left == 3


def test_only_so_sure(linking: Linking, connection: Connection, calls: list[str]) -> None:
    add_lead(connection, "Ann", "+14155550777", created_at=START - timedelta(days=30))
    sure = add_call(connection, 9, counterpart="+14155550777", at=START)
    linking.judge()
    assert walk(linking, confidence="high") == [(sure, 1)]
    assert [call for call, _ in walk(linking, confidence="none")] == calls
    assert walk(linking, WorklistFilter(cause="missed_match")) == [(sure, 1)]
    assert walk(linking, WorklistFilter(text=sid(9)), confidence="high") == [(sure, 1)]
    with pytest.raises(BadInput, match="confidence is 'very'"):
        linking.triage(ALL, confidence="very")


def test_what_was_done_today(linking: Linking, connection: Connection, calls: list[str]) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    lead, dana = add_lead(connection), Options(actor=linking._actor())
    linked = linking.link(calls[0], lead, dana)
    linking.set_aside(calls[1], dana)
    linking.link(calls[2], lead, Options(actor="somebody else"))
    made = linking.create_lead(calls[3], Draft(phone="+14155550199"), dana)
    mine = linking.work_since(before)
    assert (mine.linked, mine.set_aside) == (2, 1)
    assert [event.call_sid for event in mine.events] == [calls[3], calls[1], calls[0]]
    linking.undo(linked.id)
    linking.undo(made.id)
    assert (linking.work_since(before).linked, linking.work_since(before).set_aside) == (0, 1)
    assert linking.work_since(datetime.now(UTC) + timedelta(seconds=5)).events == ()
