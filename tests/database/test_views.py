"""The other worklists: suspect links judged and kept up to date, stuck and dangling calls, calls by number, export."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.app import App
from core.errors import BadInput
from core.linking import Linking, Options, WorklistFilter
from core.linking.worklist import View
from core.settings import Settings
from core.store.postgres import PostgresGateway
from tests.database import captured
from tests.database.outside import Connection, add_call, add_lead, say, sid

NUMBER, OTHER, THIRD = "+14155550199", "+14155550188", "+14155550177"
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


def listed(linking: Linking, view: View, size: int = 50, **wanted: Any) -> list[str]:
    """Every SID of a view, all its pages after each other, judged first."""
    linking.judge()
    seen: list[str] = []
    after = None
    while True:
        page = linking.worklist(WorklistFilter(view=view, **wanted), limit=size, after=after)
        seen += [call.call_sid for call in page.items]
        if page.next is None:
            assert linking.count(WorklistFilter(view=view, **wanted)) == len(seen)
            return seen
        after = page.next


def suspect(linking: Linking, call_sid: str) -> str | None:
    linking.judge()
    return linking.call(call_sid).suspect


def outside(connection: Connection, number: int, lead: int, **columns: Any) -> str:
    """A call that another program linked to a lead."""
    call = add_call(connection, number, **columns)
    connection.execute("update leads set call_sid = %s where id = %s", [call, lead])
    return call


# Suspect links -------------------------------------------------------------------------------------------------------


def test_the_worst_come_first_with_the_better_lead(linking: Linking, connection: Connection) -> None:
    ann, bob, cleo = (
        add_lead(connection, name, phone) for name, phone in (("Ann", NUMBER), ("Bob", OTHER), ("Cleo", THIRD))
    )
    milder = outside(connection, 1, bob, counterpart="+14155550111", at="2026-03-09T09:00:00Z")
    worse = outside(connection, 2, cleo, counterpart=NUMBER, at="2026-03-01T09:00:00Z")
    outside(connection, 3, ann, counterpart=NUMBER)
    assert listed(linking, "suspect") == [worse, milder]
    page = linking.worklist(WorklistFilter(view="suspect"))
    first = page.items[0]
    assert (first.suspect, first.lead_id, first.best_lead_id, first.best_lead_name) == ("other_lead", cleo, ann, "Ann")
    assert page.details[worse].startswith(f"Lead {ann} (Ann) has +1 415-555-0199; it is linked to lead {cleo} (Cleo)")
    assert page.reasons[worse] == f"Lead {ann} (Ann) has exactly this number."
    assert "which no lead has" in page.details[milder]
    assert listed(linking, "suspect", cause="unknown_number") == [milder]
    assert listed(linking, "suspect", text="Cleo") == [worse]
    assert linking.overview()["suspect"] == 2
    assert linking.story(worse).detail == page.details[worse]


def test_pages_of_suspects_neither_repeat_nor_skip(linking: Linking, connection: Connection) -> None:
    add_lead(connection, "Ann", NUMBER)
    for number in range(9):
        lead = add_lead(connection, f"Lead {number}", OTHER)
        at = START + timedelta(minutes=number // 3)
        outside(connection, number, lead, counterpart=NUMBER if number % 2 else "+14155550111", at=at)
    whole = listed(linking, "suspect")
    assert len(whole) == 9
    words = [linking.call(each).suspect for each in whole]
    assert words == sorted(words, key=str)
    for size in (1, 2, 4):
        assert listed(linking, "suspect", size) == whole


def test_a_link_is_judged_anew_when_a_lead_changes(linking: Linking, connection: Connection) -> None:
    bob = add_lead(connection, "Bob", OTHER)
    call = outside(connection, 1, bob)
    assert suspect(linking, call) == "unknown_number"
    ann = add_lead(connection, "Ann", NUMBER)
    assert suspect(linking, call) == "other_lead"
    connection.execute("update leads set phone = %s where id = %s", [THIRD, ann])
    assert suspect(linking, call) == "unknown_number"
    connection.execute("update leads set phone = '(415) 555-0199' where id = %s", [bob])
    assert suspect(linking, call) is None
    connection.execute("update leads set phone = 'unknown' where id = %s", [bob])
    assert suspect(linking, call) is None
    connection.execute("update leads set phone = %s where id = %s", [OTHER, bob])
    assert suspect(linking, call) == "unknown_number"
    connection.execute("update leads set notes = %s where id = %s", [f"Outbound call {call} initiated", bob])
    assert suspect(linking, call) is None
    connection.execute("update leads set notes = null where id = %s", [bob])
    assert suspect(linking, call) == "unknown_number"
    linking.set_phone(bob, NUMBER)
    assert linking.call(call).suspect is None, "judged at once"


def test_what_a_person_links_is_not_suspect_until_another_program_moves_it(
    linking: Linking, connection: Connection
) -> None:
    ann, bob = add_lead(connection, "Ann", NUMBER), add_lead(connection, "Bob", OTHER)
    call = add_call(connection, 1)
    event = linking.link(call, bob)
    assert suspect(linking, call) is None
    connection.execute("update leads set call_sid = null where id = %s", [bob])
    connection.execute("update leads set call_sid = %s where id = %s", [call, ann])
    assert suspect(linking, call) is None, "it fits, and it was unlinked in between"
    connection.execute("update leads set call_sid = null where id = %s", [ann])
    third = add_call(connection, 3, at="2026-02-01T09:00:00Z")
    linking.link(third, bob)
    linking.link(add_call(connection, 4, counterpart=OTHER), bob)  # newer: the first is history now
    connection.execute("update leads set call_sid = %s where id = %s", [third, ann])
    assert suspect(linking, third) == "overruled"
    page = linking.worklist(WorklistFilter(view="suspect"))
    assert page.details[third] == (
        f"A person had linked it to lead {bob} (Bob), and another program moved it to lead {ann} (Ann)."
    )
    linking.confirm(third)
    assert suspect(linking, third) is None
    assert event is not None


def test_confirming_a_suspect_link_and_taking_that_back(linking: Linking, connection: Connection) -> None:
    add_lead(connection, "Ann", NUMBER)
    call = outside(connection, 1, add_lead(connection, "Bob", OTHER))
    assert suspect(linking, call) == "other_lead"
    event = linking.confirm(call, Options(reason="Bob called from Ann's phone"))
    assert event is not None and event.id is not None
    assert linking.call(call).suspect is None
    linking.undo(event.id)
    assert linking.call(call).suspect == "other_lead"


def test_undoing_a_persons_unlink_does_not_make_the_link_theirs(linking: Linking, connection: Connection) -> None:
    add_lead(connection, "Ann", NUMBER)
    call = outside(connection, 1, add_lead(connection, "Bob", OTHER))
    event = linking.unlink(call)
    assert event is not None and event.id is not None
    linking.undo(event.id)
    assert suspect(linking, call) == "other_lead"


def test_relinking_a_suspect_link_settles_it(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann", NUMBER)
    call = outside(connection, 1, add_lead(connection, "Bob", OTHER))
    assert suspect(linking, call) == "other_lead"
    linking.relink(call, ann)
    assert linking.call(call).suspect is None
    linking.unlink(call)
    assert (linking.call(call).suspect, linking.call(call).cause) == (None, "unlinked_by_hand")


def test_no_right_link_of_a_real_backend_is_suspect(db: str, captured_data: Path) -> None:
    captured.load(db, captured_data)
    gateway = PostgresGateway(db)
    linking = Linking(gateway, Settings())
    linking.judge()
    truth = captured.truth(captured_data)
    doubted = {
        call.call_sid: call.lead_id for call in linking.worklist(WorklistFilter(view="suspect"), limit=500).items
    }
    gateway.close()
    assert not [each for each, lead in doubted.items() if lead in truth[each]["acceptable_lead_ids"]]


# Stuck and dangling --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "age", "stuck"),
    [
        ({"call_status": "in-progress", "call_duration": None}, timedelta(hours=5), True),
        ({"call_status": "in-progress", "call_duration": None}, timedelta(hours=3), False),
        ({"call_status": "ringing", "call_duration": 12}, timedelta(minutes=10), True),
        ({"call_status": "ringing", "call_duration": None, "recording_sid": "RE1"}, timedelta(minutes=10), True),
        ({"call_status": "ringing", "call_duration": 12}, timedelta(minutes=1), False),
        ({"call_status": "completed", "call_duration": 12}, timedelta(days=1), False),
        ({"call_status": "no-answer", "call_duration": None}, timedelta(days=1), False),
        ({"call_status": "Completed", "call_duration": 12}, timedelta(days=1), False),
    ],
)
def test_stuck_calls(
    linking: Linking, connection: Connection, columns: dict[str, Any], age: timedelta, stuck: bool
) -> None:
    call = add_call(connection, 1, at=datetime.now(UTC) - age, **columns)
    assert listed(linking, "stuck") == ([call] if stuck else [])
    if stuck:
        (said,) = linking.worklist(WorklistFilter(view="stuck")).details.values()
        assert said.startswith(f"Its status is still “{columns['call_status']}”")


def test_dangling_links(linking: Linking, connection: Connection) -> None:
    lead = add_lead(connection, "Ann", call_sid=sid(7))
    add_lead(connection, "Bob", call_sid=add_call(connection, 1))
    said = add_lead(connection, "Cleo", call_sid=sid(8))
    assert listed(linking, "dangling", 1) == [sid(8), sid(7)]
    say(connection, sid(8), "user", "hello")
    assert listed(linking, "dangling") == [sid(7)]
    page = linking.worklist(WorklistFilter(view="dangling"))
    assert page.details[sid(7)] == f"Lead {lead} (Ann) names this call, and no event row or transcript knows it."
    assert said != lead


def test_filters_of_the_views(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, call_status="ringing")
    add_call(connection, 2, call_status="in-progress", inbound=True, counterpart=OTHER)
    assert len(listed(linking, "stuck")) == 2
    assert listed(linking, "stuck", direction="outbound") == [call]
    assert listed(linking, "stuck", status="ringing") == [call]
    assert listed(linking, "stuck", number=NUMBER) == [call]
    assert listed(linking, "stuck", text=call[-6:]) == [call]
    assert listed(linking, "stuck", since=START + timedelta(days=300)) == []
    unknown = {"view": "everything"}
    for wrong in ({"view": "stuck", "cause": "pending"}, {"view": "suspect", "cause": "pending"}, unknown):
        with pytest.raises(BadInput):
            linking.count(WorklistFilter(**wrong))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="cursor"):
        linking.worklist(WorklistFilter(view="suspect"), after=_cursor_of(linking))


def _cursor_of(linking: Linking) -> str:
    page = linking.worklist(WorklistFilter(view="stuck"), limit=1)
    assert page.next is not None
    return page.next


# By number -----------------------------------------------------------------------------------------------------------


def test_unlinked_calls_by_number(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann", NUMBER)
    for number in range(3):
        add_call(connection, number, at=START + timedelta(hours=number))
    add_call(connection, 3, inbound=True, at=START + timedelta(hours=9))
    add_call(connection, 4, counterpart=OTHER)
    add_call(connection, 5, counterpart=None)
    linking.link(add_call(connection, 6), ann)
    linking.set_aside(add_call(connection, 7))
    linking.judge()
    page = linking.by_number(WorklistFilter())
    assert (page.items[0].counterpart, page.items[0].calls) == (NUMBER, 4)
    assert {group.counterpart for group in page.items} == {NUMBER, OTHER, None}
    assert (page.total, page.calls, page.next) == (3, 6, None)
    first = page.items[0]
    assert (first.inbound, first.causes, first.best_lead_id, first.best_lead_name) == (
        1,
        {"missed_match": 4},
        ann,
        "Ann",
    )
    assert (first.oldest, first.newest) == (START, START + timedelta(hours=9))
    assert [group.counterpart for group in linking.by_number(WorklistFilter(cause="no_numbers")).items] == [None]
    assert [group.calls for group in linking.by_number(WorklistFilter(number=NUMBER, direction="inbound")).items] == [1]
    assert [group.calls for group in linking.by_number(WorklistFilter(number="5550199")).items] == [4]
    assert [group.calls for group in linking.by_number(WorklistFilter(text="0188")).items] == [1]
    hours = linking.by_number(WorklistFilter(since=START + timedelta(minutes=30), until=START + timedelta(hours=3)))
    assert (hours.total, hours.calls) == (1, 2)
    assert sum(group.calls for group in page.items) == linking.count(WorklistFilter())


@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_of_numbers_are_whole(linking: Linking, connection: Connection, size: int) -> None:
    for number in range(12):
        add_call(connection, number, counterpart=None if number == 11 else f"+1212555{100 + number % 7:04d}")
    linking.judge()
    seen, after = [], None
    while True:
        page = linking.by_number(WorklistFilter(), limit=size, after=after)
        seen += page.items
        after = page.next
        if after is None:
            break
    assert tuple(seen) == linking.by_number(WorklistFilter()).items
    assert len(seen) == page.total == 8
    for wrong in ("x", "", "W10", "WzEsMiwzXQ"):
        with pytest.raises(BadInput):
            linking.by_number(WorklistFilter(), after=wrong)


def test_pending_calls_are_grouped_by_name_only(linking: Linking, connection: Connection) -> None:
    add_call(connection, 1, at=datetime.now(UTC) - timedelta(seconds=5))
    linking.judge()
    assert linking.by_number(WorklistFilter()).total == 0
    assert linking.by_number(WorklistFilter(cause="pending")).calls == 1
    with pytest.raises(BadInput, match="only unlinked calls"):
        linking.by_number(WorklistFilter(view="stuck"))


# Export --------------------------------------------------------------------------------------------------------------


def test_the_whole_filtered_list_is_exported(
    linking: Linking, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.linking.export.ROWS_AT_ONCE", 4)
    add_lead(connection, '=HYPERLINK("http://x")', NUMBER)
    for number in range(11):
        add_call(connection, number, at=START + timedelta(minutes=number))
    add_call(connection, 20, counterpart=OTHER)
    linking.judge()
    text = "".join(linking.export(WorklistFilter(number=NUMBER)))
    table = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert [row["call_sid"] for row in table] == listed(linking, "unlinked", number=NUMBER)
    assert {row["counterpart"] for row in table} == {NUMBER}
    assert {row["best_lead_name"] for row in table} == {'\'=HYPERLINK("http://x")'}
    assert all(row["reason"].startswith("Lead ") and row["cause"] == "missed_match" for row in table)
    for view in ("suspect", "stuck", "dangling", "set_aside"):
        assert len(list(linking.export(WorklistFilter(view=view)))) == 1  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        linking.export(WorklistFilter(cause="nonsense"))
