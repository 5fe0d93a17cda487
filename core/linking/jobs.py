"""What the queue's jobs say of calls: read from BullMQ's shape, kept in our own table before the queue forgets them.

The backend's worker answers every finished job with ``{callSid, lead_id, …}``, also where its write of the link failed:
that is proof of whose call it is. Completed jobs live for days, so whoever wants the proof keeps it
(:func:`note`, :func:`load_export`). Of a job's data only who was called for whom is kept: automation jobs carry the
project's address and key, and an error's text may repeat them.
"""

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.store.gateway import Gateway

QUEUE = "outbound-calls"
JOBS_AT_ONCE = 500
LARGEST_EXPORT = 512 * 1024 * 1024
"""Bytes; a larger file is no list of jobs that a queue keeps."""
LONGEST_WORD = 100
LONGEST_NUMBER = 250
LONGEST_FAILURE = 500
LARGEST_ID = 2**63 - 1
LAST_MOMENT = 4_102_444_800_000
"""Milliseconds; a time after 2099 is none."""
EXPECTED = "a BullMQ job: an object with id, timestamp (milliseconds), data and returnvalue"

_SECRETS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE), "[address removed]"),
    (re.compile(r"\beyJ[\w-]+(?:\.[\w-]*){0,2}"), "[key removed]"),
    (re.compile(r"\b(?:sb_(?:secret|publishable)_|sk-|sbp_|pk_|ghp_)[\w-]+"), "[key removed]"),
    (re.compile(r"\b(?:AC|SK)[0-9a-f]{32}\b"), "[account removed]"),
    (re.compile(r"\b(bearer|basic)\s+[\w+/=.-]+", re.IGNORECASE), r"\1 [key removed]"),
    (
        re.compile(
            r"([\w-]*(?:key|token|secret|password|passwd|authorization)[\"']?\s*[:=]\s*)[\"']?[^\s\"',;}]+", re.I
        ),
        r"\1[removed]",
    ),
    (re.compile(r"(?<!patchbay-)\b(?!(?:CA|RE)[0-9a-f]{32}\b)[0-9a-f]{32,}\b", re.IGNORECASE), "[removed]"),
)


@dataclass(frozen=True, slots=True)
class JobResult:
    """One job of the queue with what came of it.

    :ivar job_at: when it was added to the queue; ids start again when a queue is flushed.
    :ivar state: BullMQ's word: ``completed``, ``failed``, ``active``, ``waiting``, ``delayed``, ``prioritized``, …
    :ivar lead_id: the lead that it was made for, whether that exists or not; None for a call without a lead.
    :ivar to_number: whom it dialled, as the job says it.
    :ivar call_sid: the call that its result names.
    :ivar processed_at: when its last attempt began.
    :ivar attempts: how often it was begun: every time may have dialled.
    :ivar failure: why it failed, without addresses and keys.
    """

    job_id: str
    job_at: datetime
    state: str
    queue: str = QUEUE
    name: str | None = None
    type: str | None = None
    lead_id: int | None = None
    to_number: str | None = None
    call_sid: str | None = None
    processed_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: int = 0
    failure: str | None = None

    @classmethod
    def from_bullmq(cls, job: Mapping[str, Any], queue: str = QUEUE) -> "JobResult":
        """A job as BullMQ gives it in JSON, or as its Redis hash holds it (``data`` and ``returnvalue`` as JSON text).

        :raises BadInput: when it has no id or no time stamp; whatever else is missing or odd is taken as unknown.
        """
        if not isinstance(job, Mapping):
            raise BadInput("This is no job.", hint=f"Expected {EXPECTED}.")
        job_id, added = _word(job.get("id")), _moment(job.get("timestamp"))
        if job_id is None or added is None:
            missing = "id" if job_id is None else "timestamp"
            raise BadInput(f"A job without a usable {missing}.", hint=f"Expected {EXPECTED}.")
        data, result = _object(job.get("data")), _object(job.get("returnvalue"))
        began = (_count(job.get("attemptsMade")), _count(job.get("attemptsStarted")), _stalled(job))
        return cls(
            job_id=job_id,
            job_at=added,
            state=_word(job.get("state")) or _state(job),
            queue=queue,
            name=_word(job.get("name")),
            type=_word(data.get("type")),
            lead_id=_first(_lead(result.get("lead_id")), _lead(data.get("lead_id"))),
            to_number=_text(_first(data.get("to"), result.get("to")), LONGEST_NUMBER),
            call_sid=_text(result.get("callSid"), 50),
            processed_at=_moment(job.get("processedOn")),
            finished_at=_moment(job.get("finishedOn")),
            attempts=max(began),
            failure=_failure(job.get("failedReason")),
        )

    def to_row(self) -> dict[str, Any]:
        """The JSON that the SQL function ``note_job_results`` takes."""
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of an export: jobs that could be read, those that could not, and rows that are new or changed."""

    read: int
    malformed: int
    changed: int

    def to_json(self) -> dict[str, int]:
        """As the command line prints it."""
        return asdict(self)


def note(gateway: Gateway, jobs: Iterable[JobResult]) -> int:
    """Keep what jobs say, in batches; the same job again brings its row up to date.

    :returns: how many rows are new or changed. Calls that they concern are judged again.
    """
    changed, remaining = 0, iter(jobs)
    while batch := [job.to_row() for job in itertools.islice(remaining, JOBS_AT_ONCE)]:
        changed += int(gateway.call("note_job_results", p_jobs=batch))
    return changed


def load_export(gateway: Gateway, path: Path) -> Loaded:
    """Keep the jobs of a file: a JSON list of BullMQ jobs. Those that cannot be read are counted and left out.

    :raises BadInput: when there is no such file, or it holds no JSON list.
    """
    listed = _listed(path)
    read: list[JobResult] = []
    for job in listed:
        try:
            read.append(JobResult.from_bullmq(job))
        except BadInput:
            continue
    return Loaded(len(read), len(listed) - len(read), note(gateway, read))


def without_secrets(text: str) -> str:
    """A text with the addresses, keys and account ids in it taken out."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _listed(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > LARGEST_EXPORT:
            raise BadInput(f"FILE: {path.name} is larger than {LARGEST_EXPORT // 2**20} MB.")
        jobs = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"FILE: {path} cannot be read ({error.strerror}).", hint="Name a file of jobs.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"FILE: {path.name} holds no JSON.", hint="Expected a JSON list of BullMQ jobs.") from error
    if not isinstance(jobs, list):
        raise BadInput(f"FILE: {path.name} holds no list.", hint="Expected a JSON list of BullMQ jobs.")
    return jobs


def _object(value: Any) -> Mapping[str, Any]:
    """A JSON object, or one that stands as JSON text in a Redis hash; {} for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    return _text(str(value) if isinstance(value, int) else value, LONGEST_WORD)


def _text(value: Any, longest: int) -> str | None:
    if not isinstance(value, str):
        return None
    shown = _storable(value).strip()
    return shown if shown and len(shown) <= longest else None


def _storable(text: str) -> str:
    """Without what JSON can say and PostgreSQL cannot hold: NUL and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


def _moment(value: Any) -> datetime | None:
    """Milliseconds since 1970, as a number or as its text, in UTC."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        milliseconds = float(value)
    except ValueError:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if 0 < milliseconds < LAST_MOMENT else None


def _count(value: Any) -> int:
    shown = str(value)
    return int(shown) if not isinstance(value, bool) and re.fullmatch(r"[0-9]{1,6}", shown) else 0


def _stalled(job: Mapping[str, Any]) -> int:
    """A job that stalled was begun once more, whatever the counters of attempts say (in Redis: ``stc``)."""
    stalls = max(_count(job.get("stalledCounter")), _count(job.get("stc")))
    return stalls + 1 if stalls else 0


def _lead(value: Any) -> int | None:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,19}", str(value).strip(), re.ASCII):
        return None
    lead_id = int(str(value).strip())
    return lead_id if 0 < lead_id <= LARGEST_ID else None


def _state(job: Mapping[str, Any]) -> str:
    """The state of a job whose export does not say it."""
    if _moment(job.get("finishedOn")) is None:
        return "unknown"
    return "failed" if job.get("failedReason") else "completed"


def _failure(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    first_line = without_secrets(_storable(value).strip().partition("\n")[0][: 4 * LONGEST_FAILURE])
    return first_line[:LONGEST_FAILURE] or None
