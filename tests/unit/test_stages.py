"""The stage strip says what the rows show, and calls unknown what they do not show."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.linking import stages
from core.model.records import Call, Lead, LinkEvent

CALL = Call(
    call_sid="CA" + "1" * 32,
    state="unlinked",
    started_at=datetime(2026, 3, 1, tzinfo=UTC),
    direction="outbound-api",
    from_number="+14155550100",
    to_number="+14155550101",
    status="completed",
    duration=192,
)


def strip(call: Call = CALL, **known: Any) -> dict[str, stages.Stage]:
    given: dict[str, Any] = {
        "ended": True,
        "events": ({"id": 1},),
        "transcripts": ({"id": 1},),
        "lead": None,
        "history": (),
        "cause": "missed_match",
        "detail": "Lead 5 has this number.",
    }
    return {stage.stage: stage for stage in stages.strip(stages.Known(call=call, **{**given, **known}))}


def test_the_stages_come_in_order() -> None:
    assert list(strip()) == ["job", "twilio", "events", "transcript", "lead"]


def test_without_a_job_result_the_job_is_unknown() -> None:
    assert strip()["job"].state == "unknown"
    inbound = strip(replace(CALL, direction="inbound"))
    assert inbound["job"].state == "not_applicable"


def test_an_inbound_row_without_numbers_may_be_an_outbound_call() -> None:
    lost = replace(CALL, direction="inbound", from_number=None, to_number=None)
    assert strip(lost)["job"].state == "unknown"
    assert strip(lost)["events"].state == "failed"


@pytest.mark.parametrize(
    ("status", "ended", "state"),
    [
        ("completed", True, "ok"),
        ("busy", False, "ok"),
        ("failed", False, "failed"),
        ("ringing", True, "ok"),
        ("ringing", False, "unknown"),
    ],
)
def test_what_twilio_reported(status: str, ended: bool, state: str) -> None:
    assert strip(replace(CALL, status=status), ended=ended)["twilio"].state == state


def test_without_event_rows_nothing_is_said_about_twilio() -> None:
    told = strip(events=())
    assert told["twilio"].state == "unknown"
    assert told["events"].state == "missing"


def test_duplicate_rows_are_named() -> None:
    assert "17 rows" in strip(events=tuple({"id": n} for n in range(17)))["events"].detail


@pytest.mark.parametrize(
    ("status", "ended", "state"),
    [("completed", True, "missing"), ("no-answer", False, "not_applicable"), ("in-progress", False, "unknown")],
)
def test_a_missing_transcript_is_a_fault_only_where_somebody_spoke(status: str, ended: bool, state: str) -> None:
    assert strip(replace(CALL, status=status), ended=ended, transcripts=())["transcript"].state == state


def test_the_lead_stage_gives_the_cause() -> None:
    told = strip()["lead"]
    assert (told.state, told.detail) == ("missing", "Not linked. Lead 5 has this number.")
    assert strip(cause="link_write_failed")["lead"].state == "failed"
    assert strip(cause="pending")["lead"].state == "unknown"


def test_a_linked_call_names_its_lead_and_rank() -> None:
    linked = replace(CALL, state="current", lead_id=5)
    assert strip(linked, lead=Lead(id=5, name="Ada"))["lead"].detail == "Linked to lead 5 (Ada) as its current call."
    assert strip(linked)["lead"].state == "failed"


def test_a_call_that_was_set_aside_says_by_whom_and_why() -> None:
    facts = {"call_lead": None, "by_hand": False, "leads": {}}
    event = LinkEvent(
        id=3,
        at=None,
        actor="maria",
        source="person",
        action="set_aside",
        call_sid=CALL.call_sid,
        lead_id=None,
        before={**facts, "set_aside": False},
        after={**facts, "set_aside": True},
        reason="spam",
    )
    told = strip(replace(CALL, state="set_aside", set_aside=True), history=(event,))["lead"]
    assert (told.state, told.detail) == ("not_applicable", "Set aside by maria: spam")


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0s"), (42, "42s"), (192, "3m 12s"), (3720, "1h 02m")])
def test_durations_are_short(seconds: int, shown: str) -> None:
    assert stages.duration(seconds) == shown
