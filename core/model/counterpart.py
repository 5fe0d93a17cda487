"""Who is at the other end of a call: what the rules know of a call, and the counterpart rule of the product.

The counterpart is the ``to`` side of an outbound call and the ``from`` side of an inbound one, and never one of our own
numbers. Rows lie about the direction now and then (the backend's transcript saver writes 'inbound' for every call), so
where the direction points at one of our own numbers, the other side is the counterpart.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from core.model import phone
from core.model.phone import PhoneNumber
from core.model.records import parse_time
from core.model.spoken import NOTHING, Line, Said, said

Standing: TypeAlias = Literal["known", "withheld", "ours", "missing", "unreadable"]


@dataclass(frozen=True, slots=True)
class EarlierLink:
    """A lead that a call was linked to once and is not any more.

    :ivar event_id: the link event that ended it.
    :ivar exists: the lead is still there.
    :ivar removed_by_hand: somebody took the link away, as opposed to the lead being deleted.
    """

    lead_id: int
    event_id: int
    exists: bool
    removed_by_hand: bool

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "EarlierLink":
        """An item of ``earlier_leads`` in the SQL function ``judge_facts``."""
        return cls(row["lead_id"], row["event_id"], row["exists"], row["removed_by_hand"])


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the queue: its result names the call, or it was made for the call's number at its time.

    :ivar lead_id: the lead that it was made for; None for a call without a lead.
    :ivar exists: that lead is still there.
    :ivar call_sid: the call that its own result names.
    :ivar attempts: how often it was begun.
    :ivar processed_at: when its last attempt began.
    """

    queue: str
    job_id: str
    job_at: datetime
    lead_id: int | None
    exists: bool
    to_number: str | None = None
    call_sid: str | None = None
    attempts: int = 1
    processed_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def source(self) -> str:
        """The row of ours that keeps it."""
        return f"job_results/{self.queue}/{self.job_id}@{self.job_at.isoformat()}"

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Job":
        """An item of ``jobs`` or ``windows`` in the SQL function ``judge_facts``."""
        added = parse_time(row["job_at"])
        if added is None:
            raise ValueError(f"the job {row['job_id']!r} has no time: job_results.job_at is never null")
        known = {name: row.get(name) for name in ("queue", "job_id", "lead_id", "to_number", "call_sid")}
        times = {name: parse_time(row.get(name)) for name in ("processed_at", "finished_at")}
        return cls(job_at=added, exists=bool(row["exists"]), attempts=row.get("attempts") or 0, **known, **times)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the rules look at in a call.

    :ivar mentions: the existing leads whose notes name the call.
    :ivar confirmed: a person said that it belongs to the lead that it is linked to.
    :ivar overruled_lead: the existing lead to which a person had linked it when another program moved it, or None.
    :ivar jobs: the jobs whose result names the call, oldest first.
    :ivar windows: jobs for one of its numbers that may have dialled it, see the SQL function ``judge_facts``.
    :ivar said: what its callers said of themselves.
    """

    call_sid: str
    started_at: datetime
    lead_id: int | None = None
    by_hand: bool = False
    direction: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    mentions: tuple[int, ...] = ()
    earlier: tuple[EarlierLink, ...] = ()
    test: bool = False
    confirmed: bool = False
    overruled_lead: int | None = None
    jobs: tuple[Job, ...] = ()
    windows: tuple[Job, ...] = ()
    said: Said = NOTHING

    @property
    def proof(self) -> tuple[int, ...]:
        """The existing leads that a job's result or notes name, by id."""
        named = {job.lead_id for job in self.jobs if job.lead_id is not None and job.exists}
        return tuple(sorted(named | set(self.mentions)))

    @property
    def gone(self) -> tuple[int, ...]:
        """The leads that a job's result or the ledger names and that are gone, the job's first."""
        made_for = (job.lead_id for job in self.jobs if job.lead_id is not None and not job.exists)
        return tuple(dict.fromkeys((*made_for, *(link.lead_id for link in self.earlier if not link.exists))))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "CallFacts":
        """An item of the SQL functions ``judge_facts`` and ``judge_batch``."""
        started = parse_time(row["started_at"])
        if started is None:
            raise ValueError(f"the call {row['call_sid']!r} has no start: calls.started_at is never null")
        return cls(
            call_sid=row["call_sid"],
            started_at=started,
            lead_id=row["lead_id"],
            by_hand=row["by_hand"],
            direction=row["direction"],
            from_number=row["from_number"],
            to_number=row["to_number"],
            mentions=tuple(row["mentions"]),
            earlier=tuple(EarlierLink.from_row(link) for link in row["earlier_leads"]),
            test=bool(row.get("test")),
            confirmed=bool(row.get("confirmed")),
            overruled_lead=row.get("overruled_lead"),
            jobs=tuple(Job.from_row(job) for job in row.get("jobs") or ()),
            windows=tuple(Job.from_row(job) for job in row.get("windows") or ()),
            said=said(Line.from_row(line) for line in row.get("spoken") or ()),
        )


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The other party of a call.

    :ivar standing: ``known`` (a telephone number, ``number.e164`` unless it is a short code); ``withheld`` (the caller
        hides it); ``ours`` (there is no number but our own); ``missing`` (no row says it); ``unreadable`` (no telephone
        number, such as ``client:alice``).
    """

    standing: Standing
    number: PhoneNumber

    @property
    def e164(self) -> str | None:
        """The number to match leads by, or None."""
        return self.number.e164 if self.standing == "known" else None

    @property
    def key(self) -> str | None:
        """The key by which the database finds leads that might have the number, or None."""
        return phone.key(self.e164) if self.e164 is not None else None


def of(
    direction: str | None, from_number: str | None, to_number: str | None, own: Set[str], region: str
) -> Counterpart:
    """The counterpart of a call.

    :param direction: Twilio's word (``inbound``, ``outbound-api``, …) or None.
    :param own: our own numbers in E.164.
    :param region: ISO 3166 region in which a number without country code is read.
    """
    caller, called = phone.normalise(from_number, region), phone.normalise(to_number, region)
    theirs, other = _sides(direction, caller, called, own)
    if _is_ours(theirs, own) and other.kind != "missing" and not _is_ours(other, own):
        theirs, other = other, theirs  # the direction contradicts our own numbers: they are right
    return Counterpart(_standing(theirs, other, own), theirs)


def _sides(
    direction: str | None, caller: PhoneNumber, called: PhoneNumber, own: Set[str]
) -> tuple[PhoneNumber, PhoneNumber]:
    """Their side and ours, as the direction says."""
    word = (direction or "").strip().lower()
    if word.startswith("inbound"):
        return caller, called
    if word.startswith("outbound"):
        return called, caller
    # Without a direction (the guide's smallest table has none) a hidden caller and a call to one of our numbers came
    # in; otherwise the called side is the one that the guide's own linking looks at.
    comes_in = caller.kind == "withheld" or called.kind == "missing" or _is_ours(called, own)
    return (caller, called) if comes_in else (called, caller)


def _is_ours(number: PhoneNumber, own: Set[str]) -> bool:
    return number.e164 is not None and number.e164 in own


def _standing(theirs: PhoneNumber, other: PhoneNumber, own: Set[str]) -> Standing:
    if _is_ours(theirs, own):
        return "ours"
    if theirs.kind == "missing":
        return "missing"
    if theirs.kind == "withheld":
        return "withheld"
    return "known" if theirs.e164 is not None or theirs.kind == "short" else "unreadable"
