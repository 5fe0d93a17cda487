"""Eight connections fight over the same calls: nothing is lost, no writer notices us, no deadlock of ours."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

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
