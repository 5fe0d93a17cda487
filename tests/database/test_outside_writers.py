"""Outside writers (the backend, SQL by hand) never fail and never wait long because of us."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from core.store.migrate import migrate
from tests.database.desk import Desk, Linked, drop_constraint
from tests.database.outside import sid

A, B, C, D = sid(1), sid(2), sid(3), sid(4)
LOCK_WAIT = 0.5
"""Seconds that a trigger of ours may wait for a lock."""
SLACK = 0.7
"""Seconds that a busy machine may add."""


@contextmanager
def another(db: str, **options: Any) -> Iterator[Desk]:
    """Somebody else's connection."""
    with psycopg.connect(db, autocommit=True, **options) as connection:
        yield Desk(connection)


# Something of ours is broken ------------------------------------------------------------------------------------------

OURS = ["calls", "link_events", "link_errors", "judge_queue", "judge_marks", "lead_numbers", "lead_mentions",
        "patchbay_state"]  # fmt: skip


def write_everything(desk: Desk, lead: int) -> None:
    """One of every statement that a writer may send to each of the three tables."""
    desk.set_slot(lead, A)
    desk.set_slot(lead, B)
    desk.set_slot(lead, None)
    desk.sql("insert into leads (name, phone, notes, call_sid) values ('x', '+14155550123', %s, %s)", f"call {C}", C)
    desk.sql("update leads set phone = '+14155550124', notes = null")
    desk.sql("delete from leads where call_sid = %s", C)
    for table in ("call_events", "conversation_transcripts"):
        desk.sql(f"insert into {table} (call_sid) values (%s), (%s)", A, D)
        desk.sql(f"update {table} set call_sid = %s where call_sid = %s", B, A)
        desk.sql(f"delete from {table} where call_sid = %s", D)
        desk.sql(f"truncate {table}")
    desk.sql("truncate leads")


@pytest.mark.parametrize("table", OURS)
def test_a_missing_table_of_ours_is_nobody_elses_trouble(desk: Desk, table: str) -> None:
    (lead,) = desk.leads(1)
    desk.sql(f"alter table {table} rename to {table}_away")
    write_everything(desk, lead)
    desk.sql(f"alter table {table}_away rename to {table}")
    desk.rebuild()
    desk.assert_sound()


def test_with_every_table_of_ours_missing_writers_go_on(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    for table in OURS:
        desk.sql(f"alter table {table} rename to {table}_away")
    write_everything(desk, lead)


@pytest.mark.parametrize(
    "function",
    ["patchbay_roll_up(text[])", "patchbay_slot_changed(bigint, text, text, text)", "patchbay_note_leads(bigint[])",
     "patchbay_lock_calls(text[], timestamptz)", "patchbay_sid(text)"],
)  # fmt: skip
def test_a_missing_function_of_ours_is_nobody_elses_trouble(desk: Desk, function: str) -> None:
    (lead,) = desk.leads(1)
    desk.sql(f"alter function {function} rename to patchbay_away")
    write_everything(desk, lead)


@pytest.mark.parametrize("column", ["calls add must_have int not null", "link_events add must_have int not null"])
def test_a_changed_table_of_ours_is_nobody_elses_trouble(desk: Desk, column: str) -> None:
    (lead,) = desk.leads(1)
    desk.sql(f"alter table {column}")
    write_everything(desk, lead)
    assert desk.errors()


# Values that nobody expects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [None, "", "   ", "\t"])
def test_rows_and_slots_without_a_sid_are_nobodys_call(desk: Desk, odd: str | None) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, odd)
    for table in ("call_events", "conversation_transcripts"):
        desk.sql(f"insert into {table} (call_sid) values (%s)", odd)
        desk.sql(f"update {table} set call_sid = call_sid")
        desk.sql(f"delete from {table}")
    assert desk.one("select count(*) from calls") == 0
    desk.assert_sound()


def test_oversized_sids_are_skipped(pg18: Any) -> None:
    """The customer's columns may be text without a limit."""
    with pg18.database(pg18.new_database()) as url, another(url) as desk:
        desk.sql("create table leads (id int primary key, name text, call_sid text)")
        desk.sql("create table call_events (id int primary key, call_sid text, created_at timestamptz default now())")
        desk.sql("create table conversation_transcripts (id int primary key, call_sid text)")
        migrate(url)
        desk.sql("insert into leads values (1, 'x', repeat('x', 51)), (2, 'y', repeat('y', 50))")
        desk.sql("insert into call_events values (1, repeat('x', 51)), (2, repeat('z', 10000)), (3, repeat('y', 50))")
        desk.sql("insert into conversation_transcripts values (1, repeat('x', 80))")
        desk.sql("update leads set call_sid = repeat('x', 2000) where id = 2")
        assert desk.sql("select call_sid, lead_id, by_hand from calls").fetchall() == [("y" * 50, None, True)]
        desk.assert_sound()


def test_statements_that_touch_many_rows_are_followed_row_by_row(desk: Desk) -> None:
    leads = desk.leads(30)
    desk.sql(
        "insert into call_events (call_sid) select 'CA' || n from generate_series(1, 200) n, generate_series(1, 2)"
    )
    assert desk.one("select count(*) from calls where event_count = 2") == 200
    desk.sql("update leads set call_sid = 'CA' || id")
    assert desk.one("select count(*) from calls where lead_id is not null") == len(leads)
    desk.sql("update leads set call_sid = null where id %% 2 = 0".replace("%%", "%"))
    assert desk.one("select count(*) from calls where by_hand") == len(leads) / 2
    desk.sql("update call_events set call_sid = 'CB' || call_sid")
    desk.assert_sound()


def test_a_statement_that_swaps_two_slots_moves_both_calls(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(bo, B)
    desk.sql("update leads a set call_sid = b.call_sid from leads b where a.id <> b.id")
    assert (desk.lead_of(A), desk.lead_of(B)) == (bo, ada)
    desk.assert_sound()


def test_a_call_that_changes_hands_in_one_statement_moves(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.sql("update leads set call_sid = case id when %s then %s end", bo, A)
    assert desk.call(A) == Linked(bo)
    assert "move" in {event["action"] for event in desk.events()[:2]}
    desk.assert_sound()


def test_an_upsert_that_renames_a_rows_call_is_followed(desk: Desk) -> None:
    row = desk.one("insert into call_events (call_sid) values (%s) returning id", A)
    desk.sql(
        "insert into call_events (id, call_sid) values (%s, %s)"
        " on conflict (id) do update set call_sid = excluded.call_sid",
        row, B,
    )  # fmt: skip
    assert (desk.call(A), desk.call(B)) == (None, Linked(None))
    desk.assert_sound()


@pytest.mark.parametrize(
    "statement",
    [
        "insert into leads (id, call_sid) values ({lead}, '{call}')"
        " on conflict (id) do update set call_sid = excluded.call_sid",
        "merge into leads l using (values ({lead}, '{call}')) v (id, sid) on l.id = v.id"
        " when matched then update set call_sid = v.sid when not matched then insert (id) values (v.id)",
        "with moved as (update leads set call_sid = '{call}' where id = {lead} returning id) select * from moved",
    ],
)  # fmt: skip
def test_a_slot_may_be_set_by_any_kind_of_statement(desk: Desk, statement: str) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, A)
    desk.sql(statement.format(lead=lead, call=B))
    assert (desk.state(A), desk.state(B)) == ("history", "current")
    desk.assert_sound()


def test_rows_that_are_copied_in_are_followed(desk: Desk) -> None:
    with desk.connection.cursor().copy("copy call_events (call_sid) from stdin") as copy:
        for number in range(50):
            copy.write_row([sid(number)])
    assert desk.one("select count(*) from calls") == 50
    desk.assert_sound()


def test_a_lead_that_gets_another_id_takes_its_current_call_along(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, A)
    desk.set_slot(lead, B)
    desk.sql("update leads set id = 4711")
    assert (desk.lead_of(B), desk.lead_of(A)) == (4711, None)
    desk.assert_sound()


def test_an_update_of_other_columns_is_no_change_of_the_slot(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, A)
    known = len(desk.events())
    desk.sql("update leads set name = 'x', call_sid = call_sid, last_contacted_at = now()")
    assert len(desk.events()) == known


# Triggers of the customer's -------------------------------------------------------------------------------------------


def test_a_slot_set_by_a_before_trigger_of_the_customers_is_followed(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.sql(
        f"create function t() returns trigger language plpgsql as $$ begin new.call_sid := '{A}'; return new; end $$"
    )
    desk.sql("create trigger t before update on leads for each row execute function t()")
    desk.sql("update leads set name = 'z'")
    assert (desk.slot(lead), desk.lead_of(A)) == (A, lead)
    desk.assert_sound()


@pytest.mark.parametrize("name", ["a_first", "z_last"])
def test_a_slot_written_again_by_an_after_trigger_of_the_customers_is_followed(desk: Desk, name: str) -> None:
    (lead,) = desk.leads(1)
    desk.sql(
        "create function t() returns trigger language plpgsql as $$ begin"
        f" update leads set call_sid = '{B}' where id = new.id; return null; end $$"
    )
    desk.sql(
        f"create trigger {name} after update on leads for each row when (new.call_sid = '{A}') execute function t()"
    )
    desk.set_slot(lead, A)
    assert (desk.slot(lead), desk.lead_of(B)) == (B, lead)
    desk.rebuild()
    desk.assert_sound()


def test_an_event_row_written_by_a_trigger_of_the_customers_is_followed(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.sql(
        "create function t() returns trigger language plpgsql as $$ begin"
        " insert into call_events (call_sid) values (new.call_sid); return null; end $$"
    )
    desk.sql("create trigger t after update of call_sid on leads for each row execute function t()")
    desk.set_slot(lead, A)
    desk.calls(B)
    desk.link(B, lead, current=True)
    assert desk.one("select array_agg(event_count order by call_sid) from calls") == [1, 2]
    desk.assert_sound()


# Other roles ----------------------------------------------------------------------------------------------------------


def test_a_role_with_rights_on_the_three_tables_only_writes_as_before(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.sql("create role their_backend")
    desk.sql(
        "grant select, insert, update, delete, truncate on leads, call_events, conversation_transcripts"
        " to their_backend"
    )
    desk.sql("set local role their_backend")
    write_everything(desk, lead)
    for forbidden in ("select * from calls", "select * from link_events", "select link_call('x', 1)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), desk.connection.transaction():
            desk.sql(forbidden)
    desk.sql("reset role")
    assert len(desk.events()) >= 4, "set, replaced, emptied, inserted, deleted"
    desk.assert_sound()


def test_an_odd_search_path_of_the_writer_changes_nothing(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.sql("create schema theirs")
    desk.sql("create table theirs.calls (call_sid text)")
    desk.sql("create function theirs.patchbay_sid(text) returns text language sql as $$ select 'wrong' $$")
    desk.sql("set local search_path = theirs, public, pg_catalog")
    desk.set_slot(lead, A)
    desk.sql("set local search_path = public")
    assert desk.lead_of(A) == lead
    desk.assert_sound()


@pytest.mark.parametrize(
    "setting",
    ["timezone = 'Asia/Kathmandu'", "datestyle = 'SQL, DMY'", "default_transaction_deferrable = on",
     "work_mem = '64kB'", "enable_indexscan = off", "plpgsql.variable_conflict = 'use_column'"],
)  # fmt: skip
def test_odd_settings_of_the_writers_session_change_nothing(desk: Desk, setting: str) -> None:
    (lead,) = desk.leads(1)
    desk.sql(f"set local {setting}")
    desk.set_slot(lead, A)
    desk.calls(A)
    assert desk.one("select started_at = '2026-03-01 09:00+00' from calls where call_sid = %s", A)
    desk.assert_sound()


# Locks and isolation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", ["calls", "link_events", "judge_queue"])
def test_a_writer_waits_half_a_second_at_most_for_a_lock_of_ours(db: str, held: str) -> None:
    with another(db) as writer, another(db) as holder:
        (lead,) = writer.leads(1)
        writer.set_slot(lead, A)
        writer.calls(A)
        with holder.connection.transaction():
            lock = "select 1 from calls for update" if held == "calls" else f"lock table {held} in exclusive mode"
            holder.sql(lock)
            for write in (lambda: writer.set_slot(lead, B), lambda: writer.calls(A)):
                began = time.monotonic()
                write()
                assert time.monotonic() - began < LOCK_WAIT + SLACK
        missed = {(row[0], row[2]) for row in writer.errors()}
        assert ("leads", "55P03") in missed
        assert [row for row in writer.errors() if row[0] == "leads"] == [("leads", "update", "55P03", lead, A, B)]
        writer.rebuild()
        assert (writer.state(A), writer.state(B)) == ("history", "current")
        writer.assert_sound()


def test_several_locks_cost_a_writer_half_a_second_altogether(db: str) -> None:
    with another(db) as writer, another(db) as holder:
        writer.leads(3)
        writer.sql("insert into call_events (call_sid) values (%s), (%s), (%s)", A, B, C)
        with holder.connection.transaction():
            holder.sql("select 1 from calls for update")
            began = time.monotonic()
            writer.sql("update leads set call_sid = 'CA' || lpad(id::text, 32, '0')")
            assert time.monotonic() - began < LOCK_WAIT + SLACK
        writer.rebuild()
        writer.assert_sound()


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_writer_with_an_old_snapshot_does_not_fail(db: str, level: str) -> None:
    with another(db) as old, another(db) as other:
        (lead,) = other.leads(1)
        other.calls(A)
        with old.connection.transaction():
            old.sql(f"set transaction isolation level {level}")
            old.one("select count(*) from leads")
            other.calls(A, B, day=2)
            old.calls(A, B, C, day=3)
            old.set_slot(lead, A)
        old.rebuild()
        assert old.one("select array_agg(event_count order by call_sid) from calls") == [3, 2, 1]
        assert old.lead_of(A) == lead
        old.assert_sound()


def test_a_serializable_writer_at_work_alone_is_followed(db: str) -> None:
    with another(db) as desk:
        (lead,) = desk.leads(1)
        for _ in range(3):
            with desk.connection.transaction():
                desk.sql("set transaction isolation level serializable")
                desk.set_slot(lead, A)
                desk.calls(A)
        assert desk.state(A) == "current"
        desk.assert_sound()


def test_two_writers_of_one_call_at_once_lose_nothing(db: str) -> None:
    """The second one waits for the first and then counts both rows."""
    with another(db) as first, another(db) as second:
        with first.connection.transaction():
            first.calls(A)
            waiting = threading.Thread(target=second.calls, args=(A,), kwargs={"day": 2})
            waiting.start()
            time.sleep(0.1)
        waiting.join()
        assert first.one("select event_count from calls where call_sid = %s", A) == 2
        first.assert_sound()


def test_a_writer_that_rolls_back_leaves_nothing(db: str) -> None:
    with another(db) as desk:
        (lead,) = desk.leads(1)
        before = desk.everything()
        with desk.connection.transaction(force_rollback=True):
            desk.set_slot(lead, A)
            desk.calls(B)
        assert desk.everything() == before


def test_a_read_only_standby_session_reads_what_is_there(db: str) -> None:
    with another(db) as desk:
        (lead,) = desk.leads(1)
        desk.set_slot(lead, A)
        desk.sql("set default_transaction_read_only = on")
        assert desk.drift() == []
        assert desk.sql("select state from call_links").fetchall() == [("current",)]
