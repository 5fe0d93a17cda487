"""A repair that makes or unmakes a lead that the backend's automation dials says so."""

from typing import Any

from core.model import dialling
from core.model.records import Lead, LinkEvent

NEW, CONTACTED = Lead(id=1, name="Ada", lead_status="new"), Lead(id=2, name="Bo", lead_status="contacted")


def event(before: dict[str, Any], after: dict[str, Any], **more: Any) -> LinkEvent:
    facts = {"call_lead": None, "set_aside": False, "by_hand": False}
    return LinkEvent(
        id=None,
        at=None,
        actor="maria",
        source="person",
        action="unlink",
        call_sid="CA1",
        lead_id=1,
        before={**facts, "leads": before, **more.get("before_rows", {})},
        after={**facts, "leads": after, **more.get("after_rows", {})},
    )


def test_emptying_the_slot_of_a_new_lead_lets_it_be_dialled() -> None:
    (change,) = dialling.changes(event({"1": "CA1"}, {"1": None}), [NEW])
    assert change.diallable
    assert change.lead_id == 1
    assert "Lead 1 (Ada) has the status new and will have no call" in change.sentence


def test_filling_the_slot_of_a_new_lead_takes_it_off_the_list() -> None:
    (change,) = dialling.changes(event({"1": None}, {"1": "CA1"}), [NEW])
    assert not change.diallable
    assert "will not be dialled" in change.sentence


def test_a_lead_that_is_not_new_is_never_dialled() -> None:
    assert dialling.changes(event({"2": "CA1"}, {"2": None}), [CONTACTED]) == ()


def test_a_slot_that_moves_between_calls_changes_nothing() -> None:
    assert dialling.changes(event({"1": "CA1"}, {"1": "CA2"}), [NEW]) == ()


def test_a_blank_slot_counts_as_empty() -> None:
    (change,) = dialling.changes(event({"1": "  "}, {"1": "CA1"}), [NEW])
    assert not change.diallable


def test_marking_as_contacted_keeps_a_lead_from_being_dialled() -> None:
    rows = {
        "before_rows": {"rows": {"leads": {"1": {"lead_status": "new"}}}},
        "after_rows": {"rows": {"leads": {"1": {"lead_status": "contacted"}}}},
    }
    assert dialling.changes(event({"1": "CA1"}, {"1": None}, **rows), [NEW]) == ()


def test_a_relink_speaks_of_both_leads() -> None:
    other = Lead(id=3, lead_status="new")
    loses, gains = dialling.changes(event({"1": "CA1", "3": None}, {"1": None, "3": "CA1"}), [other, NEW])
    assert (loses.lead_id, loses.diallable) == (1, True)
    assert (gains.lead_id, gains.diallable) == (3, False)


def test_the_touched_leads_are_those_whose_slot_or_status_changes() -> None:
    rows = {"after_rows": {"rows": {"leads": {"7": {"lead_status": "contacted"}}}}}
    assert dialling.touched(event({"12": None}, {"12": "CA1"}, **rows)) == (7, 12)
