"""Why a job failed: what went wrong, whether anybody was called, what to do next. Pure.

A worker leaves one line of text. Ours says a sentence that is known here; the backend's repeats what Twilio or Node
said, mostly without a code (``Failed to initiate call: The 'To' number 0091 7035879409 is not a valid phone number.``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from core.outbound.board import Entry
from core.outbound.jobs import NOT_DIALLED
from core.outbound.queue import STALLED
from core.telephony.codes import CODES, Explained
from dashboard import formatting

Fate: TypeAlias = Literal["dialled", "perhaps", "untold", "refused", "not_dialled"]

PERHAPS = "Perhaps dialled, and not tried again: "
"""How a failure of our worker's begins when only the carrier can tell."""
WRONG_NUMBER = frozenset({21201, 21203, 21211, 21214, 21216, 21217, 13224})
"""Codes that are about the number which the job calls: trying it again changes nothing."""
NO_NUMBER = frozenset({21201, 21211, 21217})
"""Those of them that stay so: what stands in the job is no telephone number."""

_CODE = re.compile(r"\b(?:error|code|errors/)\D{0,3}(\d{5})\b", re.IGNORECASE)
_TWILIO_SAYS: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"'?to'? (?:phone )?number .*is not a valid phone number", 21211),
        (r"'?from'? (?:phone )?number .*is not a valid phone number", 21212),
        (r"not authorized to call|international permissions|geo.?permissions", 21215),
        (r"trial accounts? (?:may|can) only|is unverified", 21219),
        (r"source phone number|not yet verified", 21210),
        (r"url .*(?:is not (?:a )?valid|not a valid url)", 21205),
        (r"too many requests", 20429),
        (r"\bauthenticat(?:e|ion)\b|\bunauthorized\b", 20003),
        (r"account .*(?:suspended|not active|closed)", 10001),
        (r"blacklisted|blocked number|not allowed to call", 21216),
    )
)
"""What Twilio's own sentences say, where only the sentence was kept."""

BROKEN = re.compile(r"socket hang up|ECONNRESET|EPIPE|ECONNABORTED|network socket disconnected", re.IGNORECASE)
NO_ANSWER = re.compile(r"ECONNREFUSED|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH", re.IGNORECASE)
NEW_CALL = "schedule a new call: a job keeps the number that it was made with."
ASK_CARRIER = "Ask the carrier for calls to this number at that time; if there is none, retry it."
NOBODY_TAKES_IT = "no other worker took it"

_OURS: Mapping[str, str] = {
    "to is ": f"Correct the number where it comes from, then {NEW_CALL}",
    "The job's data is": "Whoever scheduled it has to say whom to call: schedule it anew.",
    "metadata is": "Whoever scheduled it has to correct it: schedule it anew.",
    "message is": "Whoever scheduled it has to correct it: schedule it anew.",
    "There is no lead": "Schedule the call for another lead, or for none.",
    "PUBLIC_URL is not set": "Set PUBLIC_URL to the address at which Twilio reaches this server, then retry it.",
    "TWILIO_PHONE_NUMBER is not set": "Set TWILIO_PHONE_NUMBER to a number of the account, then retry it.",
    "No Twilio account is set": "Add the number to TEST_CALL_ALLOWLIST, or set a Twilio account; then retry it.",
    "Twilio could not be reached": "Look at status.twilio.com and this machine’s way to the internet, then retry it.",
    "The worker stood still": "Retry it: the machine was asleep or overloaded.",
}
"""What to do about failures that our own worker puts into words, by how they begin."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure for people.

    :ivar what: what went wrong.
    :ivar fate: whether anybody was called; ``untold`` and ``refused`` are of jobs that no worker of ours took.
    :ivar called: the same as a sentence.
    :ivar todo: the next step.
    :ivar code: Twilio's code, so far as it is known or its sentence says it.
    :ivar said: what the worker left, where it says more than ``what``.
    """

    what: str
    fate: Fate
    called: str
    todo: str
    code: int | None = None
    said: str | None = None

    @property
    def short(self) -> str:
        """For a table's cell."""
        named = f" (Twilio {self.code})" if self.code else ""
        first = {"dialled": "Dialled all the same. ", "perhaps": "Perhaps dialled. "}.get(self.fate, "")
        return f"{first}{self.what}{named}"


def of(entry: Entry) -> Failure | None:
    """The failure of a job's last try, or None when none is known."""
    text = entry.job.failure
    if not text:
        return None
    bare = text.removeprefix(NOT_DIALLED).removeprefix(PERHAPS)
    code = code_of(bare)
    known = CODES[code] if code is not None else None
    fate = _fate(entry, refused=known is not None)
    what = known.sentence if known else _sentence(bare)
    if fate == "dialled":  # what was still open then is settled
        what = f"{what.partition(';')[0].rstrip('.')}."
    return Failure(
        what=what,
        fate=fate,
        called=_called(entry, fate),
        todo=_todo(entry, fate, bare, code, known),
        code=None if known and known.sentence in bare and not _is_alone(known.sentence) else code,
        said=None if what == bare else formatting.clip(text, 400),
    )


def code_of(text: str) -> int | None:
    """Twilio's code that a text names, or that Twilio's or our sentence in it stands for."""
    named = _CODE.search(text)
    if named and int(named[1]) in CODES:
        return int(named[1])
    ours = next((code for code, each in CODES.items() if each.sentence in text), None)
    return ours or next((code for pattern, code in _TWILIO_SAYS if pattern.search(text)), None)


def _is_alone(sentence: str) -> bool:
    """Whether only one code has this sentence: else it does not tell which code Twilio gave."""
    return sum(each.sentence == sentence for each in CODES.values()) == 1


def _sentence(text: str) -> str:
    if STALLED in text:
        return "The worker that had it ended or hung."
    if BROKEN.search(text):
        return "The connection to Twilio broke while dialling."
    if NO_ANSWER.search(text):
        return "A service did not answer the backend’s worker."
    return formatting.clip(text, 400)


def _fate(entry: Entry, *, refused: bool) -> Fate:
    attempt, text = entry.attempt, entry.job.failure or ""
    if entry.call_sid:
        return "dialled"
    if attempt is not None and attempt.state in ("dialling", "unknown"):
        return "perhaps"
    if attempt is not None or text.startswith(NOT_DIALLED):
        return "not_dialled"
    return "refused" if refused else "untold"


def _called(entry: Entry, fate: Fate) -> str:
    if fate == "dialled":
        return "It was dialled: its call is below."
    if fate == "perhaps":
        return "Perhaps it was dialled: only a callback or the carrier can tell."
    if fate == "not_dialled":
        return "Nothing was dialled."
    if fate == "refused" and entry.job.attempts_made <= 1:
        return "Twilio refused to dial."
    if fate == "refused":
        return (
            f"Twilio refused the last of {entry.job.attempts_made} tries; whether an earlier one called is not known."
        )
    return "Whether anybody was called is not known: the worker was not Patchbay’s."


def _todo(entry: Entry, fate: Fate, text: str, code: int | None, known: Explained | None) -> str:
    if fate == "dialled":
        return "Nothing: it has its call, and no job is dialled twice."
    if fate == "perhaps":
        return "Wait until it is settled. It is never dialled again; if the call is wanted anyway, schedule a new one."
    if code in WRONG_NUMBER:
        lead = entry.job.lead_id
        whose = (
            f"Correct the phone of lead {lead}" if lead is not None and not entry.lead_gone else "Correct the number"
        )
        return f"{whose}, then {NEW_CALL}"
    if known is not None:
        return f"{known.remedy} Then retry it."
    if NOBODY_TAKES_IT in text:
        return "Start the worker that such jobs are made for, then retry it."
    ours = next((todo for begin, todo in _OURS.items() if text.startswith(begin)), None)
    if ours is not None:
        return ours
    if fate == "not_dialled":
        return "Retry it when the cause is mended."
    if NO_ANSWER.search(text):
        return f"See that the service runs. {ASK_CARRIER}"
    return ASK_CARRIER
