"""The stages of a test call, judged by what the database holds. Pure: green, waiting, or red with cause and remedy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from core.model.records import parse_time
from core.telephony.codes import explain
from core.telephony.known_call import FINAL

StageName: TypeAlias = Literal["queued", "dialled", "ringing", "answered", "event_row", "transcript", "linked"]
StageState: TypeAlias = Literal["green", "waiting", "red", "skipped"]

PATIENCE = timedelta(seconds=60)
"""So long the next stage may take; ringing is given half a minute, and callbacks take seconds."""
QUEUE_PATIENCE = timedelta(seconds=60)
LONGEST_CALL = timedelta(minutes=10)
UNREACHED = (
    "Twilio has to reach PUBLIC_URL from outside: open its /healthz from another network, and see the Twilio console's "
    "error log for this call."
)
ENDINGS: Mapping[str, tuple[str, str]] = {
    "busy": ("The line was busy.", "Call again later, or another number."),
    "no-answer": ("Nobody answered.", "Answer the phone, or call another number."),
    "failed": ("Twilio could not complete the call.", "See the call's error in the Twilio console."),
    "canceled": ("The call was canceled.", "Place another one."),
}
TITLES: Mapping[StageName, str] = {
    "queued": "Queued",
    "dialled": "Dialled",
    "ringing": "Ringing",
    "answered": "Answered",
    "event_row": "Event row",
    "transcript": "Transcript",
    "linked": "Call linked to the lead",
}


@dataclass(frozen=True, slots=True)
class TestStage:
    """One stage.

    :ivar state: ``green``, ``waiting``, ``red``, or ``skipped`` (not part of this call).
    :ivar at: when it was reached, in UTC.
    :ivar cause: what it waits for or why it is red, a sentence; ``remedy``: what to do about a red one.
    """

    __test__ = False  # not a class of tests

    stage: StageName
    state: StageState
    at: datetime | None = None
    cause: str | None = None
    remedy: str | None = None

    @property
    def title(self) -> str:
        """As people read it."""
        return TITLES[self.stage]

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape, with more."""
        return {
            "stage": self.stage,
            "state": self.state,
            "at": self.at.isoformat() if self.at else None,
            "detail": self.cause,
            "remedy": self.remedy,
        }


def judged(facts: Mapping[str, Any]) -> tuple[TestStage, ...]:
    """The seven stages in order.

    :param facts: the answer of the SQL function ``test_call_facts``.
    """
    return _Judge(facts).stages()


def has_ended(facts: Mapping[str, Any]) -> bool:
    """Is no further word of the carrier expected? A call without a final status counts as ended after ten minutes."""
    test, call = facts["test"], facts.get("call") or {}
    begun = _time(test["dialled_at"] or test["at"])
    final = (call.get("status") or "").lower() in FINAL
    return final or test["call_sid"] is None or _time(facts["now"]) - begun > LONGEST_CALL


class _Judge:
    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts
        self._test: Mapping[str, Any] = facts["test"]
        self._call: Mapping[str, Any] = facts.get("call") or {}
        self._progress: Mapping[str, Any] = facts.get("progress") or {}
        self._attempt: Mapping[str, Any] = facts.get("attempt") or {}
        self._status = (self._call.get("status") or "").lower()
        self._now = _time(facts["now"])
        self._began = _time(self._test["at"])

    def stages(self) -> tuple[TestStage, ...]:
        first = (self._queued(), self._dialled())
        if any(stage.state == "red" for stage in first):
            return (*first, *(TestStage(name, "skipped") for name in list(TITLES)[2:]))
        return (*first, self._ringing(), self._answered(), self._event_row(), self._transcript(), self._linked())

    def _queued(self) -> TestStage:
        if self._test["via"] == "direct":
            return TestStage("queued", "skipped", cause="It was dialled without the queue.")
        if self._test["job_id"]:
            return TestStage("queued", "green", self._began)
        if self._test["state"] == "failed":
            return TestStage("queued", "red", None, self._test["error"], "See the queue on the System page.")
        return TestStage("queued", "waiting", cause="It is being put into the queue.")

    def _dialled(self) -> TestStage:
        if self._test["call_sid"]:
            return TestStage("dialled", "green", _known(self._test["dialled_at"]))
        if self._test["state"] == "failed" and not self._test["job_id"] and self._test["via"] == "queue":
            return TestStage("dialled", "skipped")
        if self._test["state"] == "failed" or self._attempt.get("state") in ("rejected", "not_dialled"):
            cause = self._test["error"] or self._attempt.get("problem")
            code = self._test["error_code"]
            return TestStage(
                "dialled", "red", None, cause, explain(code).remedy if code else "Place another test call."
            )
        if self._test["state"] == "unknown" or self._attempt.get("state") == "unknown":
            return self._perhaps()
        if self._now - self._began > QUEUE_PATIENCE:
            if self._test["via"] == "queue":
                return TestStage(
                    "dialled", "red", None, "No worker has taken the job.", "Start one: python -m core worker"
                )
            cause = "The program ended before it knew what came of dialling."
            return TestStage("dialled", "red", None, cause, "Look for the call in the Twilio console.")
        return TestStage("dialled", "waiting", cause=self._attempt.get("problem") or "It waits to be dialled.")

    def _perhaps(self) -> TestStage:
        cause = self._test["error"] or self._attempt.get("problem") or "It is not known whether the call was dialled."
        if self._now - self._began > PATIENCE:
            return TestStage(
                "dialled", "red", None, cause, "Look for the call in the Twilio console before another one."
            )
        return TestStage("dialled", "waiting", cause=cause)

    def _ringing(self) -> TestStage:
        reached = self._progress.get("ringing_at") or self._progress.get("answered_at")
        if reached or self._status in ("ringing", "in-progress", "completed", "busy", "no-answer"):
            return TestStage("ringing", "green", _known(reached))
        return self._not_yet("ringing", "Nobody has said that it rings.")

    def _answered(self) -> TestStage:
        reached = self._progress.get("answered_at")
        if reached or self._status in ("in-progress", "completed"):
            return TestStage("answered", "green", _known(reached))
        return self._not_yet("answered", "Nobody has answered yet.")

    def _not_yet(self, name: StageName, waits: str) -> TestStage:
        if self._status in ENDINGS:
            cause, remedy = ENDINGS[self._status]
            return TestStage(name, "red", None, cause, remedy)
        if self._waited_enough():
            if self._facts["event_at"] is None:
                return TestStage(name, "red", None, "No callback of Twilio's has arrived.", UNREACHED)
            return TestStage(name, "red", None, waits, "See the call in the Twilio console.")
        return TestStage(name, "waiting", cause=waits)

    def _event_row(self) -> TestStage:
        if self._facts["event_at"] is not None:
            return TestStage("event_row", "green", _known(self._facts["event_at"]))
        if self._waited_enough():
            return TestStage("event_row", "red", None, "No callback of Twilio's has arrived.", UNREACHED)
        return TestStage("event_row", "waiting", cause="No callback has been saved yet.")

    def _transcript(self) -> TestStage:
        if self._facts["transcript_at"] is not None:
            return TestStage("transcript", "green", _known(self._facts["transcript_at"]))
        if self._status in ENDINGS:
            return TestStage("transcript", "skipped", cause="Nobody answered, so nothing was said.")
        if self._status == "completed" or self._waited_enough():
            remedy = "See that Twilio reaches the media stream (wss), and that OPENAI_API_KEY is set."
            return TestStage("transcript", "red", None, "Nothing that was said has been saved.", remedy)
        return TestStage("transcript", "waiting", cause="Nothing has been said yet.")

    def _linked(self) -> TestStage:
        wanted = self._test["lead_id"]
        if wanted is None:
            return TestStage("linked", "skipped", cause="No lead was chosen.")
        if self._call.get("lead_id") == wanted:
            return TestStage("linked", "green", _known(self._facts["linked_at"]))
        problem = self._attempt.get("link_problem")
        if problem or self._status in FINAL or self._waited_enough():
            cause = problem or "The call is not linked to the lead."
            return TestStage("linked", "red", None, cause, "Open the call in Call lookup and link it.")
        return TestStage("linked", "waiting", cause="The link has not been written yet.")

    def _waited_enough(self) -> bool:
        """Has it been too long? A call that was answered may go on talking."""
        begun = _known(self._test["dialled_at"]) or self._began
        talking = self._status in ("in-progress", "answered")
        return self._now - begun > (LONGEST_CALL if talking else PATIENCE)


def _known(text: str | None) -> datetime | None:
    return parse_time(text)


def _time(text: str) -> datetime:
    found = parse_time(text)
    if found is None:
        raise ValueError("a test call has a time")
    return found
