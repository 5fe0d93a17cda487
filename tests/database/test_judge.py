"""The judge over a real database: what is written for each call, and that it stays right while others write."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.linking import judge, matching, own_numbers
from core.model import phone
from core.model.records import Call
from core.settings import Settings
from core.store.postgres import PostgresGateway
from tests.database.outside import OURS, add_call, say, sid
from tests.database.outside import add_lead as insert_lead

Connection = psycopg.Connection[Any]
SETTINGS = Settings()
NUMBER = "+14155552671"


def add_lead(connection: Connection, **columns: Any) -> int:
    """A lead that is older than every call."""
    return insert_lead(connection, **{"created_at": "2026-02-01T00:00:00Z", **columns})


def judged(connection: Connection, gateway: PostgresGateway, call_sid: str, known: Settings = SETTINGS) -> Call:
    judge.run(gateway, known)
    (row,) = gateway.select("call_links", where=(judge.Where("call_sid", "eq", call_sid),))
    assert connection.execute("select count(*) from judge_queue").fetchone() == (0,)
    return Call.from_row(row)


def settle(connection: Connection) -> None:
    """Enough ordinary calls that everybody sees which number is ours."""
    for n in range(900, 904):
        add_call(connection, n, counterpart=f"+1212555{n:04d}")


def delete(table: str, lead_id: int) -> tuple[str, tuple[int]]:
    return f"delete from {table} where id = %s", (lead_id,)


Scene = Callable[[Connection], tuple[list[int], str | None]]


def unlinked_by_hand(c: Connection) -> tuple[list[int], str | None]:
    lead = add_lead(c, phone=NUMBER, call_sid=add_call(c, 1, counterpart=NUMBER))
    c.execute("update leads set call_sid = null where id = %s", (lead,))
    return [lead], "low"


def link_write_failed(c: Connection) -> tuple[list[int], str | None]:
    lead = add_lead(c, notes=f"Outbound call {add_call(c, 1, counterpart=None)} initiated")
    return [lead], "certain"


def lead_deleted(c: Connection) -> tuple[list[int], str | None]:
    lead = add_lead(c, phone=NUMBER, call_sid=add_call(c, 1, counterpart=NUMBER))
    c.execute(*delete("leads", lead))
    return [lead], None


def no_numbers(c: Connection) -> tuple[list[int], str | None]:
    say(c, sid(1), "user", "Hello?")
    add_lead(c, phone=NUMBER)
    return [], None


def own_numbers_only(c: Connection) -> tuple[list[int], str | None]:
    add_call(c, 1, counterpart=OURS)
    add_lead(c, name="Test line", phone=OURS)
    return [], None


def withheld_caller(c: Connection) -> tuple[list[int], str | None]:
    add_call(c, 1, counterpart="+266696687", inbound=True)
    add_lead(c, phone="+266696687")
    return [], None


def several_leads(c: Connection) -> tuple[list[int], str | None]:
    add_call(c, 1, counterpart=NUMBER)
    return [add_lead(c, phone=NUMBER), add_lead(c, phone="415-555-2671")], "medium"


def missed_match(c: Connection) -> tuple[list[int], str | None]:
    add_call(c, 1, counterpart=NUMBER, inbound=True)
    return [add_lead(c, phone=NUMBER)], "high"


def format_mismatch(c: Connection) -> tuple[list[int], str | None]:
    lead = add_lead(c, phone="(415) 555-2671 ext. 12")
    add_call(c, 1, counterpart=NUMBER)
    return [lead], "high"


def no_matching_lead(c: Connection) -> tuple[list[int], str | None]:
    add_call(c, 1, counterpart=NUMBER)
    add_lead(c, phone="+442071555267")  # not the number, whatever its digits
    return [], None


def unknown(c: Connection) -> tuple[list[int], str | None]:
    add_call(c, 1, counterpart="client:alice")
    return [], None


SCENES: list[Scene] = [
    unlinked_by_hand, link_write_failed, lead_deleted, no_numbers, own_numbers_only, withheld_caller, several_leads,
    missed_match, format_mismatch, no_matching_lead, unknown,
]  # fmt: skip


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_cause_is_written(connection: Connection, gateway: PostgresGateway, scene: Scene) -> None:
    settle(connection)
    leads, confidence = scene(connection)
    call = judged(connection, gateway, sid(1))
    assert call.cause == scene.__name__
    assert list(call.cause_leads) == leads
    assert call.best_confidence == confidence
    best = matching.candidates(gateway, [call], SETTINGS)[call.call_sid]
    assert call.candidate_count == len(best)
    if best:
        assert (call.best_lead_id, call.best_evidence) == (best[0].lead_id, best[0].evidence[0].kind)


def test_a_linked_call_has_no_cause_and_keeps_its_counterpart(connection: Connection, gateway: PostgresGateway) -> None:
    settle(connection)
    add_lead(connection, phone=NUMBER, call_sid=add_call(connection, 1, counterpart=NUMBER))
    call = judged(connection, gateway, sid(1))
    assert (call.state, call.cause, call.best_lead_id, call.candidate_count) == ("current", None, None, 0)
    assert call.counterpart == NUMBER


def test_what_changes_a_cause_is_judged_again(connection: Connection, gateway: PostgresGateway) -> None:
    settle(connection)
    call_sid = add_call(connection, 1, counterpart=NUMBER)
    assert judged(connection, gateway, call_sid).cause == "no_matching_lead"
    first = add_lead(connection, phone="(415) 555-2671")
    assert judged(connection, gateway, call_sid).cause == "format_mismatch"
    connection.execute("update leads set phone = %s where id = %s", (NUMBER, first))
    assert judged(connection, gateway, call_sid).cause == "missed_match"
    second = add_lead(connection, phone=NUMBER)
    assert judged(connection, gateway, call_sid).cause == "several_leads"
    connection.execute(*delete("leads", second))
    assert judged(connection, gateway, call_sid).cause == "missed_match"
    connection.execute("update leads set notes = %s where id = %s", (f"Outbound call {call_sid} initiated", first))
    assert judged(connection, gateway, call_sid).cause == "link_write_failed"
    connection.execute("update leads set call_sid = %s where id = %s", (call_sid, first))
    assert judged(connection, gateway, call_sid).cause is None
    connection.execute(*delete("leads", first))
    assert judged(connection, gateway, call_sid).cause == "lead_deleted"


def test_a_wrong_direction_does_not_hide_the_customer(connection: Connection, gateway: PostgresGateway) -> None:
    settle(connection)
    add_lead(connection, phone=NUMBER)
    call_sid = add_call(connection, 1, counterpart=NUMBER, direction="inbound")
    call = judged(connection, gateway, call_sid)
    assert (call.counterpart, call.cause) == (NUMBER, "missed_match")
    assert own_numbers.known(gateway, SETTINGS) == {OURS}


def test_two_rows_are_enough_to_know_our_number(connection: Connection, gateway: PostgresGateway) -> None:
    add_call(connection, 1, counterpart=NUMBER)
    call = add_call(connection, 2, counterpart=NUMBER, direction="inbound")
    assert judged(connection, gateway, call).counterpart == NUMBER
    assert own_numbers.known(gateway, SETTINGS) == {OURS}


def test_a_new_number_of_ours_is_noticed_and_its_calls_are_judged_again(
    connection: Connection, gateway: PostgresGateway
) -> None:
    settle(connection)
    second = "+14155550101"
    test_call = add_call(connection, 1, counterpart=second)
    assert judged(connection, gateway, test_call).cause == "no_matching_lead"
    for n in range(10, 16):
        add_call(connection, n, counterpart=f"+1312555{n:04d}", inbound=True, to_number=second)
    assert judged(connection, gateway, test_call).cause == "own_numbers_only"
    noted = connection.execute("select number, source, calls from own_numbers order by number").fetchall()
    assert noted == [(OURS, "data", 5), (second, "data", 6)]


def test_a_number_that_a_person_denied_is_not_ours(connection: Connection, gateway: PostgresGateway) -> None:
    settle(connection)
    judge.run(gateway, SETTINGS)
    connection.execute("update own_numbers set confirmed = false")
    assert own_numbers.refresh(gateway, SETTINGS) == frozenset()
    connection.execute("delete from call_events")
    assert own_numbers.refresh(gateway, SETTINGS) == frozenset()
    assert connection.execute("select number, confirmed from own_numbers").fetchall() == [(OURS, False)]


def test_numbers_of_the_settings_are_ours_whatever_the_data_says(
    connection: Connection, gateway: PostgresGateway
) -> None:
    call_sid = add_call(connection, 1, counterpart=NUMBER, direction=None)
    given = Settings(own_numbers=("(415) 555-2671",))
    call = judged(connection, gateway, call_sid, given)
    assert call.counterpart == OURS
    assert connection.execute("select number, source from own_numbers").fetchall() == [(NUMBER, "settings")]


def test_everything_is_judged_again_when_the_settings_change(connection: Connection, gateway: PostgresGateway) -> None:
    settle(connection)
    add_lead(connection, phone="020 7946 0958")
    call_sid = add_call(connection, 1, counterpart="+442079460958")
    assert judged(connection, gateway, call_sid).best_evidence == "national_number"
    assert judge.run(gateway, SETTINGS) == 0
    british = Settings(default_region="GB")
    assert judge.fingerprint(british) != judge.fingerprint(SETTINGS)
    assert judged(connection, gateway, call_sid, british).best_evidence == "number_equal"
    assert judge.run(gateway, british) == 0


def test_a_limit_leaves_the_rest_for_later(connection: Connection, gateway: PostgresGateway) -> None:
    judge.run(gateway, SETTINGS)
    for n in range(30):
        add_call(connection, n)
    assert judge.run(gateway, SETTINGS, 10) == 10
    assert connection.execute("select count(*) from calls where judged_at is not null").fetchone() == (10,)
    judge.run(gateway, SETTINGS)
    assert connection.execute("select count(*) from calls where judged_at is null").fetchone() == (0,)


def test_leads_without_calls_do_not_hold_the_queue_up(connection: Connection, gateway: PostgresGateway) -> None:
    settle(connection)
    call_sid = add_call(connection, 1, counterpart=NUMBER)
    judge.run(gateway, SETTINGS)
    connection.execute(
        "insert into leads (phone) select '+1650' || lpad(n::text, 7, '0') from generate_series(1, 3000) as n"
    )
    add_lead(connection, phone=NUMBER)
    assert judged(connection, gateway, call_sid).cause == "missed_match"
    assert connection.execute("select count(*) from judge_marks").fetchone() == (0,)


def test_a_call_that_somebody_holds_stays_queued(db: str, connection: Connection, gateway: PostgresGateway) -> None:
    held, free = add_call(connection, 1), add_call(connection, 2)
    with psycopg.connect(db) as other:
        other.execute("select from calls where call_sid = %s for update", (held,))
        judge.run(gateway, SETTINGS)
        rows = connection.execute("select call_sid from calls where judged_at is not null").fetchall()
        assert rows == [(free,)]
    assert judged(connection, gateway, held).cause == "no_matching_lead"


def test_a_change_between_reading_and_writing_is_judged_again(
    connection: Connection, gateway: PostgresGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(connection)
    call_sid = add_call(connection, 1, counterpart=NUMBER)
    assess_all, once = matching.assess_all, iter([True])

    def meddle(*arguments: Any) -> Any:
        found = assess_all(*arguments)
        if next(once, False):
            add_lead(connection, phone=NUMBER)
        return found

    monkeypatch.setattr(matching, "assess_all", meddle)
    assert judged(connection, gateway, call_sid).cause == "missed_match"


def write_stale(gateway: PostgresGateway, batch: dict[str, Any]) -> None:
    """What a slow judge writes, who read its leads before anybody had the number."""
    judgements = [
        {"call_sid": c["call_sid"], "cause": "no_matching_lead", "counterpart": NUMBER, "counterpart_key": NUMBER[-7:]}
        for c in batch["calls"]
    ]
    gateway.call("write_judgements", p_queue_ids=batch["queue_ids"], p_judgements=judgements)


def test_a_lead_that_comes_while_a_call_is_in_hand_is_not_missed(
    connection: Connection, gateway: PostgresGateway
) -> None:
    settle(connection)
    judge.run(gateway, SETTINGS)
    call_sid = add_call(connection, 1, counterpart=NUMBER)
    in_hand = gateway.call("judge_batch")
    add_lead(connection, phone="(415) 555-2671")
    gateway.call("judge_batch")  # another judge turns the lead's mark into queue rows and has not written yet
    write_stale(gateway, in_hand)
    assert judged(connection, gateway, call_sid).cause == "format_mismatch"


def test_a_slow_judge_does_not_overwrite_what_is_newer(connection: Connection, gateway: PostgresGateway) -> None:
    settle(connection)
    call_sid = add_call(connection, 1, counterpart=NUMBER)
    in_hand = gateway.call("judge_batch")
    add_lead(connection, phone="(415) 555-2671")
    assert judged(connection, gateway, call_sid).cause == "format_mismatch"
    write_stale(gateway, in_hand)
    assert judged(connection, gateway, call_sid).cause == "format_mismatch"


def test_several_judges_and_writers_at_once_end_up_right(db: str, connection: Connection) -> None:
    settle(connection)
    failures: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        mine = PostgresGateway(db)
        try:
            while not stop.is_set():
                judge.run(mine, SETTINGS)
        except BaseException as failure:
            failures.append(failure)
        finally:
            mine.close()

    def write(first: int) -> None:
        with psycopg.connect(db, autocommit=True) as mine:
            for n in range(first, first + 60):
                add_call(mine, n, counterpart=f"+1650555{n:04d}")
                add_lead(mine, phone=f"(650) 555-{n:04d}")

    judges = [threading.Thread(target=work) for _ in range(3)]
    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 100)]
    for thread in (*judges, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in judges:
        thread.join()
    assert not failures
    last = PostgresGateway(db)
    judge.run(last, SETTINGS)
    last.close()
    rows = connection.execute("select cause, count(*) from calls group by 1 order by 1").fetchall()
    assert rows == [("format_mismatch", 120), ("no_matching_lead", 4)]


def test_a_number_that_very_many_leads_share_is_still_judged(connection: Connection, gateway: PostgresGateway) -> None:
    settle(connection)
    connection.execute("insert into leads (name, phone) select 'Many', %s from generate_series(1, 1500)", (NUMBER,))
    call = judged(connection, gateway, add_call(connection, 1, counterpart=NUMBER))
    assert (call.cause, len(call.cause_leads)) == ("several_leads", 5)
    assert call.candidate_count == 500  # the database names at most so many of a number


def test_the_guides_smallest_tables_are_judged(guide_tables: str) -> None:
    from core.store.migrate import migrate

    migrate(guide_tables)
    mine = PostgresGateway(guide_tables)
    judge.run(mine, SETTINGS)
    causes = {row["call_sid"][-1]: row["cause"] for row in mine.select("calls")}
    mine.close()
    assert causes == {"1": "link_write_failed", "2": "format_mismatch", "3": "no_numbers"}


pieces = st.sampled_from(
    ["415-555-2671", "(020) 7946 0958", "4155552671.0", "+4531508461", " / ", ", ", " or ", " and ", " ext. 9", "x12",
     "#", ";", " ", "\n", "5552671", "12", "call mornings", "Box", "|", "4155552671 2125550100"]
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(st.lists(pieces, max_size=5).map("".join) | st.text("0123456789 +-().,;/|x#.orande", max_size=40))
def test_database_and_rules_make_the_same_keys(connection: Connection, text: str) -> None:
    row = connection.execute("select patchbay_phone_keys(%s)", (text,)).fetchone()
    assert row is not None
    assert set(row[0]) == phone.keys(text)
