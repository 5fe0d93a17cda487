"""What a job of ``outbound-calls`` says: the backend's names, data and options, and what a worker may make of them.

Jobs come from anybody who can reach the queue, so everything in them is checked before it is believed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from core.errors import BadInput
from core.linking import fields
from core.linking.jobs import without_secrets
from core.model import phone
from core.outbound.redaction import redacted

QUEUE = "outbound-calls"
MAKE_CALL = "make-call"
MEDIA_STREAM = "start-media-stream"
DIALLING_JOBS = frozenset({MAKE_CALL, MEDIA_STREAM})
"""The jobs that dial; the backend does both in the same way."""
OUR_JOBS = "patchbay-"
"""How the ids of the jobs that are scheduled here begin: no bare integers, no colon (BullMQ's rules)."""
PRIORITIES: Mapping[str, int] = {"high": 1, "normal": 2, "low": 3}
DEFAULT_OPTIONS: Mapping[str, Any] = {
    "attempts": 3,
    "backoff": {"type": "exponential", "delay": 2000},
    "removeOnComplete": {"age": 7 * 86_400, "count": 1000},
    "removeOnFail": {"age": 30 * 86_400},
}
"""The backend's own: three attempts from two seconds on, results kept 7 days or the last 1000, failures 30 days."""

NOT_DIALLED = "Not dialled: "
"""How a failure begins that says that nothing was dialled. Of any other nobody knows, unless an attempt tells."""

Priority: TypeAlias = Literal["high", "normal", "low"]
E164 = re.compile(r"\+[1-9][0-9]{1,14}")
LONGEST_MESSAGE = 4000
LONGEST_DELAY = timedelta(days=366)


class Malformed(Exception):
    """A job that cannot be meant; the message says why, in a sentence for people."""


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """A call that somebody wants.

    :ivar to: the number, in E.164 or as people write it in DEFAULT_REGION.
    :ivar lead_id: the lead that is called; without one the call is linked to nobody.
    :ivar message: what is said first.
    :ivar metadata: anything that should stay with the job, as JSON values.
    :ivar delay: how long to wait before dialling; not with ``every`` or ``cron``.
    :ivar batch_index: the place in a bulk of calls; makes it a job of type ``bulk``.
    :ivar every: dial again and again, this far apart; at least a minute.
    :ivar cron: dial again and again by a cron expression (UTC); not with ``every``.
    :ivar key: the caller's own id of this request: the same key again gives the same job, never a second one.
    :ivar speak_first, initial_message: the backend's options of its media stream, handed on as they are.
    :ivar simulated: scheduled where calls are only played: no worker that really dials takes the job, and a worker that
        only plays takes no other.
    """

    to: str
    lead_id: int | None = None
    message: str | None = None
    priority: Priority = "normal"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    delay: timedelta | None = None
    batch_index: int | None = None
    every: timedelta | None = None
    cron: str | None = None
    key: str | None = None
    speak_first: bool | None = None
    initial_message: str | None = None
    simulated: bool = False

    @property
    def recurring(self) -> bool:
        """Whether it is dialled again and again."""
        return self.every is not None or self.cron is not None

    @property
    def type(self) -> str:
        """The backend's word for the way it is scheduled."""
        if self.recurring:
            return "recurring"
        if self.batch_index is not None:
            return "bulk"
        return "scheduled" if self.delay is not None else "immediate"

    @property
    def job_name(self) -> str:
        """The backend's name for the job: immediate calls have one of their own."""
        return MAKE_CALL if self.type == "immediate" else MEDIA_STREAM

    def checked(self, region: str) -> "ScheduleRequest":
        """The request with its number in E.164.

        :raises BadInput: for anything that cannot be meant; names the field.
        """
        if self.lead_id is not None:
            fields.identifier("lead_id", self.lead_id)
        fields.choice("priority", self.priority, PRIORITIES)
        if self.message is not None:
            fields.prose("message", self.message, LONGEST_MESSAGE)
        if not isinstance(self.metadata, Mapping):
            raise BadInput(f"metadata is {fields.shown(self.metadata)}: expected an object.")
        if not _is_json(self.metadata):
            raise BadInput("metadata holds something that is no JSON, or a NUL character: expected an object of JSON.")
        self._check_times()
        try:
            number = dialable(self.to, region)
        except Malformed as wrong:
            raise BadInput(str(wrong)) from None
        return ScheduleRequest(**{**{name: getattr(self, name) for name in self.__slots__}, "to": number})

    def _check_times(self) -> None:
        if self.every is not None and self.cron is not None:
            raise BadInput("every and cron exclude each other.")
        if self.recurring and self.delay is not None:
            raise BadInput("delay goes with a single call, not with every or cron.")
        if self.every is not None and self.every < timedelta(minutes=1):
            raise BadInput(f"every is {self.every}: expected at least a minute.")
        if self.delay is not None and not timedelta(0) <= self.delay <= LONGEST_DELAY:
            raise BadInput(f"delay is {self.delay}: expected between no time and {LONGEST_DELAY.days} days.")

    def data(self, at: datetime) -> dict[str, Any]:
        """The job's data as the backend writes it; what is not given is left out, as JavaScript does.

        :param at: when it was scheduled.
        """
        due = at + self.delay if self.delay is not None else at
        given = {
            "to": self.to,
            "message": self.message,
            "lead_id": self.lead_id,
            "priority": self.priority,
            "metadata": dict(self.metadata),
            "scheduledAt": _iso(due),
            "type": self.type,
            "batchIndex": self.batch_index,
            "speakFirst": self.speak_first,
            "initialMessage": self.initial_message,
            "simulated": self.simulated or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def options(self) -> dict[str, Any]:
        """The job's options as the backend writes them."""
        options = {**DEFAULT_OPTIONS, "priority": PRIORITIES[self.priority]}
        if self.delay is not None:
            options["delay"] = int(self.delay.total_seconds() * 1000)
        return options


@dataclass(frozen=True, slots=True)
class CallOrder:
    """What a worker reads in a job: whom to call, for which lead.

    :ivar to: E.164.
    """

    to: str
    lead_id: int | None
    message: str | None
    priority: str
    metadata: Mapping[str, Any]
    spoken: Mapping[str, Any]

    @classmethod
    def read(cls, data: Any, region: str) -> "CallOrder":
        """Read a job's data.

        :raises Malformed: when it does not say whom to call, or says it in a way that cannot be meant.
        """
        if not isinstance(data, Mapping):
            raise Malformed(f"The job's data is {_kind(data)}: expected an object with the number in to.")
        metadata = data.get("metadata")
        message = data.get("message")
        if metadata is not None and not isinstance(metadata, Mapping):
            raise Malformed(f"metadata is {_kind(metadata)}: expected an object.")
        if message is not None and not isinstance(message, str):
            raise Malformed(f"message is {_kind(message)}: expected text.")
        return cls(
            to=dialable(data.get("to"), region),
            lead_id=_lead(data.get("lead_id")),
            message=message,
            priority=str(data.get("priority") or "normal"),
            metadata=metadata or {},
            spoken={name: data[name] for name in ("speakFirst", "initialMessage") if data.get(name) is not None},
        )

    def result(self, call_sid: str, status: str, at: datetime) -> dict[str, Any]:
        """The finished job's return value, in the backend's shape; without a lead there is no ``lead_id``."""
        given = {
            "success": True,
            "callSid": call_sid,
            "to": self.to,
            "status": status,
            "lead_id": self.lead_id,
            "priority": self.priority,
            "metadata": dict(self.metadata),
            "timestamp": _iso(at),
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Job:
    """A job as people see it: credentials are gone from ``data``, ``failure`` and ``returnvalue``.

    :ivar state: ``waiting``, ``delayed``, ``active``, ``completed``, ``failed`` or ``unknown``.
    :ivar due_at: when a delayed job is moved to the others, else None.
    :ivar attempts_made: how often a worker has begun it.
    :ivar wait: seconds from when it could be done until a worker took it, None before.
    :ivar took: seconds from then until it was finished, None before.
    :ivar in_queue: False for one that the queue has forgotten: what was kept of it has no data.
    :ivar options: BullMQ's options of the job, without credentials.
    """

    job_id: str
    name: str
    state: str
    at: datetime
    data: Any
    to: str | None
    lead_id: int | None
    type: str | None
    priority: int
    due_at: datetime | None
    processed_at: datetime | None
    finished_at: datetime | None
    attempts_made: int
    attempts_allowed: int
    failure: str | None
    call_sid: str | None
    returnvalue: Any
    in_queue: bool = True
    options: Any = None

    @classmethod
    def from_result(cls, row: Mapping[str, Any]) -> "Job":
        """From a row of ``job_results``: a job that the queue has forgotten, with what was kept of it."""

        def at(name: str) -> datetime | None:
            return fields.moment(name, row[name]) if row.get(name) else None

        return cls(
            job_id=row["job_id"],
            name=row["name"] or "",
            state=people_state(row["state"]),
            at=fields.moment("job_at", row["job_at"]),
            data={},
            to=row["to_number"],
            lead_id=row["lead_id"],
            type=row["type"],
            priority=0,
            due_at=None,
            processed_at=at("processed_at"),
            finished_at=at("finished_at"),
            attempts_made=row["attempts"],
            attempts_allowed=row["attempts"],
            failure=row["failure"],
            call_sid=row["call_sid"],
            returnvalue=None,
            in_queue=False,
        )

    @classmethod
    def from_bullmq(cls, raw: Mapping[str, Any]) -> "Job":
        """From the JSON shape of a BullMQ job with its ``state``."""
        data, result = raw.get("data"), raw.get("returnvalue")
        said: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        at, delay = moment(raw.get("timestamp")) or datetime.fromtimestamp(0, UTC), int(raw.get("delay") or 0)
        failure, processed = raw.get("failedReason"), moment(raw.get("processedOn"))
        return cls(
            job_id=str(raw.get("id")),
            name=str(raw.get("name") or ""),
            state=people_state(str(raw.get("state") or "unknown")),
            at=at,
            data=redacted(data),
            to=said["to"] if isinstance(said.get("to"), str) else None,
            lead_id=_lead_or_none(said.get("lead_id")),
            type=said["type"] if isinstance(said.get("type"), str) else None,
            priority=int(raw.get("priority") or 0),
            due_at=(processed or at) + timedelta(milliseconds=delay) if raw.get("state") == "delayed" else None,
            processed_at=processed,
            finished_at=moment(raw.get("finishedOn")),
            attempts_made=max(int(raw.get(name) or 0) for name in ("attemptsMade", "attemptsStarted")),
            attempts_allowed=int((raw.get("opts") or {}).get("attempts") or 1),
            failure=without_secrets(str(failure)) if failure else None,
            call_sid=result["callSid"] if isinstance(result, Mapping) and _is_text(result.get("callSid")) else None,
            returnvalue=redacted(result),
            options=redacted(raw.get("opts")),
        )

    @property
    def perhaps_dialled(self) -> bool:
        """Failed, and its failure does not say that nothing was dialled: only an attempt of ours could tell."""
        return self.state == "failed" and not (self.failure or "").startswith(NOT_DIALLED)

    @property
    def wait(self) -> float | None:
        """Seconds from its time until a worker took it; for a job that was tried again, the last time."""
        return (self.processed_at - self.at).total_seconds() if self.processed_at else None

    @property
    def took(self) -> float | None:
        """Seconds that the worker's last try took."""
        if self.processed_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.processed_at).total_seconds()


def people_state(state: str) -> str:
    """BullMQ's word for a state as people use it: what waits by priority or behind a pause is waiting."""
    return "waiting" if state in ("wait", "paused", "prioritized") else state


def dialable(raw: Any, region: str) -> str:
    """The number to dial, in E.164.

    What is written in E.164 is dialled as it stands, also where it cannot be a number: the carrier refuses it (contract
    of the API). Anything else must be readable as one number.

    :raises Malformed: when it is none.
    """
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        raise Malformed("to is missing: expected a phone number such as +14155550123.")
    if not isinstance(raw, str):
        raise Malformed(f"to is {_kind(raw)}: expected a phone number as text, such as +14155550123.")
    text = raw.strip()
    number = phone.normalise(text, region)
    if number.kind == "withheld":
        raise Malformed("to is a withheld number: nobody can be called there.")
    if E164.fullmatch(text):
        return text
    if number.kind != "number" or number.e164 is None:
        raise Malformed(f"to is {fields.shown(text)}: expected a phone number such as +14155550123.")
    if len(phone.all_numbers(text, region)) > 1:
        raise Malformed(f"to is {fields.shown(text)}: expected one phone number, not several.")
    return number.e164


def moment(milliseconds: Any) -> datetime | None:
    """BullMQ's time, milliseconds since 1970, or None."""
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _lead(value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        return fields.identifier("lead_id", value)
    except BadInput as wrong:
        raise Malformed(wrong.message) from None


def _lead_or_none(value: Any) -> int | None:
    try:
        return _lead(value)
    except Malformed:
        return None


def _kind(value: Any) -> str:
    if value is None:
        return "missing"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def _is_json(value: Any) -> bool:
    """Whether every queue can keep it; PostgreSQL keeps no NUL."""
    try:
        return "\\u0000" not in json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _iso(at: datetime) -> str:
    """As JavaScript's ``toISOString``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
