"""A test call never keeps a slot: its link is history, whoever links, moves or undoes it.

All in one database; each test's writes are rolled back.
"""

import json
from typing import Any

import pytest

from tests.database.desk import Desk, Linked, drop_constraint
from tests.database.outside import sid

A, B, C, T, U = sid(1), sid(2), sid(3), sid(4), sid(5)
"""T and U are test calls, the newest of all."""


@pytest.fixture
def tested(desk: Desk) -> Desk:
    desk.calls(A, B, C, T, U)
    desk.sql("update calls set test = true where call_sid in (%s, %s)", T, U)
    return desk


def placed(desk: Desk, lead: int, call_sid: str, *, keep: bool = False) -> int:
    """A test call that is under way, as the console places it."""
    wanted = {"key": call_sid, "actor": "ops", "to_number": "+14155550100", "lead_id": lead, "via": "direct"}
    number: int = desk.one(
        "select (claim_test_call(%s) ->> 'id')::bigint", json.dumps({**wanted, "carrier": "simulator", "keep": keep})
    )
    desk.one("select place_test_call(%s, %s, now() + interval '1 minute')", number, call_sid)
    return number


# Link and relink ------------------------------------------------------------------------------------------------------


def test_a_persons_link_of_a_test_call_leaves_an_empty_slot_empty(tested: Desk, lead: int) -> None:
    event = tested.link(T, lead)
    assert event and event["after"] == {"call_lead": lead, "set_aside": False, "by_hand": False, "leads": {}}
    assert (tested.slot(lead), tested.state(T)) == (None, "history")
    tested.assert_sound()


def test_a_persons_link_of_a_newer_test_call_leaves_the_current_call(tested: Desk, lead: int) -> None:
    tested.link(A, lead)
    tested.link(T, lead)
    assert (tested.slot(lead), tested.state(T)) == (A, "history")
    tested.assert_sound()


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("command", ["link", "relink"])
def test_to_make_a_test_call_current_is_refused(tested: Desk, command: str, preview: bool) -> None:
    ada, bo = tested.leads(2)
    tested.link(A, bo)
    if command == "relink":
        tested.link(T, ada)
    with tested.refused("PB004", "is a test call: it never becomes.*leave .make current. out"):
        getattr(tested, command)(T, bo, current=True, preview=preview)


def test_nor_is_a_test_call_of_the_history_made_current(tested: Desk, lead: int) -> None:
    tested.link(T, lead)
    with tested.refused("PB004", "test call"):
        tested.link(T, lead, current=True)
    assert tested.link(T, lead) is None, "the lead has it already"


def test_the_guides_update_is_refused_too(tested: Desk, lead: int) -> None:
    with tested.refused("PB004", "test call"):
        tested.one("select update_lead(%s, %s)", lead, json.dumps({"call_sid": T}))


def test_a_relinked_test_call_joins_the_other_leads_history(tested: Desk) -> None:
    ada, bo = tested.leads(2)
    tested.link(A, bo)
    tested.link(T, ada)
    event = tested.relink(T, bo)
    assert event and event["after"]["leads"] == {}
    assert (tested.slot(ada), tested.slot(bo), tested.state(T)) == (None, A, "history")
    tested.assert_sound()


def test_automation_gives_an_empty_slot_to_another_call(tested: Desk, lead: int) -> None:
    tested.link(A, lead)
    tested.set_slot(lead, B)
    tested.set_slot(lead, None)
    tested.link(T, lead, mode="automatic")
    assert (tested.slot(lead), tested.state(T)) == (A, "history")
    tested.assert_sound()


def test_automation_leaves_a_slot_empty_where_there_are_only_test_calls(tested: Desk, lead: int) -> None:
    tested.link(T, lead, mode="automatic")
    tested.link(U, lead, mode="automatic")
    assert tested.slot(lead) is None
    tested.assert_sound()


def test_a_lead_made_from_a_test_call_has_no_current_call(tested: Desk) -> None:
    shown = tested.one('select create_lead_from_call(%s, \'{"name": "Ada"}\', \'{"preview": true}\')', T)
    event = tested.one('select create_lead_from_call(%s, \'{"name": "Ada"}\')', T)
    made = event["lead_id"]
    assert shown["before"].get("leads", {}) == event["before"]["leads"] == event["after"]["leads"] == {}
    assert (tested.slot(made), tested.lead_of(T), tested.state(T)) == (None, made, "history")
    tested.assert_sound()
    tested.undo(event)
    assert tested.one("select count(*) from leads where id = %s", made) == 0
    tested.assert_sound()


# A slot that holds a test call already: an outside writer's, or one under way -----------------------------------------


def test_an_outside_writers_slot_stands(tested: Desk, lead: int) -> None:
    tested.set_slot(lead, T)
    assert tested.state(T) == "current"
    assert tested.link(T, lead, current=True) is None, "it is so already"
    tested.link(A, lead)
    assert (tested.slot(lead), tested.state(A)) == (T, "history"), "older"
    tested.link(A, lead, current=True)
    assert (tested.slot(lead), tested.state(T)) == (A, "history")
    tested.assert_sound()


def test_a_test_call_gives_way_to_a_newer_call(tested: Desk, lead: int) -> None:
    tested.set_slot(lead, T)
    tested.calls(D := sid(6), day=20)
    tested.link(D, lead)
    assert (tested.slot(lead), tested.state(T)) == (D, "history")


def test_unlinking_never_falls_back_to_a_test_call(tested: Desk, lead: int) -> None:
    tested.link(T, lead)
    tested.link(A, lead)
    tested.unlink(A)
    assert (tested.slot(lead), tested.state(T)) == (None, "history")
    tested.assert_sound()


def test_choosing_between_two_leads_that_carry_a_test_call_leaves_one_slot(tested: Desk) -> None:
    drop_constraint(tested)
    ada, bo = tested.leads(2)
    tested.link(A, ada)
    tested.set_slot(ada, T)
    tested.set_slot(bo, T)
    event = tested.relink(T, bo)
    assert event and event["after"]["leads"] == {str(ada): A}
    assert (tested.slot(ada), tested.slot(bo), tested.lead_of(T)) == (A, T, bo), "what stood there stands"
    tested.assert_sound()


def test_a_variant_of_a_test_calls_sid_is_normalised_without_its_slot(desk: Desk, lead: int) -> None:
    desk.calls(A, T)
    desk.sql("update calls set test = true where call_sid = %s", T)
    desk.link(A, lead)
    desk.set_slot(lead, f" {T}")
    events = desk.one("select normalise_call_sid(%s)", f" {T}")
    assert events[0]["after"]["leads"] == {str(lead): A}
    assert (desk.slot(lead), desk.state(T)) == (A, "history")
    desk.assert_sound()


@pytest.mark.parametrize("keep", [False, True])
def test_a_test_call_has_the_slot_while_it_is_under_way_and_not_after(tested: Desk, lead: int, keep: bool) -> None:
    tested.link(A, lead)
    number = placed(tested, lead, T, keep=keep)
    assert tested.slot(lead) == T, "the guide's flow"
    event = tested.one("select finish_test_call(%s)", number)
    assert event["after"]["leads"] == {str(lead): A}
    status, notes = tested.sql("select lead_status, notes from leads where id = %s", lead).fetchone() or ("", "")
    assert (status == "contacted", T in (notes or "")) == (keep, keep), "what may be kept"
    assert (tested.slot(lead), tested.lead_of(T)) == (A, lead)
    assert tested.one("select finish_test_call(%s)", number) is None, "once"
    tested.assert_sound()


@pytest.mark.parametrize("first_over", [0, 1])
def test_two_test_calls_at_once_leave_the_lead_its_own_call(tested: Desk, lead: int, first_over: int) -> None:
    tested.link(B, lead)
    tested.link(A, lead, current=True)
    numbers = [placed(tested, lead, T), placed(tested, lead, sid(7))]
    tested.one("select finish_test_call(%s)", numbers.pop(first_over))
    tested.one("select finish_test_call(%s)", numbers.pop())
    assert tested.slot(lead) == A, "what it had before both, although a newer one is in its history"
    tested.assert_sound()


# Undo -----------------------------------------------------------------------------------------------------------------


def test_undoing_an_unlink_brings_the_link_back_but_not_the_slot(tested: Desk, lead: int) -> None:
    tested.link(A, lead)
    tested.set_slot(lead, T)
    gone = tested.unlink(T)
    assert tested.slot(lead) == A
    shown = tested.undo(gone, preview=True)
    event = tested.undo(gone)
    assert event and shown and event["after"] == shown["after"] == {**shown["after"], "call_lead": lead, "leads": {}}
    assert (tested.slot(lead), tested.lead_of(T), tested.state(T)) == (A, lead, "history")
    tested.assert_sound()
    tested.undo(event)
    assert tested.call(T) == Linked(None, by_hand=True)
    tested.assert_sound()


def test_undoing_a_relink_brings_the_link_back_but_not_the_slot(tested: Desk) -> None:
    ada, bo = tested.leads(2)
    tested.set_slot(ada, T)
    moved = tested.relink(T, bo)
    assert moved and moved["after"]["leads"] == {str(ada): None}
    tested.undo(moved)
    assert (tested.slot(ada), tested.lead_of(T)) == (None, ada)
    tested.assert_sound()


def test_undoing_what_emptied_a_slot_by_hand_leaves_it_empty(tested: Desk, lead: int) -> None:
    tested.link(A, lead)
    tested.set_slot(lead, T)
    tested.set_slot(lead, None)
    tested.undo(tested.newest())
    assert (tested.slot(lead), tested.lead_of(T), tested.state(A)) == (None, lead, "history")
    tested.assert_sound()


@pytest.mark.parametrize("other", [None, A])
def test_undoing_a_link_over_a_test_call_falls_back_past_it(tested: Desk, lead: int, other: str | None) -> None:
    if other:
        tested.link(other, lead)
    tested.set_slot(lead, T)
    linked = tested.link(B, lead, current=True)
    assert linked and linked["before"]["leads"] == {str(lead): T}
    tested.undo(linked)
    assert (tested.slot(lead), tested.lead_of(B), tested.state(T)) == (other, None, "history")
    tested.assert_sound()


@pytest.mark.parametrize("preview", [True, False])
def test_an_undo_that_is_about_nothing_but_its_slot_is_refused(tested: Desk, lead: int, preview: bool) -> None:
    tested.link(A, lead)
    tested.set_slot(lead, T)
    moved = tested.link(A, lead, current=True, mark_contacted=True)
    with tested.refused("PB004", "would make a test call the current one again"):
        tested.undo(moved, preview=preview)


def test_a_test_call_that_belongs_elsewhere_by_now_is_no_obstacle_to_an_undo(tested: Desk) -> None:
    ada, bo = tested.leads(2)
    tested.set_slot(ada, T)
    linked = tested.link(B, ada, current=True)
    tested.relink(T, bo)
    tested.undo(linked)
    assert (tested.slot(ada), tested.lead_of(T), tested.lead_of(B)) == (None, bo, None)
    tested.assert_sound()


def test_undoing_the_unlinking_of_a_claimed_test_call_brings_no_slot_back(tested: Desk) -> None:
    drop_constraint(tested)
    ada, bo = tested.leads(2)
    tested.link(A, ada)
    tested.set_slot(ada, T)
    tested.set_slot(bo, T)
    gone = tested.unlink(T)
    tested.undo(gone)
    assert (tested.lead_of(T), tested.slot(ada), tested.slot(bo)) == (ada, A, None)
    tested.assert_sound()


def test_a_batchs_preview_says_which_undos_are_refused(tested: Desk, lead: int) -> None:
    batch = "0" * 32
    tested.link(A, lead)
    tested.set_slot(lead, T)
    current = tested.link(A, lead, current=True, batch_id=batch)
    told: list[dict[str, Any]] = tested.one("select patchbay_preview_undos(%s)", json.dumps([[(current or {})["id"]]]))
    assert [each.get("state") for each in told] == ["PB004"]
