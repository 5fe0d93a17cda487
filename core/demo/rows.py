"""What the demo writes: rows of the customer's tables, field for column, and what happens to them afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

Direction: TypeAlias = Literal["inbound", "outbound-api"]
Command: TypeAlias = Literal[
    "link_call", "unlink_call", "relink_call", "set_aside_call", "restore_call", "undo_link_event"
]
"""The SQL functions by which people repair links."""


@dataclass(slots=True)
class LeadRow:
    """A row of ``leads``; ``key`` stands for the id that the database will give it (1 is the first)."""

    key: int
    name: str
    email: str | None
    phone: str | None
    company: str | None
    lead_source: str
    lead_status: str
    lead_priority: str
    message: str | None
    created_at: datetime
    notes: str | None = None
    metadata: Mapping[str, Any] | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    referrer: str | None = None
    last_contacted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of ``call_events``. ``duration`` counts begun minutes, ``call_duration`` seconds, as Twilio sends them."""

    call_sid: str
    call_status: str
    direction: Direction
    from_number: str | None
    to_number: str | None
    duration: int | None
    call_duration: int | None
    recording_url: str | None
    recording_sid: str | None
    timestamp: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """A row of ``conversation_transcripts``, in the newer shape (role, content) or the older (speaker, message)."""

    call_sid: str
    message_id: str | None
    role: str | None
    content: str | None
    speaker: str | None
    message: str | None
    timestamp: datetime
    latency_metrics: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """A row of ``call_recordings``; the backend never fills ``lead_id``."""

    call_sid: str
    recording_sid: str
    storage_path: str
    storage_url: str
    file_name: str
    file_size: int
    duration: int
    format: str
    status: str
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SlotWrite:
    """The backend's own update of a lead: the slot, and for outbound calls status, notes and the time of contact."""

    lead: int
    call_sid: str
    lead_status: str | None = None
    last_contacted_at: datetime | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A finished job of the queue that dialled a call for a lead, as it is kept."""

    job_id: str
    lead: int
    to_number: str | None
    call_sid: str
    job_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Repair:
    """A command of ours, given by a person. ``undoes`` is the index of an earlier repair (for ``undo_link_event``)."""

    command: Command
    call_sid: str
    actor: str
    reason: str | None = None
    lead: int | None = None
    undoes: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class World:
    """A whole demo database, before anything is written.

    Written in this order: leads, events, transcripts, recordings; ``waves`` of slot writes (the first call of every
    lead, then the second …, so that each lead keeps a history); leads deleted; slots emptied; jobs kept; repairs.

    :ivar expected: for every Call SID its cause, or ``linked`` or ``set_aside``.
    :ivar conflicts: for every conflict kind that occurs, the Call SIDs concerned.
    """

    seed: int
    now: datetime
    leads: tuple[LeadRow, ...]
    events: tuple[EventRow, ...]
    transcripts: tuple[TranscriptRow, ...]
    recordings: tuple[RecordingRow, ...]
    waves: tuple[tuple[SlotWrite, ...], ...]
    deleted_leads: tuple[int, ...]
    emptied_slots: tuple[int, ...]
    repairs: tuple[Repair, ...]
    jobs: tuple[JobRow, ...]
    expected: Mapping[str, str]
    conflicts: Mapping[str, tuple[str, ...]]
