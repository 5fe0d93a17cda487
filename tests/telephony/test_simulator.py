"""Simulated calls and test calls: the whole chain without a telephone network."""

import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.access.identity import Identity
from core.app import App, build
from core.errors import BadInput, NotAllowed, NotFound, RequestIdReused, Unavailable
from core.outbound.carrier import Rejected, Unknown
from core.settings import Settings
from core.store.gateway import Row
from core.telephony import TestCall, Watched
from core.telephony.errors import Throttled
from core.telephony.simulator import LOST, SILENT, THROTTLED, SimulatedCarrier
from core.telephony.test_stages import judged
from tests.telephony.conftest import Cluster, Saving
from tests.telephony.twilio_server import ACCOUNT, OURS, TOKEN, LocalTwilio

LEAD_PHONE = "(415) 555-0123"
THEIRS = "+14155550123"
OTHER = "+14155550199"


def key() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    with cluster.database(cluster.migrated_database()) as found:
        yield found


@pytest.fixture
def looking(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute(
            b"insert into leads (id, name, phone, lead_status, notes) values"
            b" (1, 'Ana', %s, 'new', 'Called us.'), (2, 'Ben', '+14155550188', 'new', null)",
            (LEAD_PHONE,),
        )
        yield opened


@pytest.fixture
def simulated(url: str, looking: psycopg.Connection[Any]) -> Iterator[App]:
    app = build(Settings.load(env={"DATABASE_URL": url, "TEST_CALL_ALLOWLIST": f"{THEIRS}, {OTHER}", **QUICK}))
    yield app
    assert app.telephony.finish_simulation(10)
    app.close()


QUICK = {"PATCHBAY_SIMULATED_SECONDS": "1"}


def watched(app: App, call: TestCall, seconds: float = 15) -> Watched:
    """The test call when nothing is waited for any more."""
    end = time.monotonic() + seconds
    while True:
        found = app.test_calls.watch(call.id)
        if found.over:
            return found
        assert time.monotonic() < end, found.to_json()
        time.sleep(0.05)


def colours(found: Watched) -> dict[str, str]:
    return {stage.stage: stage.state for stage in found.stages}


def lead(looking: psycopg.Connection[Any], lead_id: int = 1) -> tuple[Any, ...]:
    columns = "call_sid, lead_status, last_contacted_at, notes"
    found = looking.execute(f"select {columns} from leads where id = %s".encode(), (lead_id,)).fetchone()
    assert found is not None
    return found


def test_a_test_call_turns_green_and_the_lead_is_as_before(simulated: App, looking: psycopg.Connection[Any]) -> None:
    before = lead(looking)
    call = simulated.test_calls.place(THEIRS, 1, "direct", key())
    assert call.simulated and call.state == "placed" and call.call_sid
    during = lead(looking)
    assert during[:2] == (call.call_sid, "contacted") and during[2] is not None
    assert during[3] == f"Outbound call {call.call_sid} initiated\nCalled us."
    found = watched(simulated, call)
    assert found.ok and set(colours(found).values()) == {"green", "skipped"}
    reached = [stage.at for stage in found.stages if stage.state == "green"]
    assert all(reached) and found.stages[1].at <= found.stages[2].at <= found.stages[3].at  # type: ignore[operator]
    assert lead(looking) == before
    assert simulated.linking.call(call.call_sid).state == "history"
    story = simulated.linking.story(call.call_sid)
    assert [line["role"] for line in story.transcripts] == ["assistant", "user", "assistant", "user"]
    kept = looking.execute("select call_status, call_duration, recording_sid from call_events").fetchall()
    assert len(kept) == 1 and kept[0][0] == "completed" and kept[0][1] >= 1 and kept[0][2].startswith("RE")
    assert simulated.test_calls.watch(call.id).call.restored_at is not None
    assert simulated.test_calls.recent()[0].id == call.id


def test_the_lead_gets_its_own_call_back_and_keeps_what_others_wrote(
    simulated: App, looking: psycopg.Connection[Any]
) -> None:
    own = "CA" + "5" * 32
    looking.execute(b"update leads set call_sid = %s where id = 1", (own,))
    call = simulated.test_calls.place(THEIRS, 1, "direct", key())
    looking.execute("update leads set notes = notes || ' And wrote.', lead_status = 'won' where id = 1")
    watched(simulated, call)
    assert (lead(looking)[0], lead(looking)[1], lead(looking)[3]) == (own, "won", "Called us. And wrote.")


def test_what_is_to_be_kept_is_kept(simulated: App, looking: psycopg.Connection[Any]) -> None:
    call = simulated.test_calls.place(THEIRS, 1, "direct", key(), keep=True)
    before = lead(looking)[0]
    watched(simulated, call)
    slot, status, _, notes = lead(looking)
    assert (slot, status) == (None, "contacted"), "a test call never keeps a slot"
    assert before == call.call_sid and call.call_sid in notes
    kept = simulated.test_calls.keep(call.id)
    assert kept.keep and kept.restored_at is not None
    assert simulated.test_calls.finish_all() == 0


def test_a_person_may_decide_to_keep_it_while_it_lasts(simulated: App, looking: psycopg.Connection[Any]) -> None:
    call = simulated.test_calls.place(THEIRS, 1, "direct", key())
    assert simulated.test_calls.keep(call.id).keep
    watched(simulated, call)
    assert lead(looking)[:2] == (None, "contacted")
    over = simulated.test_calls.place(THEIRS, 1, "direct", key())
    watched(simulated, over)
    with pytest.raises(NotAllowed):
        simulated.test_calls.keep(over.id)


def test_a_call_that_nobody_watches_gives_the_lead_back_too(simulated: App, looking: psycopg.Connection[Any]) -> None:
    before = lead(looking)
    simulated.test_calls.place(THEIRS, 1, "direct", key())
    assert simulated.telephony.finish_simulation(10)
    assert simulated.test_calls.finish_all() == 1 and simulated.test_calls.finish_all() == 0
    assert lead(looking) == before


@pytest.mark.parametrize(
    ("number", "state", "colour", "says"),
    [
        ("+15005550001", "failed", {"dialled": "red", "ringing": "skipped"}, "does not seem to be one"),
        ("+15005550003", "failed", {"dialled": "red"}, "country"),
        ("+15005550007", "placed", {"ringing": "green", "answered": "red", "transcript": "skipped"}, "busy"),
        ("+15005550008", "placed", {"ringing": "green", "answered": "red"}, "Nobody answered"),
        ("+15005550009", "placed", {"answered": "red", "event_row": "green"}, "could not complete"),
        (SILENT, "placed", {"answered": "green", "transcript": "red"}, "Nothing that was said"),
        (THROTTLED, "failed", {"dialled": "red"}, "too many requests"),
    ],
)
def test_the_number_decides_what_happens(
    url: str, looking: psycopg.Connection[Any], number: str, state: str, colour: dict[str, str], says: str
) -> None:
    app = build(Settings.load(env={"DATABASE_URL": url, **QUICK}))
    found = watched(app, app.test_calls.place(number, None, "direct", key()))
    app.close()
    assert found.call.state == state and not found.ok
    assert colour.items() <= colours(found).items()
    red = [stage for stage in found.stages if stage.state == "red"]
    assert says in (red[0].cause or "") and all(stage.remedy for stage in red)


def test_a_lost_answer_is_settled_by_the_callback(url: str, looking: psycopg.Connection[Any]) -> None:
    app = build(Settings.load(env={"DATABASE_URL": url, **QUICK, "TEST_CALL_ALLOWLIST": f"{LOST},{THEIRS}"}))
    call = app.test_calls.place(LOST, 1, "direct", key())
    assert call.state == "unknown" and call.call_sid is None
    found = watched(app, call)
    app.close()
    assert found.call.state == "placed" and found.ok and colours(found)["linked"] == "green"
    assert lead(looking)[0] is None


def test_one_click_is_one_call(simulated: App, looking: psycopg.Connection[Any]) -> None:
    click = key()
    placed: list[TestCall] = []
    threads = [
        threading.Thread(target=lambda: placed.append(simulated.test_calls.place(THEIRS, None, "direct", click)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({call.id for call in placed}) == 1
    assert simulated.telephony.finish_simulation(10)
    assert looking.execute("select count(*) from call_events").fetchone() == (1,)
    with pytest.raises(RequestIdReused):
        simulated.test_calls.place(OTHER, None, "direct", click)


def test_numbers_that_are_not_allowed(simulated: App) -> None:
    with pytest.raises(NotAllowed, match="not allowed") as refused:
        simulated.test_calls.place("+14155550188", None, "direct", key())
    assert refused.value.exit_code == 4 and "TEST_CALL_ALLOWLIST" in (refused.value.hint or "")
    with pytest.raises(NotAllowed, match="lead 2"):
        simulated.test_calls.place(THEIRS, 2, "direct", key())
    with pytest.raises(NotFound):
        simulated.test_calls.place(THEIRS, 99, "direct", key())
    with pytest.raises(BadInput, match="to is"):
        simulated.test_calls.place("nobody", None, "direct", key())
    with pytest.raises(NotAllowed):
        simulated.test_calls.acting_as(Identity("Vera", "viewer")).place(THEIRS, None, "direct", key())
    assert simulated.test_calls.recent() == []


def test_with_an_empty_list_demo_leads_are_allowed_in_a_demo_only(url: str, looking: psycopg.Connection[Any]) -> None:
    app = build(Settings.load(env={"DATABASE_URL": url, **QUICK}))
    with pytest.raises(NotAllowed):
        app.test_calls.place(THEIRS, 1, "direct", key())
    looking.execute("select patchbay_set_state('demo_filled_at', to_jsonb(now()))")
    assert watched(app, app.test_calls.place(THEIRS, 1, "direct", key())).ok
    with pytest.raises(NotAllowed):
        app.test_calls.place("+14155550177", None, "direct", key())
    app.close()


@pytest.mark.parametrize("variable", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"])
def test_with_credentials_nothing_is_simulated(gateway: Any, variable: str) -> None:
    with pytest.raises(NotAllowed, match="not simulated"):
        SimulatedCarrier(gateway, Settings.load(env={variable: "AC" + "0" * 32}))


def test_half_an_account_dials_nobody(url: str, looking: psycopg.Connection[Any]) -> None:
    env = {"DATABASE_URL": url, "TWILIO_ACCOUNT_SID": ACCOUNT, "TEST_CALL_ALLOWLIST": THEIRS}
    app = build(Settings.load(env=env))
    with pytest.raises(Unavailable, match="TWILIO_AUTH_TOKEN"):
        app.test_calls.place(THEIRS, None, "direct", key())
    assert app.test_calls.recent() == []
    app.close()


def test_a_test_call_over_twilio(url: str, looking: psycopg.Connection[Any], twilio: LocalTwilio) -> None:
    env = {
        "DATABASE_URL": url,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_PHONE_NUMBER": OURS,
        "PUBLIC_URL": "https://calls.example.com",
        "TWILIO_API_BASE_URL": twilio.url,
    }
    app = build(Settings.load(env=env))
    with pytest.raises(NotAllowed):
        app.test_calls.place("+15005550007", None, "direct", key())  # nothing is taken for simulated
    app.close()
    app = build(Settings.load(env={**env, "TEST_CALL_ALLOWLIST": THEIRS}))
    call = app.test_calls.place(THEIRS, 1, "direct", key())
    app.close()
    assert not call.simulated and call.call_sid in twilio.state.calls
    (form,) = twilio.state.created
    assert form["StatusCallback"] == [f"https://calls.example.com/call-events?attempt=test-{call.id}"]


def test_the_carrier_refuses_in_its_own_words(saving: Saving) -> None:
    carrier = SimulatedCarrier(saving.gateway, Settings.load(env={}), seconds=0.3)

    def dial(to: str) -> str:
        return carrier.dial(to, attempt_id="a", message=None, metadata={}).call_sid

    for number, error in (("+15005550002", Rejected), (THROTTLED, Throttled), (LOST, Unknown)):
        with pytest.raises(error):
            dial(number)
    began = datetime.now(UTC)
    sids = [dial(THEIRS) for _ in range(5)]
    assert carrier.wait(20)
    assert {call.call_sid for call in carrier.calls_to(THEIRS, began)} == set(sids)
    last = carrier.fetch(sids[-1])
    assert last is not None and last.status == "completed" and carrier.fetch("CA" + "0" * 32) is None
    saved = saving.rows("select call_sid, call_status from call_events where to_number = %s", THEIRS)
    assert sorted(saved) == sorted((sid, "completed") for sid in sids)


NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def facts(**changes: Any) -> Row:
    test = {
        "via": "queue", "at": NOW.isoformat(), "job_id": "j1", "state": "queued", "call_sid": None, "dialled_at": None,
        "lead_id": 1, "error": None, "error_code": None,
    }  # fmt: skip
    whole: Row = {
        "test": test, "call": None, "progress": None, "attempt": None, "event_at": None, "transcript_at": None,
        "linked_at": None, "now": (NOW + timedelta(seconds=5)).isoformat(),
    }  # fmt: skip
    for name, value in changes.items():
        whole[name] = {**test, **value} if name == "test" else value
    return whole


LATE = (NOW + timedelta(minutes=3)).isoformat()
PLACED = {"state": "placed", "call_sid": "CA1", "dialled_at": NOW.isoformat()}


@pytest.mark.parametrize(
    ("known", "stage", "state", "says"),
    [
        (facts(), "dialled", "waiting", "waits to be dialled"),
        (facts(now=LATE), "dialled", "red", "No worker"),
        (facts(attempt={"state": "rejected", "problem": "Not a number."}), "dialled", "red", "Not a number."),
        (facts(attempt={"state": "unknown", "problem": None}), "dialled", "waiting", "not known"),
        (facts(attempt={"state": "unknown", "problem": None}, now=LATE), "dialled", "red", "not known"),
        (facts(test=PLACED), "ringing", "waiting", "rings"),
        (facts(test=PLACED, now=LATE), "event_row", "red", "No callback"),
        (facts(test=PLACED, now=LATE, event_at=LATE, call={"status": "ringing"}), "answered", "red", "Nobody"),
        (facts(test=PLACED, now=LATE, call={"status": "in-progress"}), "transcript", "waiting", "Nothing"),
        (facts(test=PLACED, call={"status": "completed", "lead_id": None}), "linked", "red", "not linked"),
        (
            facts(test=PLACED, call={"status": "ringing"}, attempt={"link_problem": "No lead 1."}),
            "linked", "red", "No lead 1.",
        ),
    ],
)  # fmt: skip
def test_stages_say_what_is_the_matter(known: Row, stage: str, state: str, says: str) -> None:
    (found,) = [each for each in judged(known) if each.stage == stage]
    assert found.state == state and says in (found.cause or "")
    assert (found.remedy is not None) == (state == "red")


def test_nobody_but_demo_leads_and_the_allow_list_is_called(saving: Saving) -> None:
    refused = SimulatedCarrier(saving.gateway, Settings.load(env={}), seconds=0.1, plays=lambda number: False)
    with pytest.raises(Rejected, match="No Twilio account"):
        refused.dial("+14155550100", attempt_id="a", message=None, metadata={})
    assert saving.gateway.count("call_events") == 0
