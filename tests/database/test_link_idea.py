"""The one idea that everything rests on, sentence by sentence: links are kept per call, the slot is as the guide says.

All in one database; each test's writes are rolled back.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.store.migrate import migrate
from tests.database.desk import Desk, Linked, drop_constraint
from tests.database.outside import sid

A, B, C, D = sid(1), sid(2), sid(3), sid(4)


def slots(**of: str | None) -> dict[str, str | None]:
    return {name.removeprefix("lead"): call for name, call in of.items()}


# Link and slot ------------------------------------------------------------------------------------------------------


def test_any_number_of_calls_may_belong_to_one_lead(desk: Desk, lead: int) -> None:
    desk.calls(A, B, C)
    for call in (A, B, C):
        desk.link(call, lead)
    assert [desk.lead_of(call) for call in (A, B, C)] == [lead] * 3
    desk.assert_sound()


def test_a_call_belongs_to_one_lead_at_most(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    desk.link(A, ada)
    with desk.refused("PB002", f"belongs to lead {ada}.*Relink it to move it to lead {bo}"):
        desk.link(A, bo)


def test_the_call_in_the_slot_is_current_and_every_other_linked_call_is_history(desk: Desk, lead: int) -> None:
    desk.calls(A, B, C)
    desk.link(B, lead)
    desk.link(A, lead)
    assert desk.slot(lead) == B
    assert [desk.state(call) for call in (A, B, C)] == ["history", "current", "unlinked"]


def test_the_slot_need_not_hold_the_newest_call(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(B, lead)
    desk.set_slot(lead, A)
    assert (desk.slot(lead), desk.state(B)) == (A, "history")
    desk.assert_sound()


# Outside writers ----------------------------------------------------------------------------------------------------


def test_a_slot_set_from_outside_links_the_call_and_makes_it_current(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.set_slot(lead, A)
    assert (desk.call(A), desk.state(A)) == (Linked(lead), "current")
    event = desk.newest()
    assert (event["source"], event["action"], event["lead_id"]) == ("outside", "link", lead)
    assert event["before"] == {"call_lead": None, "set_aside": False, "by_hand": False, "leads": {str(lead): None}}
    assert event["after"] == {"call_lead": lead, "set_aside": False, "by_hand": False, "leads": {str(lead): A}}


def test_a_lead_inserted_with_a_slot_has_its_call(desk: Desk) -> None:
    lead = desk.one("insert into leads (call_sid) values (%s) returning id", A)
    assert (desk.lead_of(A), desk.state(A)) == (lead, "current")
    desk.assert_sound()


def test_the_call_that_a_slot_replaces_stays_linked_as_history(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.set_slot(lead, A)
    desk.set_slot(lead, B)
    assert (desk.call(A), desk.state(A), desk.state(B)) == (Linked(lead), "history", "current")


def test_an_older_call_set_from_outside_replaces_a_newer_one(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.set_slot(lead, B)
    desk.set_slot(lead, A)
    assert (desk.state(A), desk.state(B)) == ("current", "history")


def test_a_history_call_of_another_lead_moves_with_one_event(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.set_slot(ada, A)
    desk.set_slot(ada, B)
    known = len(desk.events())
    desk.set_slot(bo, A)
    assert (desk.lead_of(A), desk.state(A), desk.slot(ada)) == (bo, "current", B)
    assert (len(desk.events()), desk.newest()["action"]) == (known + 1, "move")
    assert (desk.newest()["before"]["call_lead"], desk.newest()["after"]["call_lead"]) == (ada, bo)
    desk.assert_sound()


def test_a_slot_set_to_null_unlinks_its_call_by_hand(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.set_slot(lead, A)
    desk.set_slot(lead, None)
    assert desk.call(A) == Linked(None, by_hand=True)
    assert desk.newest()["action"] == "unlink"
    desk.assert_sound()


def test_automation_leaves_a_call_that_was_unlinked_by_hand_alone(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.set_slot(lead, A)
    desk.set_slot(lead, None)
    with desk.refused("PB004", "automation leaves it alone"):
        desk.link(A, lead, mode="automatic")


def test_a_slot_set_to_null_stays_null_although_history_remains(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.set_slot(lead, A)
    desk.set_slot(lead, B)
    desk.set_slot(lead, None)
    assert (desk.slot(lead), desk.state(A), desk.state(B)) == (None, "history", "unlinked")
    desk.assert_sound()


def test_the_guides_two_statements_move_a_call(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    desk.set_slot(ada, A)
    desk.sql("update leads set call_sid = null where call_sid = %s", A)
    desk.sql("update leads set call_sid = %s where id = %s", A, bo)
    assert (desk.call(A), desk.state(A), desk.slot(ada)) == (Linked(bo), "current", None)
    desk.assert_sound()


def test_the_guides_two_statements_in_one_transaction_move_a_call(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    with desk.connection.transaction():
        desk.sql("update leads set call_sid = null where call_sid = %s", A)
        desk.sql("update leads set call_sid = %s where id = %s", A, bo)
    assert (desk.call(A), desk.state(A)) == (Linked(bo), "current")
    desk.assert_sound()


@pytest.mark.parametrize("blank", ["", " ", "   ", "\t", " \n"])
def test_a_blank_slot_counts_as_null(desk: Desk, lead: int, blank: str) -> None:
    desk.calls(A)
    desk.set_slot(lead, A)
    desk.set_slot(lead, blank)
    assert desk.call(A) == Linked(None, by_hand=True)
    assert desk.newest()["after"]["leads"] == {str(lead): None}
    assert desk.one("select count(*) from calls") == 1, "a blank is no call"
    desk.assert_sound()


def test_a_link_into_a_blank_slot_makes_the_call_current(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.set_slot(lead, " ")
    event = desk.link(A, lead)
    assert event and event["before"]["leads"] == {str(lead): None}
    assert desk.slot(lead) == A
    desk.assert_sound()


def test_a_deleted_leads_calls_are_unlinked_and_the_ledger_keeps_whose_they_were(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.set_slot(lead, A)
    desk.set_slot(lead, B)
    desk.sql("delete from leads where id = %s", lead)
    assert (desk.call(A), desk.call(B)) == (Linked(None), Linked(None)), "deleting a lead is no unlinking by hand"
    for call in (A, B):
        event = desk.newest(call)
        assert (event["action"], event["lead_id"], event["before"]["call_lead"]) == ("lead_deleted", lead, lead)
        assert event["after"]["call_lead"] is None
    assert desk.newest(B)["after"]["leads"] == {str(lead): None}
    desk.assert_sound()


def test_deleting_a_lead_without_a_call_writes_no_event(desk: Desk, lead: int) -> None:
    desk.sql("delete from leads where id = %s", lead)
    assert desk.events() == []


def test_truncating_leads_unlinks_every_call(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B, C)
    desk.set_slot(ada, A)
    desk.set_slot(ada, B)
    desk.link(C, bo)
    desk.sql("truncate leads")
    assert {desk.lead_of(call) for call in (A, B, C)} == {None}
    assert {event["action"] for event in desk.events()[:3]} == {"lead_deleted"}
    desk.assert_sound()


def test_truncating_the_events_keeps_linked_calls_and_forgets_the_others(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.set_slot(lead, A)
    desk.sql("truncate call_events")
    assert (desk.call(A), desk.call(B)) == (Linked(lead), None)
    desk.assert_sound()


# Two leads with the same SID ----------------------------------------------------------------------------------------


def test_a_second_claim_leaves_the_link_with_the_lead_that_had_it(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(bo, A)
    desk.set_slot(ada, A)
    assert desk.lead_of(A) == bo
    assert (desk.newest()["action"], desk.newest()["lead_id"]) == ("claim", ada)
    assert desk.sql("select lead_ids from duplicate_slots").fetchall() == [([ada, bo],)]
    desk.assert_sound()


@pytest.mark.parametrize("given_up", ["emptied", "replaced", "deleted"])
def test_the_link_passes_to_the_lowest_lead_that_still_carries_the_sid(desk: Desk, given_up: str) -> None:
    drop_constraint(desk)
    ada, bo, cy = desk.leads(3)
    for lead in (bo, cy, ada):
        desk.set_slot(lead, A)
    if given_up == "deleted":
        desk.sql("delete from leads where id = %s", bo)
    else:
        desk.set_slot(bo, None if given_up == "emptied" else B)
    assert desk.call(A) == Linked(ada)
    assert (desk.slot(ada), desk.slot(cy)) == (A, A)
    desk.assert_sound()


def test_a_claim_that_is_given_up_changes_no_link(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(bo, A)
    desk.set_slot(bo, None)
    assert (desk.call(A), desk.newest()["action"]) == (Linked(ada), "unclaim")
    desk.assert_sound()


def test_resolving_a_claim_clears_the_other_slots_in_one_event(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo, cy = desk.leads(3)
    desk.calls(A, B)
    desk.link(B, bo)
    for lead in (ada, bo, cy):
        desk.set_slot(lead, A)
    event = desk.relink(A, cy)
    assert event and event["after"]["leads"] == {str(ada): None, str(bo): B}
    assert [desk.slot(lead) for lead in (ada, bo, cy)] == [None, B, A]
    assert (desk.lead_of(A), desk.one("select count(*) from duplicate_slots")) == (cy, 0)
    desk.assert_sound()


def test_resolving_a_claim_for_the_lead_that_has_the_link(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(bo, A)
    event = desk.relink(A, ada)
    assert event and event["after"]["leads"] == {str(bo): None}
    assert (desk.lead_of(A), desk.slot(ada), desk.slot(bo)) == (ada, A, None)
    desk.assert_sound()


def test_a_claimed_slot_is_not_moved_by_our_commands(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.set_slot(ada, A)
    desk.set_slot(bo, A)
    with desk.refused("PB004", f"Lead {bo} claims the call {A} too.*Resolve that conflict first"):
        desk.link(B, ada, current=True)


def test_unlinking_a_claimed_call_empties_every_slot_that_names_it(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(bo, A)
    event = desk.unlink(A)
    assert event and event["after"]["leads"] == {str(ada): None, str(bo): None}
    assert (desk.slot(ada), desk.slot(bo)) == (None, None)
    desk.assert_sound()


def test_the_constraint_can_be_added_once_no_sid_stands_twice(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo = desk.leads(2)
    desk.set_slot(ada, A)
    desk.set_slot(bo, A)
    assert desk.one("select add_call_sid_constraint()") is False
    desk.relink(A, bo)
    assert desk.one("select add_call_sid_constraint()") is True
    with desk.refused("23505"):
        desk.set_slot(ada, A)
    desk.assert_sound()


def test_variants_in_case_or_white_space_are_calls_of_their_own_and_no_obstacle(desk: Desk) -> None:
    drop_constraint(desk)
    ada, bo, cy = desk.leads(3)
    for lead, variant in ((ada, A), (bo, A.lower()), (cy, A + " ")):
        desk.set_slot(lead, variant)
    assert [desk.lead_of(variant) for variant in (A, A.lower(), A + " ")] == [ada, bo, cy]
    assert desk.one("select add_call_sid_constraint()") is True
    desk.assert_sound()


# A person -----------------------------------------------------------------------------------------------------------


def test_a_persons_link_fills_an_empty_slot(desk: Desk, lead: int) -> None:
    desk.calls(A)
    event = desk.link(A, lead)
    assert event and (event["source"], event["action"]) == ("person", "link")
    assert (desk.slot(lead), desk.state(A)) == (A, "current")
    desk.assert_sound()


def test_a_persons_link_moves_the_slot_to_a_newer_call(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(A, lead)
    event = desk.link(B, lead)
    assert event and event["after"]["leads"] == {str(lead): B}
    assert (desk.slot(lead), desk.state(A)) == (B, "history")


def test_a_persons_link_of_an_older_call_joins_the_history(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(B, lead)
    event = desk.link(A, lead)
    assert event and event["after"]["leads"] == {}
    assert (desk.slot(lead), desk.state(A)) == (B, "history")


def test_a_persons_relink_treats_the_new_leads_slot_like_a_link(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B, C)
    desk.link(B, bo)
    for call in (A, C):
        desk.link(call, ada)
    desk.relink(A, bo)
    assert (desk.slot(bo), desk.state(A)) == (B, "history"), "older than the lead's current call"
    desk.relink(C, bo)
    assert (desk.slot(bo), desk.slot(ada)) == (C, None), "newer than the lead's current call"
    desk.assert_sound()


@pytest.mark.parametrize("command", ["link", "relink"])
def test_make_current_moves_the_slot_regardless(desk: Desk, command: str) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.link(B, bo)
    if command == "relink":
        desk.link(A, ada)
    getattr(desk, command)(A, bo, current=True)
    assert (desk.slot(bo), desk.state(B)) == (A, "history")
    desk.assert_sound()


def test_a_history_call_is_made_current(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(B, lead)
    desk.link(A, lead)
    event = desk.link(A, lead, current=True)
    assert event and event["action"] == "make_current"
    assert (desk.slot(lead), desk.state(B)) == (A, "history")


def test_linking_a_call_that_its_lead_already_has_changes_nothing(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(B, lead)
    desk.link(A, lead)
    before = desk.everything()
    assert desk.link(A, lead) is None
    assert desk.link(B, lead) is None
    assert desk.link(B, lead, current=True) is None, "it is current already"
    assert desk.relink(A, lead) is None
    assert desk.everything() == before


# Automatic linking --------------------------------------------------------------------------------------------------


def test_automation_fills_an_empty_slot_with_the_newest_of_the_leads_calls(desk: Desk, lead: int) -> None:
    desk.calls(A, B, C)
    desk.link(B, lead)
    desk.link(C, lead)
    desk.set_slot(lead, None)
    event = desk.link(A, lead, mode="automatic")
    assert event and event["source"] == "automatic"
    assert (desk.slot(lead), desk.state(A), desk.state(C)) == (B, "history", "unlinked")
    desk.assert_sound()


def test_automation_fills_an_empty_slot_with_the_just_linked_call_if_that_is_the_newest(desk: Desk, lead: int) -> None:
    desk.calls(A, B, C)
    desk.link(A, lead)
    desk.link(B, lead)
    desk.set_slot(lead, None)
    desk.link(C, lead, mode="automatic")
    assert (desk.slot(lead), desk.state(A)) == (C, "history")


def test_automation_never_touches_a_filled_slot_even_for_a_newer_call(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(A, lead)
    desk.link(B, lead, mode="automatic")
    assert (desk.slot(lead), desk.state(B)) == (A, "history")


def test_automation_never_links_a_call_that_is_set_aside(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.set_aside(A)
    with desk.refused("PB004", "automation leaves it alone"):
        desk.link(A, lead, mode="automatic")


def test_automation_may_link_a_call_whose_lead_was_deleted(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A)
    desk.link(A, ada)
    desk.sql("delete from leads where id = %s", ada)
    assert desk.link(A, bo, mode="automatic")
    desk.assert_sound()


def test_the_worker_recording_its_own_call_creates_it_and_moves_the_slot(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.link(A, lead)
    event = desk.link(B, lead, mode="worker", create=True, started_at="2026-03-05T10:00:00Z")
    assert event and event["source"] == "worker"
    assert (desk.slot(lead), desk.state(A)) == (B, "history")
    desk.assert_sound()


def test_the_workers_late_write_does_not_displace_a_newer_call(desk: Desk, lead: int) -> None:
    desk.calls(C, day=10)
    desk.link(C, lead)
    desk.link(B, lead, mode="worker", create=True, started_at="2026-03-05T10:00:00Z")
    assert (desk.slot(lead), desk.state(B)) == (C, "history")
    desk.assert_sound()


def test_the_workers_time_of_dialling_counts_until_a_row_says_more(desk: Desk, lead: int) -> None:
    desk.link(B, lead, mode="worker", create=True, started_at="2026-03-05T10:00:00Z")
    assert desk.one("select started_at = '2026-03-05 10:00+00' and not start_known from calls where call_sid = %s", B)


def test_a_call_that_nobody_knows_cannot_be_linked(desk: Desk, lead: int) -> None:
    with desk.refused("PB001", f"There is no call {A}"):
        desk.link(A, lead)


# Unlinking the current call -----------------------------------------------------------------------------------------


def test_unlinking_the_current_call_moves_the_slot_back_to_the_newest_remaining_call(desk: Desk, lead: int) -> None:
    desk.calls(A, B, C)
    for call in (B, A, C):
        desk.link(call, lead)
    event = desk.unlink(C)
    assert event and event["after"] == {
        "call_lead": None, "set_aside": False, "by_hand": True, "leads": {str(lead): B}
    }  # fmt: skip
    assert (desk.slot(lead), desk.state(A), desk.call(C)) == (B, "history", Linked(None, by_hand=True))
    desk.assert_sound()


def test_unlinking_skips_test_calls_when_it_looks_for_the_newest(desk: Desk, lead: int) -> None:
    desk.calls(A, B, C)
    for call in (A, B, C):
        desk.link(call, lead)
    desk.sql("update calls set test = true where call_sid = %s", B)
    desk.unlink(C)
    assert (desk.slot(lead), desk.state(B)) == (A, "history")


def test_unlinking_the_only_call_empties_the_slot(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.link(A, lead)
    desk.unlink(A)
    assert desk.slot(lead) is None
    desk.assert_sound()


def test_unlinking_a_history_call_leaves_the_slot_alone(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(A, lead)
    desk.link(B, lead)
    event = desk.unlink(A)
    assert event and event["after"]["leads"] == {}
    assert desk.slot(lead) == B


def test_the_lead_that_loses_its_current_call_by_relinking_falls_back_too(desk: Desk) -> None:
    ada, bo = desk.leads(2)
    desk.calls(A, B)
    desk.link(A, ada)
    desk.link(B, ada)
    event = desk.relink(B, bo)
    assert event and event["before"]["leads"] == {str(ada): B, str(bo): None}
    assert event["after"]["leads"] == {str(ada): A, str(bo): B}
    assert (desk.slot(ada), desk.slot(bo), desk.lead_of(B)) == (A, B, bo)
    desk.assert_sound()


# Newer --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def language_sorted(pg15: Any) -> Iterator[Desk]:
    """A database that sorts text by language, where Z comes after a."""
    url = pg15.new_database("template0 locale_provider icu icu_locale 'en-US'")
    with pg15.database(url), psycopg.connect(url, autocommit=True) as connection:
        migrate(url)
        assert connection.execute("select 'CAZ' > 'CAa'").fetchone() == (True,)
        yield Desk(connection)


def test_of_two_calls_that_start_together_the_greater_sid_in_byte_order_is_newer(language_sorted: Desk) -> None:
    desk = language_sorted
    (lead,) = desk.leads(1)
    for call in ("CAZ", "CAa", "CA_", "CA^"):
        desk.calls(call)
    desk.link("CAa", lead)
    desk.link("CAZ", lead)
    assert desk.slot(lead) == "CAa", "the call that comes is not newer"
    desk.link("CA_", lead, current=True)
    desk.unlink("CA_")
    assert desk.slot(lead) == "CAa", "the newest remaining one"
    desk.unlink("CAa")
    desk.link("CAa", lead)
    assert desk.slot(lead) == "CAa", "the call that comes is newer"
    desk.set_slot(lead, None)
    desk.link("CA^", lead, mode="automatic")
    assert desk.slot(lead) == "CA^", "the newest for an empty slot"
    desk.assert_sound()


def test_a_call_known_only_from_a_slot_starts_when_that_write_was_seen(desk: Desk, lead: int) -> None:
    before = desk.one("select clock_timestamp()")
    desk.set_slot(lead, A)
    started, known = desk.sql("select started_at, start_known from calls where call_sid = %s", A).fetchone() or (0, 0)
    assert before <= started <= desk.one("select clock_timestamp()")
    assert known is False


def test_the_first_real_row_replaces_a_provisional_start_also_by_a_later_one(desk: Desk, lead: int) -> None:
    desk.link(A, lead, mode="worker", create=True, started_at="2026-03-01T09:00:00Z")
    desk.calls(A, day=3)
    assert desk.one("select started_at = '2026-03-03 09:00+00' and start_known from calls where call_sid = %s", A)
    desk.assert_sound()


def test_after_the_first_real_row_a_start_only_moves_earlier(desk: Desk) -> None:
    desk.calls(A, day=3)
    desk.calls(A, day=5)
    assert desk.one("select started_at = '2026-03-03 09:00+00' from calls where call_sid = %s", A)
    desk.calls(A, day=2)
    assert desk.one("select started_at = '2026-03-02 09:00+00' from calls where call_sid = %s", A)
    desk.sql("delete from call_events where created_at < '2026-03-04'")
    assert desk.one("select started_at = '2026-03-02 09:00+00' from calls where call_sid = %s", A), (
        "rows went: it stays"
    )
    desk.assert_sound()


def test_a_start_is_the_rows_timestamp_where_created_at_is_null(desk: Desk) -> None:
    desk.sql("insert into call_events (call_sid, created_at, timestamp) values (%s, null, '2026-03-07 09:00+00')", A)
    assert desk.one("select started_at = '2026-03-07 09:00+00' from calls where call_sid = %s", A)


def test_a_call_starts_at_the_earliest_of_events_and_transcript(desk: Desk) -> None:
    desk.calls(A, day=3)
    desk.sql(
        "insert into conversation_transcripts (call_sid, created_at, timestamp)"
        " values (%s, null, '2026-03-02 09:00+00')",
        A,
    )
    assert desk.one("select started_at = '2026-03-02 09:00+00' from calls where call_sid = %s", A)


# Set aside ----------------------------------------------------------------------------------------------------------


def test_only_an_unlinked_call_can_be_set_aside(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.link(A, lead)
    with desk.refused("PB004", f"linked to lead {lead}.*unlink it first"):
        desk.set_aside(A)


def test_a_call_is_set_aside_and_restored(desk: Desk) -> None:
    desk.calls(A)
    event = desk.set_aside(A, reason="spam")
    assert event and (event["action"], event["reason"], event["lead_id"]) == ("set_aside", "spam", None)
    assert desk.state(A) == "set_aside"
    assert desk.restore(A) and desk.state(A) == "unlinked"
    desk.assert_sound()


def test_setting_aside_keeps_that_a_call_was_unlinked_by_hand(desk: Desk, lead: int) -> None:
    desk.calls(A)
    desk.link(A, lead)
    desk.unlink(A)
    desk.set_aside(A)
    desk.restore(A)
    assert desk.call(A) == Linked(None, by_hand=True)


@pytest.mark.parametrize("who", ["person", "outside"])
def test_a_link_ends_being_set_aside(desk: Desk, lead: int, who: str) -> None:
    desk.calls(A)
    desk.set_aside(A)
    if who == "person":
        desk.link(A, lead)
    else:
        desk.set_slot(lead, A)
    assert desk.call(A) == Linked(lead)
    desk.unlink(A)
    assert desk.call(A) == Linked(None, by_hand=True), "it does not come back"
    desk.assert_sound()


@pytest.mark.parametrize("who", ["person", "outside"])
def test_a_link_ends_being_unlinked_by_hand(desk: Desk, lead: int, who: str) -> None:
    desk.calls(A)
    desk.link(A, lead)
    desk.unlink(A)
    if who == "person":
        desk.link(A, lead)
    else:
        desk.set_slot(lead, A)
    assert desk.call(A) == Linked(lead)
    desk.assert_sound()


# Relinking and unlinking what is not linked -------------------------------------------------------------------------


def test_relinking_an_unlinked_call_is_refused(desk: Desk, lead: int) -> None:
    desk.calls(A)
    with desk.refused("PB004", "not linked to a lead.*Link it instead"):
        desk.relink(A, lead)


def test_unlinking_an_unlinked_call_is_refused(desk: Desk) -> None:
    desk.calls(A)
    with desk.refused("PB004", "not linked to a lead"):
        desk.unlink(A)


@pytest.mark.parametrize("command", ["link", "relink"])
def test_a_lead_that_does_not_exist_is_not_found(desk: Desk, lead: int, command: str) -> None:
    desk.calls(A)
    desk.link(A, lead)
    with desk.refused("PB001", "There is no lead 4711"):
        getattr(desk, command)(A, 4711)


def test_setting_aside_twice_changes_nothing(desk: Desk) -> None:
    desk.calls(A)
    desk.set_aside(A)
    before = desk.everything()
    assert desk.set_aside(A) is None
    assert desk.everything() == before
    desk.restore(A)
    assert desk.restore(A) is None


# A call outlives its rows -------------------------------------------------------------------------------------------


def test_a_call_with_a_link_event_outlives_its_rows(desk: Desk, lead: int) -> None:
    desk.calls(A, B)
    desk.link(A, lead)
    desk.unlink(A)
    desk.sql("delete from call_events")
    assert desk.call(A) == Linked(None, by_hand=True)
    assert desk.call(B) is None, "nothing holds it any more"
    desk.assert_sound()


def test_a_rebuild_takes_links_from_slots_and_ledger_and_keeps_an_earlier_start(desk: Desk, lead: int) -> None:
    desk.calls(A, B, day=3)
    desk.link(A, lead)
    desk.link(B, lead)
    desk.sql("update calls set lead_id = null, started_at = '2026-02-01' where call_sid = %s", A)
    desk.sql("delete from calls where call_sid = %s", B)
    desk.rebuild()
    assert (desk.call(A), desk.call(B)) == (Linked(lead), Linked(lead))
    assert desk.one("select started_at < '2026-02-02' from calls where call_sid = %s", A)
    desk.assert_sound()
