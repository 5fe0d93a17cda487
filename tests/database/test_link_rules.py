"""Rules that hold for every repair: compare and swap, one event each, undo, preview, request ids, who did it.

All in one database; each test's writes are rolled back.
"""

import json
from typing import Any

import pytest

from tests.database.desk import Desk, Linked, drop_constraint
from tests.database.outside import sid

A, B, C, D = sid(1), sid(2), sid(3), sid(4)


# Every write leaves one event -----------------------------------------------------------------------------------------


def test_a_relink_is_one_event_that_shows_what_both_leads_lose_and_gain(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.link(A, bo)
    desk.link(B, ada)
    known = len(desk.events())
    event = desk.relink(B, bo, reason="wrong number", evidence={"kind": "heard"}, batch_id="0" * 32)
    assert len(desk.events()) == known + 1
    assert event == desk.newest()
    assert event["before"] == {
        "call_lead": ada, "set_aside": False, "by_hand": False, "leads": {str(ada): B, str(bo): A}
    }  # fmt: skip
    assert event["after"] == {
        "call_lead": bo, "set_aside": False, "by_hand": False, "leads": {str(ada): None, str(bo): B}
    }  # fmt: skip
    assert (event["reason"], event["evidence"]) == ("wrong number", {"kind": "heard"})
    assert event["batch_id"] == "00000000-0000-0000-0000-000000000000"


def test_a_command_inside_a_bigger_transaction_does_not_hide_its_other_writes(desk: Desk, lead: int) -> None:
    (other,) = desk.leads(1)
    desk.calls(A)
    desk.link(A, lead)
    desk.set_slot(other, B)
    assert (desk.newest()["source"], desk.lead_of(B)) == ("outside", other)
    desk.assert_sound()


# Expect and promise ---------------------------------------------------------------------------------------------------


def test_what_the_operator_saw_must_still_hold(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    desk.link(A, ada, actor="eve@example.com")
    with desk.refused("PB003", "It changed since you looked; nothing was written.*Last change: link by eve@") as stale:
        desk.link(A, bo, expect={"call_lead": None})
    assert stale.facts == {"call_lead": ada}


@pytest.mark.parametrize("command", ["link", "relink", "unlink", "set_aside", "restore", "undo"])
def test_every_command_compares_what_was_seen(desk: Desk, lead: int, command: str) -> None:
    desk.calls(A)
    event = desk.link(A, lead) if command in ("relink", "unlink", "undo") else None
    given: list[Any] = [event] if command == "undo" else [A]
    if command in ("link", "relink"):
        given.append(lead)
    with desk.refused("PB003") as stale:
        getattr(desk, command)(*given, expect={"by_hand": True})
    assert stale.facts == {"by_hand": False}


def test_a_slot_that_moved_meanwhile_makes_the_command_stale_and_says_who(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(A, lead)
    desk.set_slot(lead, C)
    with desk.refused("PB003", f"Last change: link by {desk.one('select session_user')} at 20") as stale:
        desk.link(B, lead, expect={"call_lead": None, "leads": {str(lead): A}})
    assert stale.facts == {f"lead {lead}": C}


def test_the_command_before_any_change_of_the_facts_goes_through(desk: Desk, lead: int) -> None:
    desk.calls(A)
    assert desk.link(
        A, lead, expect={"call_lead": None, "set_aside": False, "by_hand": False, "leads": {str(lead): None}}
    )


def test_an_expected_lead_that_is_gone_makes_the_command_stale(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    desk.sql("delete from leads where id = %s", bo)
    with desk.refused("PB003") as stale:
        desk.link(A, ada, expect={"leads": {str(bo): None}})
    assert stale.facts == {f"lead {bo}": None}


def test_a_trigger_of_the_customers_that_rewrites_a_slot_makes_the_command_fail_whole(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.sql("create function lower_sid() returns trigger language plpgsql as"
             " $$ begin new.call_sid := lower(new.call_sid); return new; end $$")  # fmt: skip
    desk.sql("create trigger lower_sid before update on leads for each row execute function lower_sid()")
    with desk.refused("PB004", "did not keep what was written"):
        desk.link(A, lead)


def test_no_command_runs_before_the_installation_has_read_every_slot(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.sql("update patchbay_state set value = '{\"phase\": \"leads\"}' where key = 'install'")
    with desk.refused("PB006", "installation is still reading"):
        desk.link(A, lead)


def test_an_outcome_other_than_promised_is_not_written(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(B, lead)
    with desk.refused("PB003", "would not be what was shown; nothing was written") as stale:
        desk.link(A, lead, promise={"leads": {str(lead): A}})
    assert stale.facts == {f"lead {lead}": B}


def test_a_promise_that_holds_goes_through(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(B, lead)
    assert desk.link(A, lead, promise={"call_lead": lead, "leads": {str(lead): B}})


def test_a_promise_covers_the_columns_of_leads_too(desk: Desk, lead: int) -> None:
    desk.calls(A)
    with desk.refused("PB003") as stale:
        desk.link(A, lead, promise={"rows": {"leads": {str(lead): {"lead_status": "contacted"}}}})
    assert stale.facts == {f"leads/{lead} lead_status": "new"}


# Preview --------------------------------------------------------------------------------------------------------------


def prepared(desk: Desk, command: str) -> tuple[Any, ...]:
    """Arguments for a command that changes several facts."""
    ada, bo = desk.leads(2)
    desk.calls(A, B, C)
    desk.link(A, ada)
    if command == "link":
        return B, ada
    if command in ("set_aside", "restore"):
        if command == "restore":
            desk.set_aside(B)
        return (B,)
    event = desk.link(B, ada)
    return {"unlink": (B,), "relink": (B, bo), "undo": (event,)}[command]


@pytest.mark.parametrize("command", ["link", "relink", "unlink", "set_aside", "restore", "undo"])
def test_a_preview_writes_nothing_and_equals_what_is_then_done(desk: Desk, command: str) -> None:
    given = prepared(desk, command)
    before = desk.everything(), desk.one("select count(*) from judge_queue")
    options = {"actor": "ada", "reason": "because", "mark_contacted": command != "undo"}
    shown = getattr(desk, command)(*given, **options, preview=True)
    assert (desk.everything(), desk.one("select count(*) from judge_queue")) == before
    assert shown["id"] is None
    done = getattr(desk, command)(*given, **options, expect=shown["before"], promise=shown["after"])
    assert {**done, "id": None, "at": None} == shown
    desk.assert_sound()


def test_a_preview_of_a_command_that_changes_nothing_is_null(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.link(A, lead)
    assert desk.link(A, lead, preview=True) is None


def test_a_preview_of_a_call_that_is_not_known_yet_leaves_no_call_behind(desk: Desk, lead: int) -> None:
    shown = desk.link(A, lead, mode="worker", create=True, started_at="2026-03-01T09:00:00Z", preview=True)
    assert shown and shown["after"]["leads"] == {str(lead): A}
    assert desk.call(A) is None
    desk.assert_sound()


def test_a_preview_is_refused_as_the_command_would_be(desk: Desk, lead: int) -> None:
    desk.calls(A)
    with desk.refused("PB004"):
        desk.unlink(A, preview=True)


# Request ids ----------------------------------------------------------------------------------------------------------


def test_the_same_request_again_returns_the_same_event(desk: Desk, lead: int) -> None:
    desk.calls(A)
    first = desk.link(A, lead, request_id="r1")
    desk.unlink(A)
    before = desk.everything()
    assert desk.link(A, lead, request_id="r1") == first
    assert desk.everything() == before, "the call stays unlinked: the request was carried out once"


@pytest.mark.parametrize(
    "other",
    ["another call", "another lead", "another command", "current", "another mode", "mark_contacted"],
)
def test_a_request_id_with_other_arguments_is_refused(desk: Desk, other: str) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.link(A, ada, request_id="r1")
    with desk.refused("PB005", "Use a new request id for every command"):
        if other == "another call":
            desk.link(B, ada, request_id="r1")
        elif other == "another lead":
            desk.link(A, bo, request_id="r1")
        elif other == "another command":
            desk.unlink(A, request_id="r1")
        else:
            options: dict[str, Any] = {"current": True} if other == "current" else {"mode": "automatic"}
            desk.link(A, ada, request_id="r1", **({"mark_contacted": True} if other == "mark_contacted" else options))


@pytest.mark.parametrize("command", ["link", "relink", "unlink", "set_aside", "restore", "undo"])
def test_every_command_knows_its_request_again(desk: Desk, command: str) -> None:
    given = prepared(desk, command)
    first = getattr(desk, command)(*given, request_id="r1")
    assert getattr(desk, command)(*given, request_id="r1") == first
    desk.assert_sound()


def test_a_refused_request_may_be_sent_again(desk: Desk, lead: int) -> None:
    with desk.refused("PB001"):
        desk.link(A, lead, request_id="r1")
    desk.calls(A)
    assert desk.link(A, lead, request_id="r1")


# Undo -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["link", "relink", "unlink", "set_aside", "restore"])
def test_every_repair_can_be_undone(desk: Desk, command: str) -> None:
    given = prepared(desk, command)
    calls = "select call_sid, lead_id, set_aside from calls order by 1"
    slots = "select id, call_sid, lead_status from leads order by 1"
    before = desk.sql(calls).fetchall(), desk.sql(slots).fetchall()
    event = getattr(desk, command)(*given, mark_contacted=True)
    undone = desk.undo(event, reason="mistake")
    assert undone and (undone["action"], undone["undoes"], undone["reason"]) == ("undo", event["id"], "mistake")
    assert (desk.sql(calls).fetchall(), desk.sql(slots).fetchall()) == before
    desk.assert_sound()


def test_an_event_is_undone_once(desk: Desk, lead: int) -> None:
    desk.calls(A)
    event = desk.link(A, lead)
    desk.undo(event)
    with desk.refused("PB004", "undone already"):
        desk.undo(event)


def test_an_event_is_undone_again_when_its_undo_was_undone(desk: Desk, lead: int) -> None:
    desk.calls(A)
    event = desk.link(A, lead)
    undo = desk.undo(event)
    redone = desk.undo(undo)
    assert desk.call(A) == Linked(lead)
    with desk.refused("PB004", "undone already"):
        desk.undo(undo)
    assert desk.undo(event) and desk.call(A) == Linked(None, by_hand=True)
    with desk.refused("PB004", "undone already"):
        desk.undo(event)
    with desk.refused("PB003", "moved on since"):
        desk.undo(redone)
    desk.assert_sound()


def test_an_undo_that_leaves_a_call_unlinked_counts_as_unlinked_by_hand(desk: Desk, lead: int) -> None:
    desk.calls(A)
    event = desk.link(A, lead, mode="automatic")
    desk.undo(event)
    assert desk.call(A) == Linked(None, by_hand=True)
    with desk.refused("PB004", "automation leaves it alone"):
        desk.link(A, lead, mode="automatic")


def test_an_event_whose_outcome_does_not_hold_any_more_is_not_undone(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    event = desk.link(A, ada)
    desk.relink(A, bo)
    with desk.refused("PB003", "moved on since and cannot be undone") as stale:
        desk.undo(event)
    assert stale.facts == {"call_lead": bo, f"lead {ada}": None}


def test_a_lead_that_is_gone_stands_in_the_way_of_an_undo(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    desk.link(A, ada)
    event = desk.relink(A, bo)
    desk.sql("delete from leads where id = %s", ada)
    with desk.refused("PB004", f"names a lead that was deleted since: {ada}"):
        desk.undo(event)


def test_the_deletion_of_a_lead_cannot_be_undone(desk: Desk, lead: int) -> None:
    desk.set_slot(lead, A)
    desk.sql("delete from leads where id = %s", lead)
    with desk.refused("PB004", f"names a lead that was deleted since: {lead}"):
        desk.undo(desk.newest())


def test_a_call_that_belongs_elsewhere_by_now_is_not_put_back_into_a_slot(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.set_slot(ada, A)
    desk.set_slot(ada, B)
    event = desk.newest()
    desk.relink(A, bo)
    with desk.refused("PB004", f"make current again belongs elsewhere now: {A}"):
        desk.undo(event)


def test_a_call_that_would_be_unlinked_may_not_stand_in_a_slot_that_the_undo_does_not_change(desk: Desk) -> None:
    ada, _bo = desk.leads(2)
    desk.calls(A, B)
    desk.link(B, ada)
    event = desk.link(A, ada)
    assert event and event["after"]["leads"] == {}
    desk.link(A, ada, current=True)
    with desk.refused("PB004", f"in the slot of lead {ada}, which this would not change"):
        desk.undo(event)


def test_an_undo_cannot_put_a_call_into_a_second_slot(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(ada, None)
    event = desk.newest()
    drop_constraint(desk)
    desk.set_slot(bo, A)
    with desk.refused("PB003", "moved on since"):
        desk.undo(event)


def test_what_the_installation_found_cannot_be_undone(desk: Desk, lead: int) -> None:
    desk.set_slot(lead, A)
    desk.sql(
        "insert into link_events (actor, source, action, call_sid, lead_id, before, after)"
        " select actor, 'baseline', action, call_sid, lead_id, before, after from link_events"
    )
    with desk.refused("PB004", "What the installation found cannot be undone"):
        desk.undo(desk.newest())


def test_an_event_that_does_not_exist_is_not_found(desk: Desk) -> None:
    with desk.refused("PB001", "There is no link event 99"):
        desk.undo(99)


def test_outside_events_can_be_undone(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.link(A, ada)
    desk.link(B, ada)
    desk.set_slot(bo, A)  # moves the history call
    desk.undo(desk.newest())
    assert (desk.lead_of(A), desk.slot(ada), desk.slot(bo)) == (ada, B, None)
    desk.set_slot(ada, None)
    desk.undo(desk.newest())
    assert (desk.lead_of(B), desk.slot(ada)) == (ada, B)
    desk.set_slot(ada, A)
    desk.undo(desk.newest())
    assert (desk.slot(ada), desk.state(A)) == (B, "history")
    desk.assert_sound()


def test_an_outside_link_that_is_undone_counts_as_unlinked_by_hand(desk: Desk, lead: int) -> None:
    desk.set_slot(lead, A)
    desk.undo(desk.newest())
    assert (desk.call(A), desk.slot(lead)) == (Linked(None, by_hand=True), None)


def test_a_claim_can_be_undone(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(bo, A)
    desk.undo(desk.newest())
    assert (desk.lead_of(A), desk.slot(ada), desk.slot(bo)) == (ada, A, None)
    desk.assert_sound()


def test_a_resolved_claim_is_not_restored_once_the_constraint_stands(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(bo, A)
    event = desk.relink(A, bo)
    desk.sql("alter table leads add constraint leads_call_sid_key unique (call_sid)")
    with desk.refused("PB004", "current call of lead|in the slot of lead|claims the call"):
        desk.undo(event)


# Mark contacted -------------------------------------------------------------------------------------------------------


def status(desk: Desk, lead: int) -> str:
    return str(desk.one("select lead_status from leads where id = %s", lead))


def test_mark_contacted_is_part_of_the_event_and_comes_back_by_undo(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    desk.link(A, ada)
    event = desk.relink(A, bo, mark_contacted=True)
    assert event
    new, contacted = (
        {str(ada): {"lead_status": word}, str(bo): {"lead_status": word}} for word in ("new", "contacted")
    )
    assert (event["before"]["rows"], event["after"]["rows"]) == ({"leads": new}, {"leads": contacted})
    assert (status(desk, ada), status(desk, bo)) == ("contacted", "contacted")
    desk.undo(event)
    assert (status(desk, ada), status(desk, bo)) == ("new", "new")
    desk.assert_sound()


def test_only_leads_that_would_be_dialled_are_marked(desk: Desk) -> None:
    (lead,) = desk.leads(1, lead_status="qualified")
    desk.calls(A)
    event = desk.link(A, lead, mark_contacted=True)
    assert event and "rows" not in event["after"]
    assert status(desk, lead) == "qualified"


def test_mark_contacted_may_name_the_leads(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    desk.link(A, ada)
    desk.relink(A, bo, mark_contacted=[ada])
    assert (status(desk, ada), status(desk, bo)) == ("contacted", "new")


def test_mark_contacted_names_only_leads_that_the_command_touches(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    with desk.refused("PB007", "names a lead that this command does not touch"):
        desk.link(A, ada, mark_contacted=[bo])


def test_a_status_that_changed_since_stands_in_the_way_of_its_undo(desk: Desk, lead: int) -> None:
    desk.calls(A)
    event = desk.link(A, lead, mark_contacted=True)
    desk.sql("update leads set lead_status = 'qualified'")
    with desk.refused("PB003") as stale:
        desk.undo(event)
    assert stale.facts == {f"leads/{lead} lead_status": "qualified"}


# Who ------------------------------------------------------------------------------------------------------------------


def claim(desk: Desk, **claims: str) -> None:
    """Speak as the bearer of a verified token, the way PostgREST says so."""
    desk.sql("select set_config('request.jwt.claims', %s, true)", json.dumps(claims))


def test_the_actor_is_whom_the_caller_names(desk: Desk, lead: int) -> None:
    desk.calls(A)
    assert (desk.link(A, lead, actor="eve") or {})["actor"] == "eve"


@pytest.mark.parametrize("named", [None, "", "  "])
def test_without_a_name_the_actor_is_the_login(desk: Desk, lead: int, named: str | None) -> None:
    desk.calls(A)
    assert (desk.link(A, lead, actor=named) or {})["actor"] == desk.one("select session_user")


@pytest.mark.parametrize("claims", [{"sub": "u1", "email": "ada@example.com"}, {"sub": "ada@example.com"}])
def test_a_signed_in_subject_cannot_be_overridden(desk: Desk, lead: int, claims: dict[str, str]) -> None:
    desk.calls(A)
    claim(desk, role="authenticated", **claims)
    assert (desk.link(A, lead, actor="somebody else") or {})["actor"] == "ada@example.com"


def test_a_services_token_speaks_for_whom_it_names(desk: Desk, lead: int) -> None:
    desk.calls(A)
    claim(desk, role="service_role")
    assert (desk.link(A, lead, actor="eve") or {})["actor"] == "eve"
    assert (desk.unlink(A) or {})["actor"] == "service_role"


def test_outside_changes_carry_the_tokens_name_too(desk: Desk, lead: int) -> None:
    claim(desk, role="service_role")
    desk.set_slot(lead, A)
    assert desk.newest()["actor"] == "service_role"


def test_a_pooled_session_with_an_empty_token_is_the_login(desk: Desk, lead: int) -> None:
    desk.sql("select set_config('request.jwt.claims', '', true)")
    desk.set_slot(lead, A)
    assert desk.newest()["actor"] == desk.one("select session_user")


# Call SIDs of any form ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", ["CA123", "x", "CA…", "' or 1=1 --", "ca" + "f" * 32, "CA" + "0" * 48, "%s", "🙂"])
def test_a_sid_of_another_form_works_all_the_same(desk: Desk, lead: int, odd: str) -> None:
    desk.calls(odd)
    assert desk.link(odd, lead) and desk.slot(lead) == odd
    assert desk.unlink(odd) and desk.slot(lead) is None
    desk.set_slot(lead, odd)
    desk.assert_sound()


@pytest.mark.parametrize("none", ["", "   ", "x" * 51, "CA" + "0" * 10_000])
def test_a_text_that_is_no_sid_is_not_found(desk: Desk, lead: int, none: str) -> None:
    with desk.refused("PB001"):
        desk.link(none, lead)
    with desk.refused("PB007", "Call SID"):
        desk.link(none, lead, mode="worker", create=True)
