"""Carrying a bulk link out: each call as planned or not at all, by a person, once, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.access import Identity
from core.app import App, build
from core.errors import NotAllowed, NotFound
from core.linking import BulkPlan, BulkProgress, Linking, NotLinked, Options, WorklistFilter, bulk, bulk_work
from core.model.records import LinkEvent
from core.settings import Settings
from core.store.server_files import reachable_binaries
from tests.database import bulk_town as town
from tests.database.conftest import Cluster

ROOT = Path(__file__).resolve().parents[2]
Connection = psycopg.Connection[Any]
ALL = WorklistFilter()
ANA, BEN = Identity("ana", "operator"), Identity("ben", "admin")


def links(connection: Connection) -> dict[str, tuple[int, str]]:
    """What is linked now, as the database has it."""
    rows = connection.execute("select call_sid, lead_id, state from call_links where lead_id is not null").fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def shown(plan: BulkPlan) -> dict[str, tuple[int, str]]:
    return {pair.call_sid: (pair.lead_id, pair.becomes) for pair in plan.pairs}


def sound(connection: Connection) -> None:
    assert connection.execute("select * from link_drift").fetchall() == []
    twice = "select call_sid from link_events where action = 'link' group by call_sid having count(*) > 1"
    assert connection.execute(twice.encode()).fetchall() == []


@pytest.fixture
def full(app: App, connection: Connection) -> BulkPlan:
    """The plan over 300 calls of 60 leads, of which some have a current call already."""
    town.fill(connection, leads=60, calls=300, shared=2)
    for number in range(1, 11):
        connection.execute("update leads set call_sid = %s where id = %s", (town.sid(number), number + 1))
    app.linking.judge()
    return app.linking.plan(ALL)


def test_every_call_ends_as_the_plan_shows_it(app: App, connection: Connection, full: BulkPlan) -> None:
    before = links(connection)
    told: list[BulkProgress] = []

    outcome = app.linking.acting_as(ANA).apply(full, Options(reason="monday"), progress=told.append)

    assert links(connection) == before | shown(full)
    assert {pair.becomes for pair in full.pairs} == {"current", "history"}
    assert {pair.call_sid: (pair.lead_id, pair.becomes) for pair in outcome.linked} == shown(full)
    assert outcome.status.state == "done" and outcome.moved_on == ()
    assert outcome.skipped == full.skipped
    assert [each.done for each in told] == list(range(1, len(full.pairs) + 1))
    assert app.linking.plan(ALL).pairs == ()
    sound(connection)


def test_the_ledger_names_the_person_the_evidence_and_the_batch(app: App, connection: Connection) -> None:
    ana = town.lead(connection, 1)
    sid = town.call(connection, 1, 1, days=1)

    outcome = app.linking.acting_as(ANA).apply(app.linking.plan(ALL), Options(reason="why not"))

    (event,) = app.linking.activity(batch=outcome.status.batch_id)
    assert (event.actor, event.source, event.action, event.reason) == ("ana", "automatic", "link", "why not")
    assert event.evidence["confidence"] == "high"
    assert event.evidence["for"][0] == {"kind": "number_exact", "source": f"leads/{ana}"}
    assert all(set(each) == {"kind", "source"} for each in event.evidence["for"])
    assert town.phone(1) not in json.dumps(event.to_json())
    kept = connection.execute("select row_to_json(p)::text from bulk_pairs p").fetchone()
    assert kept and town.phone(1) not in kept[0] and sid in kept[0]


def test_of_one_lead_the_newest_call_is_linked_first(app: App, connection: Connection, full: BulkPlan) -> None:
    outcome = app.linking.apply(full)
    order = {event.call_sid: event.id or 0 for event in _events(app, outcome.status.batch_id)}
    for lead_id in {pair.lead_id for pair in full.pairs}:
        ids = [order[pair.call_sid] for pair in full.pairs if pair.lead_id == lead_id]
        assert ids == sorted(ids)


def _events(app: App, batch: str) -> list[LinkEvent]:
    found: list[LinkEvent] = []
    while page := app.linking.activity(batch=batch, before=found[-1].id if found else None, limit=500):
        found += page
    return found


def test_the_same_batch_again_changes_nothing(app: App, connection: Connection, full: BulkPlan) -> None:
    batch = str(uuid.uuid4())
    first = app.linking.apply(full, Options(batch_id=batch))
    count = connection.execute("select count(*) from link_events").fetchone()
    assert app.linking.apply(full, Options(batch_id=batch)) == first
    assert app.linking.carry_out(batch) == first
    assert connection.execute("select count(*) from link_events").fetchone() == count


def test_what_moved_on_is_left_alone_and_listed(app: App, connection: Connection) -> None:
    leads = {n: town.lead(connection, n) for n in range(1, 10)}
    sids = {n: town.call(connection, n, n, days=n) for n in range(1, 10)}
    second = town.call(connection, 20, 1, days=20)
    plan = app.linking.plan(ALL)
    assert len(plan.pairs) == 10
    person = app.linking.acting_as(BEN)
    person.link(sids[2], leads[3])
    person.set_aside(sids[4])
    person.link(sids[5], leads[5])
    person.unlink(sids[5])
    connection.execute("delete from leads where id = %s", (leads[6],))
    connection.execute("update leads set phone = null where id = %s", (leads[7],))
    town.lead(connection, 8)
    fresh = town.call(connection, 30, 50, days=1)
    connection.execute("update leads set call_sid = %s where id = %s", (fresh, leads[1]))
    now = links(connection)

    outcome = app.linking.apply(plan)

    reasons = {skip.call_sid: skip.reason for skip in outcome.moved_on}
    assert reasons == {
        sids[1]: "changed",  # its lead has a current call now
        second: "changed",
        sids[2]: "already_linked",
        sids[3]: "changed",
        sids[4]: "set_aside",
        sids[5]: "unlinked_by_hand",
        sids[6]: "no_candidate",
        sids[7]: "no_candidate",
        sids[8]: "several_leads",
    }
    assert links(connection) == now | {sids[9]: (leads[9], "current")}
    assert all(skip.sentence for skip in outcome.moved_on)
    sound(connection)


def test_a_call_that_would_take_a_slot_it_was_not_shown_with_is_left_alone(app: App, connection: Connection) -> None:
    town.lead(connection, 1)
    newest, older = town.call(connection, 1, 1, days=1), town.call(connection, 2, 1, days=2)
    plan = app.linking.plan(ALL)
    app.linking.set_aside(newest)

    outcome = app.linking.apply(plan)

    assert links(connection) == {}, "shown as history of the newest: it does not become current instead"
    assert {skip.call_sid: skip.reason for skip in outcome.moved_on} == {newest: "set_aside", older: "changed"}


def test_cancel_stops_between_two_calls(app: App, connection: Connection, full: BulkPlan) -> None:
    batch = app.linking.begin_batch(full)

    def stop(at: BulkProgress) -> None:
        if at.done == 30:
            assert app.linking.acting_as(BEN).cancel_batch(batch).cancelled_by == "ben"
            time.sleep(bulk_work.BEAT_SECONDS + 0.1)

    outcome = app.linking.carry_out(batch, progress=stop)

    assert outcome.status.state == "cancelled"
    assert 30 <= len(outcome.linked) < 60
    assert shown(full).items() >= {pair.call_sid: (pair.lead_id, pair.becomes) for pair in outcome.linked}.items()
    assert app.linking.carry_out(batch) == outcome, "what was cancelled stays so"
    sound(connection)


def test_two_people_with_overlapping_batches_at_once(app: App, db: str, connection: Connection, full: BulkPlan) -> None:
    other = build(Settings.load(env={"DATABASE_URL": db}))
    outcomes: dict[str, bulk.BulkOutcome] = {}
    start = threading.Barrier(2)

    def work(linking: Linking, name: str) -> None:
        start.wait()
        outcomes[name] = linking.apply(full)

    desks = {"ana": app.linking.acting_as(ANA), "ben": other.linking.acting_as(BEN)}
    threads = [threading.Thread(target=work, args=(linking, name)) for name, linking in desks.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    other.close()

    linked = {name: {pair.call_sid for pair in outcome.linked} for name, outcome in outcomes.items()}
    assert linked["ana"] | linked["ben"] == set(shown(full))
    assert not linked["ana"] & linked["ben"]
    assert links(connection).items() >= shown(full).items(), "each as both were shown it"
    for name, outcome in outcomes.items():
        assert len(outcome.linked) + len(outcome.moved_on) == len(full.pairs), name
        assert {skip.reason for skip in outcome.moved_on} <= {"already_linked"}
    sound(connection)


def test_two_workers_on_one_batch_link_each_call_once(app: App, connection: Connection, full: BulkPlan) -> None:
    batch = app.linking.begin_batch(full)
    threads = [threading.Thread(target=app.linking.carry_out, args=(batch,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    outcome = app.linking.batch_outcome(batch)
    assert {pair.call_sid: (pair.lead_id, pair.becomes) for pair in outcome.linked} == shown(full)
    assert outcome.moved_on == ()
    sound(connection)


def test_one_undo_takes_a_batch_back_but_for_what_moved_on(app: App, connection: Connection, full: BulkPlan) -> None:
    before = links(connection)
    outcome = app.linking.apply(full)
    slots = {pair.lead_id: pair.slot for pair in full.pairs}
    moved = next(pair for pair in full.pairs if pair.becomes == "current")
    app.linking.relink(moved.call_sid, next(lead_id for lead_id in slots if lead_id != moved.lead_id))

    undone = app.linking.undo_batch(outcome.status.batch_id)

    assert moved.call_sid in {skip.event.call_sid for skip in undone.skipped}
    assert len(undone.undone) + len(undone.skipped) == len(full.pairs)
    left = {skip.event.call_sid for skip in undone.skipped}
    assert set(links(connection)) == set(before) | left
    assert app.linking.batch(outcome.status.batch_id).undone == len(undone.undone)
    assert {call.lead_id for call in [app.linking.call(event.call_sid or "") for event in undone.undone]} == {None}


def test_viewers_plan_and_change_nothing(app: App, connection: Connection, full: BulkPlan) -> None:
    viewer = app.linking.acting_as(Identity("vera", "viewer"))
    plan = viewer.plan(ALL)
    assert plan == full
    batch = app.linking.begin_batch(plan)
    attempts: list[Callable[[], Any]] = [
        lambda: viewer.apply(plan),
        lambda: viewer.begin_batch(plan),
        lambda: viewer.carry_out(batch),
        lambda: viewer.cancel_batch(batch),
        lambda: viewer.link_automatically(plan.pairs[0].call_sid),
    ]
    for attempt in attempts:
        with pytest.raises(NotAllowed):
            attempt()
    assert not set(shown(plan)) & set(links(connection))


def test_a_batch_that_nobody_knows(app: App) -> None:
    with pytest.raises(NotFound):
        app.linking.carry_out(str(uuid.uuid4()))


def test_a_plan_that_was_not_stored_to_its_end_is_not_carried_out(
    app: App, connection: Connection, full: BulkPlan
) -> None:
    batch = app.linking.begin_batch(full)
    connection.execute("update bulk_batches set state = 'planned'")
    with pytest.raises(NotAllowed, match="nothing was linked"):
        app.linking.carry_out(batch)
    assert app.linking.apply(full, Options(batch_id=batch)).status.linked == len(full.pairs)


# Interruptions --------------------------------------------------------------------------------------------------------


def _wait_for_links(connection: Connection, count: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        row = connection.execute("select count(*) from link_events where source = 'automatic'").fetchone()
        if row and row[0] >= count:
            return
        time.sleep(0.005)
    raise AssertionError("nothing was linked")


def test_killed_halfway_the_same_batch_ends_with_exactly_the_plan(app: App, db: str, connection: Connection) -> None:
    town.fill(connection, leads=200, calls=1500, shared=4)
    app.linking.judge()
    plan = app.linking.plan(ALL)
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "core", "reconcile", "--apply", "--json"],
        cwd=ROOT, env={**plain, "DATABASE_URL": db}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _wait_for_links(connection, 100)
    finally:
        process.send_signal(signal.SIGKILL)
        said = process.communicate(timeout=30)[1]
    batch = said.split("Batch ")[1].split(":")[0]
    halfway = app.linking.batch(batch)
    assert halfway.state == "running" and 100 <= halfway.linked < len(plan.pairs)
    assert not halfway.abandoned, "its last beat is young"

    again = subprocess.run(
        [sys.executable, "-m", "core", "reconcile", "--apply", "--batch", batch, "--json"],
        cwd=ROOT, env={**plain, "DATABASE_URL": db}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert again.returncode == 0, again.stderr
    answer = json.loads(again.stdout)
    assert answer["batch_id"] == batch
    assert answer["linked"] == [pair.to_json() for pair in plan.pairs]
    assert answer["skipped"] == dict(plan.skipped)
    assert links(connection) == shown(plan)
    sound(connection)


def test_a_batch_outlives_connections_that_break(app: App, connection: Connection, full: BulkPlan) -> None:
    cuts = iter((40, 80, 120, 200))
    at = [next(cuts)]

    def cut(progress: BulkProgress) -> None:
        if progress.done >= at[0]:
            at[0] = next(cuts, 10**9)
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'patchbay' and datname = current_database() and pid <> pg_backend_pid()"
            )

    outcome = app.linking.apply(full, progress=cut)

    assert {pair.call_sid: (pair.lead_id, pair.becomes) for pair in outcome.linked} == shown(full)
    assert outcome.moved_on == ()
    sound(connection)


@pytest.mark.kill
def test_a_batch_outlives_a_killed_database(cluster_folder: Path, cluster_user: Any) -> None:
    cluster = Cluster("pg18", reachable_binaries(cluster_folder, cluster_user), cluster_folder / "bulk", cluster_user)
    app = None
    try:
        url = cluster.migrated_database()
        with psycopg.connect(url, autocommit=True) as connection:
            name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
            connection.execute(f"alter database {name} set synchronous_commit = on".encode())
        app = build(Settings.load(env={"DATABASE_URL": url}))
        with psycopg.connect(url, autocommit=True) as connection:
            town.fill(connection, leads=200, calls=1500)
            connection.execute("checkpoint")
        app.linking.judge()
        plan = app.linking.plan(ALL)
        killed = threading.Event()

        def kill(progress: BulkProgress) -> None:
            if progress.done >= 200 and not killed.is_set():
                killed.set()
                threading.Thread(target=restart).start()

        def restart() -> None:
            port = cluster.port
            os.kill(cluster.pid, signal.SIGKILL)
            time.sleep(2)
            cluster.start(port)

        outcome = app.linking.apply(plan, progress=kill)

        assert killed.is_set()
        assert {pair.call_sid: (pair.lead_id, pair.becomes) for pair in outcome.linked} == shown(plan)
        with psycopg.connect(url, autocommit=True) as connection:
            assert links(connection) == shown(plan)
            sound(connection)
    finally:
        if app is not None:
            app.close()
        cluster.stop()


# Pinned ---------------------------------------------------------------------------------------------------------------


def _unlinked(desk: Linking, sid: str, lead: int) -> None:
    desk.link(sid, lead)
    desk.unlink(sid)


def _undone(desk: Linking, sid: str, lead: int) -> None:
    event = desk.link(sid, lead)
    desk.undo(event.id or 0 if event else 0)


def _set_aside(desk: Linking, sid: str, lead: int) -> None:
    desk.set_aside(sid)


def _linked_elsewhere(desk: Linking, sid: str, lead: int) -> None:
    desk.link(sid, lead + 1)


def _relinked(desk: Linking, sid: str, lead: int) -> None:
    desk.link(sid, lead)
    desk.relink(sid, lead + 1)


def _confirmed(desk: Linking, sid: str, lead: int) -> None:
    desk.link(sid, lead + 1)
    desk.confirm(sid)


@pytest.mark.parametrize(
    "decision", [_unlinked, _undone, _set_aside, _linked_elsewhere, _relinked, _confirmed], ids=lambda f: f.__name__[1:]
)
def test_what_a_person_decided_is_left_alone(
    app: App, connection: Connection, decision: Callable[[Linking, str, int], None]
) -> None:
    lead = town.lead(connection, 1)
    town.lead(connection, 2)
    sid = town.call(connection, 1, 1, days=1)
    decision(app.linking.acting_as(ANA), sid, lead)
    app.linking.judge()
    before = connection.execute("select lead_id, set_aside, by_hand from calls").fetchall()
    slots = connection.execute("select id, call_sid from leads order by id").fetchall()

    for wanted in (ALL, [sid]):
        plan = app.linking.plan(wanted)
        assert plan.pairs == ()
        app.linking.apply(plan)
    assert isinstance(app.linking.link_automatically(sid), NotLinked)

    assert connection.execute("select lead_id, set_aside, by_hand from calls").fetchall() == before
    assert connection.execute("select id, call_sid from leads order by id").fetchall() == slots


def test_a_slot_that_another_program_emptied_keeps_its_call_unlinked(app: App, connection: Connection) -> None:
    lead = town.lead(connection, 1)
    sid = town.call(connection, 1, 1, days=1)
    connection.execute("update leads set call_sid = %s where id = %s", (sid, lead))
    connection.execute("update leads set call_sid = null where id = %s", (lead,))
    assert app.linking.plan(ALL).skipped == {"unlinked_by_hand": 1}
    answer = app.linking.link_automatically(sid)
    assert isinstance(answer, NotLinked) and answer.reason == "unlinked_by_hand" and "Pinned" in answer.sentence


def test_an_undone_batch_is_pinned(app: App, connection: Connection, full: BulkPlan) -> None:
    outcome = app.linking.apply(full)
    app.linking.undo_batch(outcome.status.batch_id)
    again = app.linking.plan(ALL)
    assert again.pairs == ()
    assert again.skipped["unlinked_by_hand"] == len(full.pairs)


# One call -------------------------------------------------------------------------------------------------------------


def test_one_call_is_linked_automatically_however_young(app: App, connection: Connection) -> None:
    lead = town.lead(connection, 1)
    sid = town.call(connection, 1, 1, days=0)
    assert app.linking.plan([sid]).skipped == {"pending": 1}

    event = app.linking.link_automatically(sid, "after its transcript")

    assert isinstance(event, LinkEvent)
    assert (event.source, event.lead_id, event.reason) == ("automatic", lead, "after its transcript")
    again = app.linking.link_automatically(sid)
    assert again == NotLinked("already_linked", f"It is linked to lead {lead} already.")


def test_one_call_that_nobody_can_be_sure_of(app: App, connection: Connection) -> None:
    town.lead(connection, 1)
    town.lead(connection, 1)
    sid = town.call(connection, 1, 1, days=1)
    answer = app.linking.link_automatically(sid)
    assert isinstance(answer, NotLinked) and answer.reason == "several_leads"
    assert links(connection) == {}
    with pytest.raises(NotFound):
        app.linking.link_automatically("CA" + "9" * 32)
