"""Status callbacks, saved as the backend saves them, without its races.

One row of ``call_events`` for a call: the SQL function ``save_call_event`` locks the call before it looks for a row.
The backend looks and then inserts, so that two callbacks at once make two rows, and reads "several rows" as "none".
Nothing here writes a number, a name or a sentence to a log.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from core.linking import fields
from core.store.gateway import Gateway

LONGEST_NUMBER = 100
"""Characters of From and To: SIP addresses are longer than numbers."""
LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """What one callback says. Everything but the SID may be missing.

    :ivar status: Twilio's word, e.g. ``in-progress``.
    :ivar minutes: Twilio's ``Duration``, whole minutes that were begun; ``seconds``: its ``CallDuration``.
    :ivar at: when it happened, by Twilio's clock.
    :ivar sequence: Twilio's ``SequenceNumber``, from 0: callbacks arrive in any order.
    :ivar attempt_id: the id that was given when the call was dialled (in the callback's address), or None.
    """

    call_sid: str
    status: str | None = None
    direction: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    minutes: int | None = None
    seconds: int | None = None
    recording_url: str | None = None
    recording_sid: str | None = None
    at: datetime | None = None
    sequence: int | None = None
    attempt_id: str | None = None

    @classmethod
    def from_form(cls, form: Mapping[str, str], attempt_id: str | None = None) -> "StatusCallback":
        """The form fields of a status or recording callback. A field that cannot be meant is left out.

        :raises BadInput: when there is no usable CallSid.
        """
        return cls(
            call_sid=as_twilio_writes(fields.call_sid(form.get("CallSid", ""), "CallSid")),
            status=_word(form.get("CallStatus")),
            direction=_word(form.get("Direction")),
            from_number=_text(form.get("From"), LONGEST_NUMBER),
            to_number=_text(form.get("To"), LONGEST_NUMBER),
            minutes=_whole(form.get("Duration")),
            seconds=_whole(form.get("CallDuration")),
            recording_url=_text(form.get("RecordingUrl"), LONGEST_URL),
            recording_sid=_text(form.get("RecordingSid"), 50),
            at=_rfc_2822(form.get("Timestamp")),
            sequence=_whole(form.get("SequenceNumber")),
            attempt_id=_attempt(attempt_id),
        )


def as_twilio_writes(call_sid: str) -> str:
    """A standard Call SID in the one writing that Twilio has; a variant would become a call of its own."""
    found = re.fullmatch(r"\s*ca([0-9a-f]{32})\s*", call_sid, re.IGNORECASE | re.ASCII)
    return f"CA{found[1].lower()}" if found else call_sid


@dataclass(frozen=True, slots=True)
class SavedEvent:
    """What became of a callback.

    :ivar event_id: id of the call's row in ``call_events``, as text.
    :ivar created: the row is new.
    :ivar changed: something was written.
    """

    event_id: str
    created: bool
    changed: bool


def save_callback(gateway: Gateway, fields: StatusCallback) -> SavedEvent:
    """Save a callback: the call's one row says all that its callbacks said, in whatever order they came.

    An older callback (a lower sequence, an earlier stage) fills only what is empty; nothing leaves a final status.
    An attempt id tells whoever dialled the call its SID, where the answer to dialling was lost.

    :raises core.errors.Unavailable: when nothing could be saved; the callback may be sent again.
    """
    saved = gateway.call("save_call_event", p_call_sid=fields.call_sid, p_facts=_facts(fields))
    if fields.attempt_id is not None:
        settle_attempt(gateway, fields)
    return SavedEvent(saved["event_id"], saved["created"], saved["changed"])


def settle_attempt(gateway: Gateway, fields: StatusCallback) -> bool:
    """Tell the attempt that a callback names its Call SID; returns whether it did not know it yet."""
    at = (fields.at or datetime.now(UTC)).isoformat()
    status = fields.status or "queued"
    arguments = {"p_attempt_id": fields.attempt_id, "p_call_sid": fields.call_sid, "p_status": status, "p_at": at}
    return bool(gateway.call("settle_call_attempt", **arguments))


def _facts(callback: StatusCallback) -> dict[str, Any]:
    named = {
        "status": callback.status,
        "direction": callback.direction,
        "from": callback.from_number,
        "to": callback.to_number,
        "duration": callback.minutes,
        "call_duration": callback.seconds,
        "recording_url": callback.recording_url,
        "recording_sid": callback.recording_sid,
        "timestamp": callback.at.isoformat() if callback.at else None,
        "sequence": callback.sequence,
    }
    return {name: value for name, value in named.items() if value is not None}


def _text(value: str | None, longest: int) -> str | None:
    cleaned = "".join(character for character in value or "" if character.isprintable()).strip()
    return cleaned[:longest] or None


def _word(value: str | None) -> str | None:
    word = (value or "").strip().lower()
    return word if re.fullmatch(r"[a-z][a-z-]{1,29}", word) else None


def _whole(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"[0-9]{1,9}", value) else None


def _rfc_2822(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value or "")
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _attempt(value: str | None) -> str | None:
    return value if value and re.fullmatch(r"[A-Za-z0-9._:-]{1,200}", value) else None
