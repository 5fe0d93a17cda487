"""The worklist: what it shows, its filters, and paging that stays right while calls come and go."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.app import App
from core.errors import BadInput
from core.linking import Linking, Options, WorklistFilter
from core.settings import Settings
from core.store.postgres import PostgresGateway
from tests.database.outside import Connection, add_call, add_lead, say, sid

START = datetime(2026, 3, 1, tzinfo=UTC)


def listed(app: App, limit: int = 50, **wanted: Any) -> list[str]:
    """The SIDs of a worklist's first page, judged first."""
    app.linking.judge()
    return [call.call_sid for call in app.linking.worklist(WorklistFilter(**wanted), limit=limit).items]


def pages(linking: Linking, size: int, between: Any = lambda: None) -> list[str]:
    """All pages after each other; ``between`` runs between two of them."""
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = linking.worklist(WorklistFilter(), limit=size, after=cursor)
        seen += [call.call_sid for call in page.items]
        if page.next is None:
            return seen
        cursor = page.next
        between()


def test_newest_first_and_by_bytes_within_one_start(app: App, connection: Connection) -> None:
    for call_sid in ("CAb", "CAB", "CAa", "CA_", "CA1"):
        add_call(connection, 0, call_sid=call_sid, at=START)
    add_call(connection, 7, at=START + timedelta(microseconds=1))
    assert listed(app) == [sid(7), "CAb", "CAa", "CA_", "CAB", "CA1"]
    assert pages(app.linking, 2) == listed(app)


def test_pages_neither_repeat_nor_skip_while_calls_arrive_and_leave(app: App, connection: Connection) -> None:
    known = [add_call(connection, number, at=START + timedelta(minutes=number // 3)) for number in range(30)]
    lead = add_lead(connection)
    arrivals = iter(range(100, 200))

    def disturb() -> None:
        add_call(connection, next(arrivals), at=START + timedelta(days=1))
        app.linking.link(known[29], lead) if next(arrivals) == 101 else None

    seen = pages(app.linking, 7, disturb)
    assert [call for call in seen if call in known] == list(reversed(known))
    assert len(seen) == len(set(seen))


def test_a_page_larger_than_one_read_is_whole(
    app: App, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.linking.worklist.LARGEST_READ", 4)
    for number in range(11):
        add_call(connection, number, at=START + timedelta(minutes=number))
    for size in (3, 4, 5, 8, 10, 11, 12):
        page = app.linking.worklist(WorklistFilter(), limit=size)
        assert [call.call_sid for call in page.items] == [sid(n) for n in range(10, -1, -1)][:size]
        assert (page.next is None) == (size >= 11)


def test_linked_and_set_aside_calls_are_not_on_it(app: App, connection: Connection) -> None:
    lead = add_lead(connection)
    linked, aside, left = (add_call(connection, number) for number in range(3))
    app.linking.link(linked, lead)
    app.linking.set_aside(aside, Options(reason="spam"))
    assert listed(app) == [left]
    assert listed(app, view="set_aside") == [aside]
    assert app.linking.count(WorklistFilter()) == 1


def test_pending_calls_are_listed_by_name_only(db: str, connection: Connection) -> None:
    clock = datetime.now(UTC)
    add_call(connection, 1, at=clock - timedelta(seconds=60))
    add_call(connection, 2, at=clock - timedelta(seconds=120))
    gateway = PostgresGateway(db)
    linking = Linking(gateway, Settings(link_grace_seconds=120), now=lambda: clock)
    linking.judge()
    (pending,) = linking.worklist(WorklistFilter(cause="pending")).items
    assert (pending.call_sid, pending.cause) == (sid(1), "pending")
    assert [call.call_sid for call in linking.worklist(WorklistFilter()).items] == [sid(2)]
    assert linking.story(sid(1)).cause == "pending"
    later = Linking(gateway, Settings(link_grace_seconds=120), now=lambda: clock + timedelta(seconds=60))
    assert later.count(WorklistFilter(cause="pending")) == 0
    assert later.count(WorklistFilter()) == 2
    gateway.close()


def test_each_call_has_its_cause_and_the_best_reason_as_sentences(app: App, connection: Connection) -> None:
    lead = add_lead(connection, "Ada", "(415) 555-0199", created_at="2026-01-01")
    call = add_call(connection, 1)
    add_call(connection, 2, counterpart=None, at="2026-02-01")
    app.linking.judge()
    page = app.linking.worklist(WorklistFilter())
    assert [item.cause for item in page.items] == ["format_mismatch", "own_numbers_only"] or page.items[1].cause
    assert page.details[call] == f"Lead {lead} (Ada) has this number, written (415) 555-0199."
    assert "(415) 555-0199" in page.reasons[call]
    assert page.items[0].best_lead_id == lead
    connection.execute("update leads set phone = '+14155550199' where id = %s", [lead])
    assert "(415) 555-0199" not in app.linking.worklist(WorklistFilter()).details[call], "sentences are made when read"


def test_every_filter(app: App, connection: Connection) -> None:
    add_lead(connection, "Ada Lovelace", "+14155550199", created_at="2026-01-01")
    outbound = add_call(connection, 1, at="2026-03-01T10:00:00Z")
    inbound = add_call(connection, 2, inbound=True, counterpart="+442079460123", at="2026-03-02T10:00:00Z")
    missed = add_call(connection, 3, counterpart="+14155550123", call_status="no-answer", at="2026-03-03T10:00:00Z")
    say(connection, inbound, "user", "Where is my 100% refund_note?")
    everything = [missed, inbound, outbound]
    assert listed(app) == everything
    assert listed(app, cause="missed_match") == [outbound]
    assert listed(app, cause="no_matching_lead") == [missed, inbound]
    assert listed(app, direction="inbound") == [inbound]
    assert listed(app, direction="outbound") == [missed, outbound]
    assert listed(app, status="no-answer") == [missed]
    assert listed(app, status="NO-ANSWER") == [missed]
    assert listed(app, number="(415) 555-0199") == [outbound]
    assert listed(app, number="020 7946 0123") == []
    assert listed(app, number="+44 20 7946 0123") == [inbound]
    assert listed(app, number="7946") == [inbound]
    assert listed(app, number="+1 415 555 0100") == [missed, inbound, outbound], "our own number is on every call"
    assert listed(app, text="refund_note") == [inbound]
    assert listed(app, text="100% r") == [inbound]
    assert listed(app, text="refundXnote") == []
    assert listed(app, text="lovelace") == [outbound]
    assert listed(app, text=missed[-5:]) == [missed]
    assert listed(app, text="'; drop table calls; --") == []
    assert listed(app, since=datetime(2026, 3, 2, 10, tzinfo=UTC)) == [missed, inbound]
    assert listed(app, until=datetime(2026, 3, 2, 10, tzinfo=UTC)) == [outbound]
    assert listed(app, since=datetime(2026, 3, 2), until=datetime(2026, 3, 3)) == [inbound]
    assert listed(app, cause="no_matching_lead", direction="inbound", text="refund", number="+442079460123") == [
        inbound
    ]
    assert app.linking.count(WorklistFilter(direction="outbound")) == 2


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "bm9uc2Vuc2U",
        "W10",
        "WzEsMl0",
        "W251bGwsbnVsbF0",
        "🙂",
        "=" * 5000,
        "eyJhIjoxfQ",
        "WyIyMDI2LTAzLTAxIiwiIl0",
    ],
)
def test_a_cursor_that_nobody_gave_is_refused(app: App, cursor: str) -> None:
    with pytest.raises(BadInput, match=r"^cursor is .*expected the value of `next`"):
        app.linking.worklist(WorklistFilter(), after=cursor)


def test_a_search_is_paged_like_the_rest(app: App, connection: Connection) -> None:
    for number in range(5):
        say(connection, add_call(connection, number), "user", "refund please" if number != 2 else "hello")
    first = app.linking.worklist(WorklistFilter(text="refund"), limit=3)
    second = app.linking.worklist(WorklistFilter(text="refund"), limit=3, after=first.next)
    assert [call.call_sid for call in (*first.items, *second.items)] == [sid(4), sid(3), sid(1), sid(0)]
    assert second.next is None
    assert app.linking.count(WorklistFilter(text="refund")) == 4


def test_a_cursor_outlives_its_call(app: App, connection: Connection) -> None:
    for number in range(3):
        add_call(connection, number, at=START + timedelta(minutes=number))
    first = app.linking.worklist(WorklistFilter(), limit=1)
    connection.execute("delete from call_events where call_sid = %s", [sid(2)])
    assert [call.call_sid for call in app.linking.worklist(WorklistFilter(), after=first.next).items] == [
        sid(1),
        sid(0),
    ]


def test_the_count_equals_the_list_and_the_overview(app: App, connection: Connection) -> None:
    add_lead(connection, "Ada", "+14155550199", created_at="2026-01-01")
    for number in range(5):
        add_call(connection, number)
    app.linking.judge()
    figures = app.linking.overview()
    assert figures["unlinked"] == app.linking.count(WorklistFilter()) == len(listed(app)) == 5
    assert figures["unlinked_by_cause"] == {"missed_match": app.linking.count(WorklistFilter(cause="missed_match"))}


def test_the_trend_has_a_row_for_every_day_of_the_zone(db: str, connection: Connection) -> None:
    add_call(connection, 1, at="2026-03-01T23:30:00Z")
    add_call(connection, 2, at="2026-03-03T00:30:00Z")
    gateway = PostgresGateway(db)
    linking = Linking(gateway, Settings(), now=lambda: datetime(2026, 3, 3, 12, tzinfo=UTC))
    days = linking.per_day(3, "Europe/Berlin")
    assert [(row["day"], row["unlinked"]) for row in days] == [("2026-03-01", 0), ("2026-03-02", 1), ("2026-03-03", 1)]
    assert [row["unlinked"] for row in linking.per_day(3, "UTC")] == [1, 0, 1]
    with pytest.raises(BadInput, match=r"^zone is 'Nowhere'"):
        linking.per_day(3, "Nowhere")
    gateway.close()


def test_a_page_is_one_read_whatever_its_sentences_name(
    app: App, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = add_lead(connection, "Gone", "+14155550109")
    one, other = (add_lead(connection, name, "+14155550101") for name in ("Ann", "Bo"))
    add_lead(connection, "Cy", "(415) 555-0102")
    for place, number in enumerate(("+14155550101", "+14155550102", "+14155550109")):
        add_call(connection, place, counterpart=number)
    app.linking.judge()
    connection.execute("delete from leads where id = %s", [gone])
    reads: list[str] = []
    select = PostgresGateway.select

    def noted(self: PostgresGateway, relation: str, **rest: Any) -> list[dict[str, Any]]:
        reads.append(relation)
        return select(self, relation, **rest)

    monkeypatch.setattr(PostgresGateway, "select", noted)
    page = app.linking.worklist(WorklistFilter())
    assert reads == ["worklist_calls"]
    assert f"Leads {one} (Ann) and {other} (Bo) have this number" in " ".join(page.details.values())
    assert "Cy" in " ".join(page.details.values())
    assert "gone meanwhile" in " ".join(page.details.values())


WORDS = WorklistFilter(text="thursday at nine")


def test_a_text_is_looked_for_in_portions(app: App, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.linking.worklist.FIRST_LOOK", 3)
    monkeypatch.setattr("core.linking.worklist.MOST_LOOKED", 4)
    for number in range(40):
        add_call(connection, number, at=START + timedelta(minutes=number // 2))
        say(connection, sid(number), "user", "Thursday at nine, please." if number % 3 == 0 else "Friday.")
    app.linking.judge()
    newest_first = [sid(number) for number in range(39, -1, -1) if number % 3 == 0]
    for size in (1, 2, 3, 5, 13, 14, 50):
        seen, cursor = list[str](), None
        while True:
            page = app.linking.worklist(WORDS, limit=size, after=cursor)
            assert page.searched_to is None
            assert len(page.items) <= size
            seen += [call.call_sid for call in page.items]
            cursor = page.next
            if cursor is None:
                break
        assert sorted(seen) == sorted(newest_first)
        assert seen == [call.call_sid for call in app.linking.worklist(WORDS, limit=50).items]
    assert app.linking.count(WORDS) == 14


def test_a_search_that_ran_out_of_time_says_how_far_it_came(
    app: App, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.linking.worklist.FIRST_LOOK", 4)
    for number in range(12):
        add_call(connection, number, at=START + timedelta(minutes=number))
    say(connection, sid(2), "user", "Thursday at nine, please.")
    app.linking.judge()
    page = app.linking.worklist(WORDS, seconds=0)
    assert (page.items, page.searched_to) == ((), START + timedelta(minutes=8))
    page = app.linking.worklist(WORDS, after=page.next, seconds=0)
    assert (page.items, page.searched_to) == ((), START + timedelta(minutes=4))
    page = app.linking.worklist(WORDS, after=page.next, seconds=0)
    assert [call.call_sid for call in page.items] == [sid(2)]
    last = app.linking.worklist(WORDS, after=page.next, seconds=0)
    assert (last.items, last.next, last.searched_to) == ((), None, None)


def test_a_search_keeps_to_the_other_filters(app: App, connection: Connection) -> None:
    for number, way in enumerate(("inbound", "outbound-api", "inbound")):
        add_call(connection, number, direction=way, at=START + timedelta(days=number))
        say(connection, sid(number), "user", "Thursday at nine, please.")
    app.linking.judge()
    assert listed(app, text="thursday", direction="inbound") == [sid(2), sid(0)]
    assert listed(app, text="thursday", until=START + timedelta(days=1)) == [sid(0)]
    assert listed(app, text="thursday", number="+14155550199", view="all") == listed(app, number="+14155550199")
    assert listed(app, text="%") == []
    assert listed(app, text="'; drop table calls; --") == []


@pytest.mark.parametrize("digits", ["555019", "4155550199", "999999"])
def test_part_of_a_number_finds_the_same_with_and_without_its_index(
    app: App, connection: Connection, digits: str
) -> None:
    for number in range(6):
        to = "+14155550199" if number % 2 else "+14155550188"
        add_call(connection, number, to_number=to, at=START + timedelta(minutes=number))
    app.linking.judge()
    wanted = [call for call in app.linking.worklist(WorklistFilter()).items if digits in (call.counterpart or "")]
    assert listed(app, number=digits) == [call.call_sid for call in wanted]
    assert app.linking.count(WorklistFilter(number=digits)) == len(wanted)
    page = app.linking.worklist(WorklistFilter(number=digits), limit=2)
    if page.next:
        rest = app.linking.worklist(WorklistFilter(number=digits), after=page.next)
        assert [*page.items, *rest.items] == wanted
