"""Why a job failed, in words: the cause, whether anybody was called, the next step."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.outbound.attempts import Attempt, State
from core.outbound.board import Entry
from core.outbound.jobs import Job
from dashboard import queue_failures

AT = datetime(2026, 11, 1, tzinfo=UTC)
SID = "CA" + "1" * 32
DIALS = "Failed to initiate call: "


def entry(failure: str | None, *, tries: int = 1, attempt: State | None = None, sid: str | None = None) -> Entry:
    job = Job("7", "make-call", "failed", AT, {}, "+14155550101", 12, "immediate", 2, None, AT, AT, tries, 3, failure,
              sid, None)  # fmt: skip
    made: dict[str, Any] = dict.fromkeys(
        ("to", "dialled_at", "settled_at", "problem", "link_problem", "event_id", "lead_id")
    )
    claimed = Attempt(attempt_id="a", queue="q", job_id="7", job_at=AT, state=attempt or "placed", tries=1,
                      call_sid=None, claimed_at=AT, claim="c", **made)  # fmt: skip
    return Entry(job, claimed if attempt else None)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (f"{DIALS}The 'To' number 0091 7035879409 is not a valid phone number.", 21211),
        (f"{DIALS}Account not authorized to call +2348012345. Perhaps you need to enable some permissions", 21215),
        (f"{DIALS}The number +1415 is unverified. Trial accounts may only make calls to verified numbers.", 21219),
        (f"{DIALS}The source phone number provided, +1415, is not yet verified for your account.", 21210),
        (f"{DIALS}Too Many Requests", 20429),
        (f"{DIALS}Authenticate", 20003),
        ("Twilio error 21214: something", 21214),
        ("Not dialled: Twilio is not available.", 20503),
        (f"{DIALS}socket hang up", None),
        ("job stalled more than allowable limit", None),
    ],
)
def test_a_code_is_known_by_its_number_or_its_sentence(said: str, code: int | None) -> None:
    found = queue_failures.of(entry(said))
    assert found is not None
    assert found.code == code
    assert found.what and found.called and found.todo
    assert found.said is None or found.said in said


def test_no_failure_has_no_words() -> None:
    assert queue_failures.of(entry(None)) is None


def test_a_wrong_number_is_corrected_and_the_job_not_retried() -> None:
    found = queue_failures.of(entry(f"{DIALS}The 'To' number 12 is not a valid phone number."))
    assert found is not None
    assert found.what == "The number to call is not valid."
    assert found.todo.startswith("Correct the phone of lead 12, then schedule a new call")
    assert found.short == "The number to call is not valid. (Twilio 21211)"
    gone = replace(entry(f"{DIALS}The 'To' number 12 is not a valid phone number."), lead_gone=True)
    again = queue_failures.of(gone)
    assert again is not None and again.todo.startswith("Correct the number, then")


def test_whether_anybody_was_called_is_said_as_far_as_it_is_known() -> None:
    hang_up, refused = f"{DIALS}socket hang up", f"{DIALS}Too Many Requests"
    fates = {
        "not_dialled": entry("Not dialled: Twilio could not be reached.", attempt="retryable"),
        "perhaps": entry("Perhaps dialled, and not tried again: The answer was lost.", attempt="unknown"),
        "dialled": entry("Perhaps dialled, and not tried again: The answer was lost.", attempt="placed", sid=SID),
        "untold": entry(hang_up, tries=3),
        "refused": entry(refused, tries=3),
    }
    found = {fate: queue_failures.of(each) for fate, each in fates.items()}
    assert {fate: each.fate for fate, each in found.items() if each} == {fate: fate for fate in fates}
    told = {fate: each for fate, each in found.items() if each}
    assert told["perhaps"].what == "The answer was lost." and "never dialled again" in told["perhaps"].todo
    assert told["dialled"].short.startswith("Dialled all the same.") and told["dialled"].todo.startswith("Nothing")
    assert "the last of 3 tries" in told["refused"].called
    assert told["untold"].what == "The connection to Twilio broke while dialling."
    assert told["untold"].todo.startswith("Ask the carrier")


def test_one_sentence_of_several_codes_names_none() -> None:
    found = queue_failures.of(entry("Not dialled: The Twilio account may not call this country or region."))
    assert found is not None and found.code is None
    assert "Geo permissions" in found.todo
