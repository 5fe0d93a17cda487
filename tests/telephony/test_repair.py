"""Repair from Twilio: one call, and all of a captured backend."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.access.identity import Identity
from core.app import App, build
from core.errors import NotAllowed, NotFound, Stale, Unavailable
from core.linking import Options
from core.settings import Settings
from tests.database import captured
from tests.telephony.conftest import Cluster
from tests.telephony.twilio_server import ACCOUNT, OURS, TOKEN, LocalTwilio

THEIRS = "+14155550123"
SID = "CA" + "7" * 32
AT_TWILIO = {
    "sid": SID,
    "direction": "outbound-api",
    "from": OURS,
    "to": THEIRS,
    "status": "completed",
    "date_created": "2026-03-01T09:00:00+00:00",
    "start_time": "2026-03-01T09:00:05+00:00",
    "end_time": "2026-03-01T09:01:05+00:00",
    "duration": "60",
}


def settings(base: str, database: str, **more: str) -> Settings:
    given = {
        "DATABASE_URL": database,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_API_BASE_URL": base,
        "PATCHBAY_REPAIR_RATE": "100",
    }
    return Settings.load(env={**given, **more})


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    with cluster.database(cluster.migrated_database()) as found:
        yield found


@pytest.fixture
def looking(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def desk(url: str, twilio: LocalTwilio) -> Iterator[App]:
    app = build(settings(twilio.url, url))
    twilio.knows([AT_TWILIO])
    yield app
    app.close()


def insert(looking: psycopg.Connection[Any], **columns: Any) -> None:
    row = {"call_sid": SID, "created_at": datetime(2026, 3, 1, 9, tzinfo=UTC), **columns}
    names = ", ".join(row)
    places = ", ".join(f"%({name})s" for name in row)
    looking.execute(f"insert into call_events ({names}) values ({places})".encode(), row)


def stored(looking: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    columns = "call_status, direction, from_number, to_number, call_duration"
    return looking.execute(f"select {columns} from call_events order by id".encode()).fetchall()


def test_a_row_without_numbers_is_filled_and_undone(desk: App, looking: psycopg.Connection[Any]) -> None:
    insert(looking, call_status="in-progress", direction="inbound")
    seen = desk.repair.preview(SID)
    assert {each.field: (each.ours, each.theirs, each.fills) for each in seen.differences} == {
        "from_number": (None, OURS, True),
        "to_number": (None, THEIRS, True),
        "direction": ("inbound", "outbound-api", True),
        "call_status": ("in-progress", "completed", True),
        "call_duration": (None, 60, True),
    }
    event = desk.repair.apply(SID, seen.options)
    assert event is not None and event.action == "repair"
    assert stored(looking) == [("completed", "outbound-api", OURS, THEIRS, 60)]
    assert desk.linking.call(SID).cause == "no_matching_lead"
    assert desk.repair.apply(SID) is None
    shown = desk.linking.activity(call=SID)[0]
    assert THEIRS in json.dumps(shown.after)
    kept = looking.execute("select before::text || after::text from link_events where id = %s", (event.id,)).fetchone()
    assert kept is not None and THEIRS not in kept[0]  # numbers lie where they can be erased
    assert event.id is not None and desk.linking.undo(event.id) is not None
    assert stored(looking) == [("in-progress", "inbound", None, None, None)]


def test_a_call_without_any_row_gets_one(desk: App, looking: psycopg.Connection[Any]) -> None:
    seen = desk.repair.preview(SID)
    assert not seen.known and seen.event is not None
    assert looking.execute("select count(*) from calls").fetchone() == (0,)  # looking writes nothing
    event = desk.repair.apply(SID, seen.options)
    assert stored(looking) == [("completed", "outbound-api", OURS, THEIRS, 60)]
    assert desk.linking.call(SID).started_at == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert event is not None and event.id is not None and desk.linking.undo(event.id) is not None
    assert stored(looking) == []


def test_another_number_is_shown_and_left_alone_unless_told(desk: App, looking: psycopg.Connection[Any]) -> None:
    whole = {"call_status": "completed", "direction": "outbound-api", "from_number": OURS, "call_duration": 60}
    insert(looking, **whole, to_number="+14155550999")
    seen = desk.repair.preview(SID)
    assert [(each.field, each.fills) for each in seen.differences] == [("to_number", False)]
    assert seen.event is None and desk.repair.apply(SID) is None
    assert desk.repair.preview(SID, ["to_number"]).differences[0].fills
    assert desk.repair.apply(SID, overwrite=["to_number"]) is not None
    assert stored(looking)[0][3] == THEIRS


def test_a_status_that_is_final_stays(desk: App, looking: psycopg.Connection[Any]) -> None:
    insert(looking, call_status="failed", direction="outbound-api", from_number=OURS, to_number=THEIRS)
    desk.repair.apply(SID)
    assert stored(looking)[0][0] == "failed"


def test_a_row_that_changed_since_it_was_seen_is_left_alone(desk: App, looking: psycopg.Connection[Any]) -> None:
    insert(looking, call_status="in-progress")
    seen = desk.repair.preview(SID)
    looking.execute("update call_events set from_number = '+14155550777'")
    with pytest.raises(Stale):
        desk.repair.apply(SID, seen.options)


def test_a_call_that_twilio_does_not_know(desk: App) -> None:
    with pytest.raises(NotFound, match="Twilio knows no call"):
        desk.repair.preview("CA" + "9" * 32)


def test_a_viewer_looks_and_does_not_repair(desk: App, looking: psycopg.Connection[Any]) -> None:
    insert(looking, call_status="in-progress")
    viewer = desk.repair.acting_as(Identity("Vera", "viewer"))
    assert viewer.preview(SID).event is not None
    with pytest.raises(NotAllowed):
        viewer.apply(SID)
    with pytest.raises(NotAllowed):
        viewer.repair_all("stuck")
    event = desk.repair.acting_as(Identity("Otto", "operator")).apply(SID, Options(actor="somebody else"))
    assert event is not None and event.actor == "Otto"


def test_a_bulk_waits_when_asked_and_goes_on_after_an_interruption(
    desk: App, looking: psycopg.Connection[Any], twilio: LocalTwilio
) -> None:
    sids = [f"CA{number:032x}" for number in range(8)]
    twilio.knows({**AT_TWILIO, "sid": sid} for sid in sids[:7])
    for number, sid in enumerate(sids):
        insert(looking, call_sid=sid, call_status="in-progress", created_at=datetime(2026, 3, 1, number, tzinfo=UTC))

    def interrupt(done: int, total: int) -> None:
        assert total == 8
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.repair.repair_all("no_numbers", progress=interrupt)
    assert len(desk.repair.waiting("no_numbers")) == 6  # of the three newest Twilio did not know one
    twilio.fault("429", seconds=0.2)
    twilio.fault("500")
    done = desk.repair.repair_all("no_numbers")
    assert (done.total, len(done.repaired), done.failed, done.stopped) == (6, 5, {}, None)
    assert done.unknown == (sids[7],)
    assert desk.repair.waiting("no_numbers") == [sids[7]]
    assert len(desk.linking.undo_batch(done.batch_id).undone) == len(done.repaired)


def test_the_rate_is_kept(url: str, looking: psycopg.Connection[Any], twilio: LocalTwilio) -> None:
    sids = [f"CA{number:032x}" for number in range(6)]
    twilio.knows({**AT_TWILIO, "sid": sid} for sid in sids)
    for sid in sids:
        insert(looking, call_sid=sid, call_status="in-progress")
    app = build(settings(twilio.url, url, PATCHBAY_REPAIR_RATE="10"))
    app.repair.repair_all("no_numbers", limit=5)
    app.close()
    times = twilio.state.times
    assert len(times) == 5 and times[-1] - times[0] >= 0.39


def test_a_bulk_stops_where_nothing_more_can_come_of_it(
    url: str, looking: psycopg.Connection[Any], twilio: LocalTwilio
) -> None:
    insert(looking, call_status="in-progress")
    app = build(settings(twilio.url, url, TWILIO_AUTH_TOKEN="0" * 32))
    done = app.repair.repair_all("no_numbers")
    app.close()
    assert done.stopped is not None and "credentials" in done.stopped and done.repaired == ()


def test_own_numbers_are_read_from_the_account(
    desk: App, looking: psycopg.Connection[Any], twilio: LocalTwilio
) -> None:
    insert(looking, call_status="completed", direction="inbound", from_number=THEIRS, to_number="+14155557777")
    desk.linking.judge()
    twilio.state.numbers = [OURS, "+14155557777"]
    assert desk.telephony.refresh_numbers() == {OURS, "+14155557777"}
    listed = {number.number: number.source for number in desk.linking.system().own_numbers}
    assert listed == {OURS: "twilio", "+14155557777": "twilio"}
    desk.linking.judge()
    assert {number.source for number in desk.linking.system().own_numbers} == {"twilio"}
    twilio.state.numbers = [OURS]
    desk.telephony.refresh_numbers()
    assert [number.number for number in desk.linking.system().own_numbers] == [OURS]
    twilio.fault("500")
    with pytest.raises(Unavailable):
        desk.telephony.refresh_numbers()
    assert [number.number for number in desk.linking.system().own_numbers] == [OURS]


def test_a_captured_backend_gets_its_numbers_back(url: str, twilio: LocalTwilio, captured_data: Path) -> None:
    known = json.loads((captured_data / "twilio_calls.json").read_text())
    captured.load(url, captured_data)
    twilio.knows(known)
    app = build(settings(twilio.url, url, OWN_NUMBERS="+14157780142,+12127390164"))
    app.linking.judge()
    before = app.linking.overview()["unlinked_by_cause"]
    missing = app.repair.waiting("no_numbers")
    repaired = app.repair.repair_all("no_numbers")
    stuck = app.repair.repair_all("stuck")
    after = app.linking.overview()
    rows = app.gateway.select("calls", columns=("call_sid", "from_number", "to_number", "direction"), limit=2000)
    app.close()
    print(f"\n{len(missing)} without numbers, {len(repaired.repaired)} repaired, {len(stuck.repaired)} stuck ones")
    print(f"causes before {before}\ncauses after  {after['unlinked_by_cause']}")
    truth = {call["sid"]: call for call in known}
    assert set(repaired.repaired) == set(missing) and not repaired.failed and not stuck.failed
    assert after["stuck"] == 0
    for row in rows:
        call = truth[row["call_sid"]]
        assert (row["from_number"], row["to_number"]) == (call["from"], call["to"])
    assert "no_numbers" not in after["unlinked_by_cause"]
