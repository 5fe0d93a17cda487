"""Eight connections fight over the same calls: nothing is lost, no writer notices us, no deadlock of ours."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from core.errors import BelongsToAnotherLead, Stale
from core.store.postgres import PostgresGateway
from tests.database.contention import fight
from tests.database.desk import Desk

SECONDS = 15.0


def test_eight_connections_fighting_over_the_same_calls_lose_nothing(pg18: Any, db: str) -> None:
    report = fight(pg18, db, SECONDS)
    print(dict(sorted(report.counts.items())), report.slowest)
    with psycopg.connect(db, autocommit=True) as connection:
        report.check(Desk(connection))


def test_one_request_sent_eight_times_at_once_is_carried_out_once(db: str, gateway: PostgresGateway) -> None:
    with psycopg.connect(db, autocommit=True) as connection:
        desk = Desk(connection)
        ada, bo = desk.leads(2)
        desk.calls("CA1")
        desk.link("CA1", ada)

        def send(_: int) -> Any:
            options = {"request_id": "r1", "actor": "eve"}
            return gateway.call("relink_call", p_call_sid="CA1", p_lead_id=bo, p_options=options)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(8)))
        assert answers == [answers[0]] * 8
        assert len(desk.events()) == 2
        desk.assert_sound()


def test_of_eight_people_with_the_same_screen_one_is_served_and_seven_are_told_who_was_faster(
    db: str, gateway: PostgresGateway
) -> None:
    with psycopg.connect(db, autocommit=True) as connection:
        desk = Desk(connection)
        leads = desk.leads(8)
        desk.calls("CA1")

        def send(number: int) -> str:
            options = {"actor": f"person {number}", "expect": {"call_lead": None}}
            try:
                gateway.call("link_call", p_call_sid="CA1", p_lead_id=leads[number], p_options=options)
            except (Stale, BelongsToAnotherLead) as refused:
                return f"{refused} {refused.hint}"
            return "served"

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(8)))
        assert answers.count("served") == 1
        winner = answers.index("served")
        told = [answer for answer in answers if answer != "served"]
        assert all(f"person {winner}" in answer or f"lead {leads[winner]}" in answer for answer in told), told
        assert len(desk.events()) == 1
        desk.assert_sound()


def test_a_call_whose_first_row_comes_just_then_is_changed_by_one_at_a_time(db: str) -> None:
    """The command waits for another row while the call's first row is committed, and a writer has the call by then."""
    with ExitStack() as stack:
        holder, backend, writer, person, connection = (
            stack.enter_context(psycopg.connect(db, autocommit=True)) for _ in range(5)
        )
        desk = Desk(connection)
        ada, bo = desk.leads(2)
        desk.calls("CA1")
        desk.link("CA1", ada)
        pool = stack.enter_context(ThreadPoolExecutor(1))

        holder.execute("begin")
        holder.execute("select from calls where call_sid = 'CA1' for update")
        command = "select link_call('CA2', %s, '{\"actor\": \"eve\"}')"
        outcome = pool.submit(lambda: person.execute(command, [ada]).fetchone())
        until_it_waits(connection)  # locks are waited for 100 ms: whoever is slower here only makes the test say less
        backend.execute("insert into call_events (call_sid, created_at) values ('CA2', '2001-01-01')")
        writer.execute("begin")
        writer.execute("update leads set call_sid = 'CA2' where id = %s", [bo])
        holder.execute("commit")
        time.sleep(0.02)
        writer.execute("commit")
        with pytest.raises(psycopg.Error) as refused:
            outcome.result()
        assert refused.value.sqlstate in ("PB006", "55P03"), "somebody else is changing this call"
        assert [event[0] for event in desk.sql("select lead_id from calls where call_sid = 'CA2'")] == [bo]
        desk.assert_sound()


def test_a_lead_that_is_added_again_just_then_is_locked_before_it_is_changed(db: str) -> None:
    """It was deleted while the command waited for it: the new row is another one, which a writer may have by then."""
    with ExitStack() as stack:
        backend, person, connection = (stack.enter_context(psycopg.connect(db, autocommit=True)) for _ in range(3))
        desk = Desk(connection)
        (ada,) = desk.leads(1)
        desk.calls("CA1")
        pool = stack.enter_context(ThreadPoolExecutor(1))

        backend.execute("begin")
        backend.execute("delete from leads where id = %s", [ada])
        backend.execute("insert into leads (id) values (%s)", [ada])
        command = "select link_call('CA1', %s, '{\"actor\": \"eve\"}')"
        outcome = pool.submit(lambda: person.execute(command, [ada]).fetchone())
        until_it_waits(connection)
        backend.execute("commit")
        with pytest.raises(psycopg.Error) as refused:
            outcome.result()
        assert refused.value.sqlstate in ("PB006", "55P03"), "somebody else is changing this call"
        person.execute(command, [ada])  # as the gateway does
        assert desk.sql("select lead_id from calls where call_sid = 'CA1'").fetchall() == [(ada,)]
        desk.assert_sound()


def until_it_waits(connection: psycopg.Connection[Any]) -> None:
    """Until a statement waits for a lock."""
    for _ in range(500):
        if connection.execute("select from pg_locks where not granted").fetchone() is not None:
            return
        time.sleep(0.001)
