"""A call as text for a ticket: what stands in it, and what must not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.linking import summary
from core.linking.results import Story
from core.model.records import Call, Candidate, Evidence, Lead, LinkEvent

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
SID = "CA" + "12345678" * 4
NUMBER = "+14155550199"


def story(**facts: Any) -> Story:
    call = Call(
        SID, "unlinked", START, direction="inbound", from_number=NUMBER, to_number="+14155550100", status="completed",
        duration=192, counterpart=NUMBER, cause="format_mismatch",
    )  # fmt: skip
    why = "Lead 4155550 (Ann) has this number, written (415) 555-0199."
    candidate = Candidate(4155550, "Ann", "(415) 555-0199", "high", (Evidence("number_equal", why, "leads/4155550"),))
    event = LinkEvent(
        7, START, "ada", "person", "unlink", SID, None, {"call_lead": 4155550}, {}, reason="asked on +1 (415) 555-0199"
    )
    known: dict[str, Any] = {
        "call": call, "cause": call.cause, "detail": why, "warning": None, "call_row": {}, "events": (),
        "transcripts": (), "recordings": (), "lead": None, "candidates": (candidate,), "history": (event,),
        "mentions": (), "stages": (),
    }  # fmt: skip
    return Story(**{**known, **facts})


def test_what_stands_in_it() -> None:
    assert summary.ticket(story(), link="https://x/lookup?call=1").splitlines() == [
        f"Call {SID}",
        "State: unlinked",
        "Started: 2026-03-01 09:00:00 UTC",
        "Inbound: …0199 to …0100",
        "Status: completed, 3m 12s",
        "Cause: Lead 4155550 (Ann) has this number, written …0199.",
        "Candidates:",
        "  lead 4155550, high: Lead 4155550 (Ann) has this number, written …0199.",
        "Last changes:",
        f"  ada unlinked call {SID} from lead 4155550 (2026-03-01 09:00:00 UTC). Reason: asked on …0199",
        "Page: https://x/lookup?call=1",
    ]


def test_whole_numbers_when_asked() -> None:
    told = summary.ticket(story(), full_numbers=True)
    assert f"Inbound: {NUMBER} to +14155550100" in told
    assert "written (415) 555-0199" in told


def test_a_direction_is_told_in_words() -> None:
    told = summary.ticket(story(call=Call(SID, "unlinked", START, direction="outbound-api", to_number=NUMBER)))
    assert "Outbound: no number to …0199" in told


def test_a_call_of_which_little_is_known() -> None:
    call = Call("guide's sample", "history", START, lead_id=3)
    told = summary.ticket(story(call=call, detail=None, candidates=(), history=(), warning="It has not the form."))
    assert told.splitlines() == [
        "Call guide's sample", "State: history, lead 3", "Started: 2026-03-01 09:00:00 UTC",
        "Direction unknown: no number to no number", "Status: unknown, length unknown", "Note: It has not the form.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "written",
    ["+14155550199", "(415) 555-0199", "415-555-0199", "1 415 555 0199", "+44 20 7946 0018", "+1 415.555.0199"],
)
def test_no_writing_of_a_number_is_left_in_a_sentence(written: str) -> None:
    told = summary.ticket(
        story(detail=f"No lead has the number {written}, says {written}.", lead=Lead(1, phone=written))
    )
    assert written not in told
    assert f"…{written[-4:]}" in told


def test_only_the_first_candidates_and_changes_are_told() -> None:
    found = tuple(Candidate(n, None, None, "low", ()) for n in range(9))
    changes = tuple(LinkEvent(n, START, "ada", "person", "link", SID, 1, {}, {"call_lead": 1}) for n in range(9))
    told = summary.ticket(story(candidates=found, history=changes))
    assert told.count("  lead ") == summary.MOST_CANDIDATES
    assert "  and 6 more" in told
    assert told.count("ada linked") == summary.MOST_EVENTS


@pytest.mark.parametrize(
    ("number", "shown"), [(NUMBER, "…0199"), ("0199", "0199"), ("client:alice", "client:alice"), ("12345", "…2345")]
)
def test_masked(number: str, shown: str) -> None:
    assert summary.masked(number) == shown
