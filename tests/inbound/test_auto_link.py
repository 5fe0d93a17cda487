"""Calls that came in through us are linked by themselves: only when sure, never over anything, later if need be."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.app import App, build
from core.inbound import StatusCallback
from core.inbound.auto_link import AutoLink
from core.inbound.backlog import Backlog
from core.inbound.inbox import Inbox, Line
from core.settings import Settings
from tests.inbound.conftest import OWN, SID, THEIRS

OTHER = "CA" + "d4" * 16
AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def app(db: str) -> Iterator[App]:
    made = build(Settings(database_url=db, own_numbers=(OWN,)))
    yield made
    made.close()


@pytest.fixture
def auto(app: App) -> AutoLink:
    return AutoLink(lambda: (app.linking, app.gateway))


@pytest.fixture
def inbox(app: App, auto: AutoLink, tmp_path: Path) -> Inbox:
    return Inbox(lambda: app.gateway, Backlog(tmp_path, "db"), saved=auto.saved)


def lead(db: str, phone: str, **more: Any) -> int:
    columns = {"name": "Ann Lee", "phone": phone, "lead_status": "contacted", **more}
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with psycopg.connect(db) as connection:
        row = connection.execute(f"insert into leads ({names}) values ({marks}) returning id", list(columns.values()))
        return int(row.fetchone()[0])  # type: ignore[index]


def slot(db: str, lead_id: int) -> str | None:
    with psycopg.connect(db) as connection:
        row = connection.execute("select call_sid from leads where id = %s", (lead_id,)).fetchone()
    return row[0] if row else None


def comes_in(inbox: Inbox, call_sid: str = SID, theirs: str = THEIRS, *, direction: str = "inbound") -> None:
    sides = (
        {"from_number": theirs, "to_number": OWN}
        if direction == "inbound"
        else {"from_number": OWN, "to_number": theirs}
    )
    inbox.take_callback(StatusCallback(call_sid, "in-progress", direction, **sides, at=AT))
    inbox.take_line(Line(call_sid, "user", "Hello, I would like to ask something", AT, f"{call_sid}-1"))


def work(auto: AutoLink) -> None:
    """What the thread does, until nothing is left."""
    while not auto._wanted.empty():
        call_sid = auto._wanted.get()
        if call_sid is not None:
            auto._waiting.add(call_sid)
    auto._try_waiting()


def test_the_first_line_links_the_caller(app: App, db: str, inbox: Inbox, auto: AutoLink) -> None:
    ann = lead(db, "(415) 555-0101")
    comes_in(inbox)
    work(auto)
    assert slot(db, ann) == SID
    event = app.linking.activity(call=SID)[0]
    assert (event.actor, event.source, event.action) == ("Automatic linking", "automatic", "link")
    assert event.evidence["confidence"] == "high"
    assert THEIRS not in str(event.evidence)


def test_an_outbound_call_is_linked_by_the_called_side(db: str, inbox: Inbox, auto: AutoLink) -> None:
    ann, ours = lead(db, THEIRS), lead(db, OWN, name="Test Line")
    comes_in(inbox, direction="outbound-api")
    work(auto)
    assert (slot(db, ann), slot(db, ours)) == (SID, None)


def test_our_own_number_is_nobody(db: str, inbox: Inbox, auto: AutoLink) -> None:
    ours = lead(db, OWN, name="Test Line")
    comes_in(inbox)
    work(auto)
    assert slot(db, ours) is None


def test_a_filled_slot_stays_and_the_guide_says_so(
    app: App, db: str, inbox: Inbox, auto: AutoLink, caplog: pytest.LogCaptureFixture
) -> None:
    ann = lead(db, THEIRS, call_sid=OTHER)
    comes_in(inbox)
    with caplog.at_level(logging.INFO):
        work(auto)
    assert slot(db, ann) == OTHER
    assert app.linking.call(SID).state == "history"
    assert f"✅ Lead {ann} already has call_sid set" in caplog.text
    assert THEIRS not in caplog.text


def test_several_leads_are_never_chosen_between(
    app: App, db: str, inbox: Inbox, auto: AutoLink, caplog: pytest.LogCaptureFixture
) -> None:
    lead(db, THEIRS)
    lead(db, THEIRS, name="Bob Ray")
    comes_in(inbox)
    work(auto)
    assert app.linking.call(SID).state == "unlinked"
    assert "⚠️  Could not update lead with call_sid" in caplog.text


def test_a_lead_is_never_invented_and_linked_when_it_appears(app: App, db: str, inbox: Inbox, auto: AutoLink) -> None:
    comes_in(inbox)
    work(auto)
    assert app.gateway.count("leads") == 0
    app.linking.judge()
    auto._look_again()
    assert app.linking.call(SID).state == "unlinked"
    ann = lead(db, "+1 415 555 0101")
    app.linking.judge()
    auto._look_again()
    assert slot(db, ann) == SID
    auto._look_again()
    assert len(app.linking.activity(call=SID)) == 1


def test_what_a_person_took_away_stays_away(app: App, db: str, inbox: Inbox, auto: AutoLink) -> None:
    ann = lead(db, THEIRS)
    comes_in(inbox)
    work(auto)
    app.linking.unlink(SID)
    inbox.take_callback(StatusCallback(SID, "completed", at=AT))
    work(auto)
    app.linking.judge()
    auto._look_again()
    assert slot(db, ann) is None


def test_the_end_of_a_call_without_words_links_it_too(db: str, inbox: Inbox, auto: AutoLink) -> None:
    ann = lead(db, THEIRS)
    inbox.take_callback(StatusCallback(SID, "ringing", "inbound", from_number=THEIRS, to_number=OWN, at=AT))
    work(auto)
    assert slot(db, ann) is None
    inbox.take_callback(StatusCallback(SID, "no-answer", "inbound", at=AT))
    work(auto)
    assert slot(db, ann) == SID


def test_the_thread_survives_a_database_that_is_away(
    app: App, db: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from core.errors import DatabaseDown

    away = True

    def ways() -> Any:
        if away:
            raise DatabaseDown("The database does not answer.")
        return app.linking, app.gateway

    auto = AutoLink(ways, pause=0.05)
    inbox = Inbox(lambda: app.gateway, Backlog(tmp_path, "db"), saved=auto.saved)
    ann = lead(db, THEIRS)
    auto.start()
    comes_in(inbox)
    auto._ending.wait(0.5)
    away = False
    for _ in range(200):
        if slot(db, ann) == SID:
            break
        auto._ending.wait(0.05)
    auto.stop()
    assert slot(db, ann) == SID
    assert caplog.text.count("automatic linking waits") == 1, "the same trouble is said once"
