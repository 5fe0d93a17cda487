"""Changes that our triggers could not follow are noted and replayed: nothing that an outside writer did is lost."""

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
import pytest

from tests.database.desk import Desk, Linked
from tests.database.outside import sid

A, B, C = sid(1), sid(2), sid(3)
Write: TypeAlias = tuple[int, str | None]
"""Which lead (0 is the first) gets which slot."""


@pytest.fixture(scope="module")
def opened(pg18: Any) -> Iterator[psycopg.Connection[Any]]:
    with pg18.database(pg18.migrated_database()) as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def broken(desk: Desk, table: str = "calls") -> Iterator[None]:
    """One of our tables is away meanwhile."""
    desk.sql(f"alter table {table} rename to {table}_away")
    yield
    desk.sql(f"alter table {table}_away rename to {table}")


def test_a_missed_change_is_noted_with_lead_old_and_new_slot(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, A)
    with broken(desk):
        desk.set_slot(lead, B)
    assert desk.errors() == [("leads", "update", "42P01", lead, A, B)]
    assert desk.slot(lead) == B, "the writer got what it wanted"


def test_a_missed_change_is_replayed(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, A)
    with broken(desk):
        desk.set_slot(lead, B)
    assert desk.rebuild()["missed_changes"] == 1
    assert (desk.state(A), desk.state(B)) == ("history", "current")
    assert (desk.newest()["source"], desk.newest()["before"]["leads"]) == ("outside", {str(lead): A})
    desk.assert_sound()


def test_a_missed_call_that_the_slot_moved_on_from_is_the_leads_history(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, A)
    with broken(desk):
        desk.set_slot(lead, B)
    desk.set_slot(lead, C)
    assert desk.lead_of(B) is None
    desk.rebuild()
    assert [desk.state(call) for call in (A, B, C)] == ["history", "history", "current"]
    desk.assert_sound()


def test_a_missed_call_that_was_emptied_since_is_unlinked_by_hand(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    with broken(desk):
        desk.set_slot(lead, A)
    desk.set_slot(lead, None)
    desk.rebuild()
    assert desk.call(A) == Linked(None, by_hand=True)
    desk.assert_sound()


def test_what_a_person_decided_since_is_not_replayed_over(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    with broken(desk):
        desk.set_slot(ada, A)
        desk.set_slot(ada, None)
    desk.link(A, bo)
    with broken(desk):
        desk.set_slot(ada, B)
        desk.set_slot(ada, C)
    desk.set_aside(B)
    desk.rebuild()
    assert (desk.call(A), desk.call(B)) == (Linked(bo), Linked(None, set_aside=True))
    assert (desk.slot(ada), desk.lead_of(C)) == (C, ada)
    desk.assert_sound()


def test_a_missed_write_ends_what_was_decided_before_it(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.calls(A)
    desk.set_aside(A)
    with broken(desk):
        desk.set_slot(lead, A)
        desk.set_slot(lead, B)
    desk.rebuild()
    assert desk.call(A) == Linked(lead)
    desk.assert_sound()


@pytest.mark.parametrize("statement", ["delete from leads", "truncate leads"])
def test_a_missed_deletion_of_leads_is_replayed(desk: Desk, statement: str) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, A)
    desk.set_slot(lead, B)
    with broken(desk, "link_events"):
        desk.sql(statement)
    assert desk.lead_of(A) == lead
    desk.rebuild()
    assert (desk.call(A), desk.call(B)) == (Linked(None), Linked(None))
    assert desk.newest(A)["action"] == "lead_deleted"
    desk.assert_sound()


def test_a_missed_insertion_of_leads_is_replayed(desk: Desk) -> None:
    with broken(desk):
        desk.sql("insert into leads (call_sid, phone, notes) values (%s, '+14155550123', %s)", A, f"call {B}")
    desk.one("select patchbay_replay_errors()")
    assert desk.state(A) == "current"
    assert desk.one("select count(*) from lead_numbers") == 1
    assert desk.one("select call_sid from lead_mentions") == B
    desk.assert_sound()


def test_missed_rows_are_replayed(desk: Desk) -> None:
    desk.calls(C)
    with broken(desk):
        desk.calls(A)
        desk.sql("insert into conversation_transcripts (call_sid, content) values (%s, 'hello')", B)
        desk.sql("delete from call_events where call_sid = %s", C)
    assert [row[0] for row in desk.errors()] == ["call_events", "conversation_transcripts", "call_events"]
    desk.sql("select patchbay_replay_errors()")
    assert [desk.call(call) for call in (A, B, C)] == [Linked(None), Linked(None), None]
    desk.assert_sound()


def test_changes_that_could_not_even_be_noted_are_found_by_a_rebuild(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    with broken(desk), broken(desk, "link_errors"):
        desk.set_slot(lead, A)
        desk.calls(B)
    assert desk.errors() == []
    desk.rebuild()
    assert (desk.lead_of(A), desk.lead_of(B)) == (lead, None)
    desk.assert_sound()


def test_what_was_missed_is_replayed_by_itself_before_the_next_judging(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    with broken(desk):
        desk.set_slot(lead, A)
        desk.calls(B)
    batch = desk.one("select judge_batch(10)")
    assert desk.errors() == []
    assert {call["call_sid"]: call["lead_id"] for call in batch["calls"]} == {A: lead, B: None}
    desk.assert_sound()


def test_a_change_that_cannot_be_replayed_does_not_stop_the_others(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.sql(
        "insert into link_errors (relation, operation, error, call_sids)"
        " values ('call_events', 'insert', '55P03', array[repeat('x', 60)])"
    )
    with broken(desk):
        desk.set_slot(lead, A)
    desk.one("select judge_batch(10)")
    assert desk.lead_of(A) == lead
    assert [row[0] for row in desk.errors()] == ["call_events"]


def test_a_replay_does_not_wait_for_a_writer_that_holds_its_lead(db: str) -> None:
    with psycopg.connect(db, autocommit=True) as here, psycopg.connect(db, autocommit=True) as there:
        desk, holder = Desk(here), Desk(there)
        ada, bo = desk.leads(2)
        with broken(desk):
            desk.set_slot(ada, A)
            desk.set_slot(bo, B)
        with holder.connection.transaction():
            holder.sql("select 1 from leads where id = %s for update", ada)
            began = time.monotonic()
            assert desk.one("select patchbay_replay_errors()") == 1
            assert time.monotonic() - began < 1.0
        assert (desk.one("select patchbay_replay_errors()"), desk.lead_of(A), desk.lead_of(B)) == (1, ada, bo)
        desk.assert_sound()


def outcome(desk: Desk, writes: Sequence[Write], missed: Sequence[bool]) -> Any:
    """Whose each call is and what each slot holds (leads by number) after some writes of which some were missed."""
    with desk.connection.transaction(force_rollback=True):
        leads = desk.leads(2)
        desk.calls(A, B)
        for (number, call), away in zip(writes, missed, strict=True):
            try:
                with desk.connection.transaction():
                    if away:
                        desk.sql("alter table calls rename to calls_away")
                    desk.set_slot(leads[number], call)
                    if away:
                        desk.sql("alter table calls_away rename to calls")
            except psycopg.errors.UniqueViolation:
                continue  # another lead carries it: the writer's own failure, the same either way
        desk.rebuild()
        desk.assert_sound()
        calls = {call: desk.call(call) for call in (A, B)}
        return {
            call: found and (found.lead and leads.index(found.lead), found.by_hand) for call, found in calls.items()
        }, [desk.slot(lead) for lead in leads]


def differences(desk: Desk, sequences: Sequence[Sequence[Write]]) -> list[Any]:
    wrong = []
    for writes in sequences:
        right = outcome(desk, writes, [False] * len(writes))
        for missed in itertools.product([False, True], repeat=len(writes)):
            if any(missed) and (found := outcome(desk, writes, missed)) != right:
                wrong.append((writes, missed, found, right))
    return wrong


def test_one_leads_writes_come_out_the_same_whichever_of_them_were_missed(desk: Desk) -> None:
    values = (A, B, None)
    sequences = [[(0, call) for call in calls] for calls in itertools.product(values, repeat=3) if calls[0]]
    assert differences(desk, sequences) == []


def test_two_leads_writes_come_out_the_same_whichever_of_them_were_missed(desk: Desk) -> None:
    choice = random.Random(7)
    steps = [(number, call) for number in (0, 1) for call in (A, B, None)]
    sequences = [[choice.choice(steps) for _ in range(4)] for _ in range(8)]
    assert differences(desk, sequences) == []
