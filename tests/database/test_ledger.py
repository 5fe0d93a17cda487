"""The ledger only grows, and replaying it gives the present."""

import pytest

from tests.database.desk import Desk, Linked
from tests.database.outside import sid

A, B, C = sid(1), sid(2), sid(3)


@pytest.mark.parametrize("mode", ["origin", "replica", "local"])
@pytest.mark.parametrize(
    "statement",
    [
        "delete from link_events",
        "update link_events set actor = 'x'",
        "truncate link_events",
        "truncate link_events cascade",
        "delete from link_events where false",
        "insert into link_events (id, actor, source, action, call_sid, before, after) overriding system value"
        " select id, actor, source, action, call_sid, before, after from link_events"
        " on conflict (id) do update set actor = 'x'",
    ],
)
def test_the_ledger_is_append_only_also_for_a_superuser(desk: Desk, statement: str, mode: str) -> None:
    (lead,) = desk.leads(1)
    desk.set_slot(lead, A)
    assert desk.one("select rolsuper from pg_roles where rolname = current_user")
    desk.sql(f"set local session_replication_role = {mode}")
    code, reason = ("0A000", "") if statement == "truncate link_events" else ("PB004", "append-only")
    with desk.refused(code, reason):
        desk.sql(statement)


def test_the_ledger_replays_to_the_present(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B, C)
    desk.link(A, ada)
    desk.set_slot(ada, B)
    desk.relink(A, bo)
    desk.unlink(B)
    desk.set_aside(C)
    assert desk.sql("select lead_id, call_sid from link_replay_slots order by 1").fetchall() == [(ada, None), (bo, A)]
    assert desk.sql("select call_sid, lead_id, set_aside, by_hand from link_replay_calls order by 1").fetchall() == [
        (A, bo, False, False), (B, None, False, True), (C, None, True, False)
    ]  # fmt: skip
    desk.assert_sound()


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("link", "update calls set lead_id = null"),
        ("link", "update calls set lead_id = lead_id + 1"),
        ("roll-up", "update calls set to_number = '+1'"),
        ("roll-up", "update calls set started_at = started_at + interval '1 hour'"),
        ("roll-up", "update calls set event_count = 7"),
        ("roll-up", "delete from calls"),
    ],
)
def test_drift_is_seen_and_repaired(desk: Desk, kind: str, damage: str) -> None:
    (lead,) = desk.leads(1)
    desk.calls(A)
    desk.link(A, lead)
    desk.sql(damage)
    assert kind in {row[0] for row in desk.drift()}
    assert sum(desk.rebuild().values()) > 0
    assert desk.call(A) == Linked(lead)
    desk.assert_sound()


def test_a_slot_that_was_changed_with_triggers_off_is_followed_by_a_rebuild(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.link(A, ada)
    desk.sql("set local session_replication_role = replica")
    desk.set_slot(ada, B)
    desk.set_slot(bo, A)
    desk.sql("set local session_replication_role = origin")
    assert {row[0] for row in desk.drift()} == {"slot", "invariant"}
    assert desk.rebuild()["slots"] == 2
    assert (desk.lead_of(A), desk.lead_of(B)) == (bo, ada)
    assert {event["source"] for event in desk.events()[:2]} == {"outside"}
    desk.assert_sound()


def test_a_lead_deleted_with_triggers_off_is_followed_by_a_rebuild(desk: Desk) -> None:
    (lead,) = desk.leads(1)
    desk.calls(A, B)
    desk.link(A, lead)
    desk.link(B, lead)
    desk.sql("set local session_replication_role = replica")
    desk.sql("delete from leads")
    desk.sql("set local session_replication_role = origin")
    desk.rebuild()
    assert (desk.call(A), desk.call(B)) == (Linked(None), Linked(None))
    desk.assert_sound()


def test_rows_written_with_triggers_off_are_rolled_up_by_a_rebuild(desk: Desk) -> None:
    desk.calls(A)
    desk.sql("set local session_replication_role = replica")
    desk.sql("delete from call_events")
    desk.calls(B)
    desk.sql("insert into conversation_transcripts (call_sid, content) values (%s, 'hello')", C)
    desk.sql("set local session_replication_role = origin")
    assert desk.rebuild()["roll_ups"] >= 2
    assert [desk.call(call) for call in (A, B, C)] == [None, Linked(None), Linked(None)]
    desk.assert_sound()


def test_two_statements_of_one_transaction_are_recorded_in_order(desk: Desk) -> None:
    """Ids and times of events agree although the transaction has one start."""
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(bo, B)
    first, second = reversed(desk.events())
    assert (first["id"], first["at"]) < (second["id"], second["at"])


def test_no_personal_value_stands_in_the_ledger(desk: Desk) -> None:
    """Names, numbers and addresses that a command writes are kept where they can be erased, and nowhere else."""
    desk.calls(A, B)
    lead = desk.one(
        "select create_lead_from_call(%s, %s, '{\"request_id\": \"one\"}') ->> 'lead_id'",
        A, '{"name": "Nora O\'Neil", "phone": "+14155550142", "email": "nora@example.com"}',
    )  # fmt: skip
    desk.one("select set_lead_phone(%s, '+14155550143')", lead)
    desk.one("select repair_call(%s, %s)", B, '{"from_number": "+14155550144"}')
    assert len(desk.events()) == 3
    told = desk.one("select string_agg(e::text, '') from link_events e")
    for personal in ("Nora", "5550142", "5550143", "5550144", "nora@"):
        assert personal not in told
        assert personal in desk.one("select string_agg(v::text, '') from link_event_values v")
    with desk.refused("PB005"):
        desk.sql("select create_lead_from_call(%s, %s, %s)", A, '{"name": "Another"}', '{"request_id": "one"}')


def test_a_test_call_never_gets_a_slot_back_by_an_undo(desk: Desk) -> None:
    (ada,) = desk.leads(1)
    desk.calls(A, B)
    desk.link(A, ada)
    placed = desk.one(
        "select claim_test_call(%s) ->> 'id'",
        f'{{"key": "k", "actor": "ops", "to_number": "+14155550100", "lead_id": {ada}, "via": "direct",'
        ' "carrier": "simulator"}',
    )
    desk.one("select place_test_call(%s, %s, now() + interval '1 minute')", placed, B)
    assert desk.slot(ada) == B, "the guide's flow: the worker writes it there"
    desk.one("select finish_test_call(%s)", placed)
    assert (desk.slot(ada), desk.lead_of(B)) == (A, ada)
    (finished,) = [event for event in desk.events() if event["action"] == "finish_test_call"]
    with desk.refused("PB004", "test call"):
        desk.undo(finished)
    desk.unlink(A)
    assert (desk.slot(ada), desk.lead_of(B)) == (None, ada), "nor does it fall back to one"
    desk.assert_sound()
