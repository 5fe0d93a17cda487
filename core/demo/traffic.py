"""One call as the backend leaves it: status rows, transcript lines, a recording, and how they go wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal, TypeAlias

from core.demo.rows import Direction, EventRow, RecordingRow, TranscriptRow
from core.demo.speech import Turn

Manner: TypeAlias = Literal[
    "plain", "duplicates", "contradicting", "saver_row", "silent", "stuck", "stuck_with_length", "late_ringing"
]
"""How the status rows come out.

``plain``: one row that ends in the final status; ``duplicates``: the upsert missed and every callback became a row;
``contradicting``: a second row names other numbers; ``saver_row``: the transcript saver came first, so no numbers;
``silent``: no row at all; ``stuck``: the last callbacks never came; ``stuck_with_length``: not final, but a duration
is there; ``late_ringing``: a late 'ringing' overwrote 'completed'.
"""
ACCOUNT: Final = "AC" + "7e57" * 8


@dataclass(frozen=True, slots=True)
class Dial:
    """A call as it really was. ``seconds`` is its length, 0 when nobody answered."""

    call_sid: str
    direction: Direction
    start: datetime
    counterpart: str | None
    own: str
    status: str
    seconds: int
    talk: tuple[Turn, ...] = ()

    @property
    def end(self) -> datetime:
        """When it was over; ringing takes 12 seconds."""
        return self.start + timedelta(seconds=self.seconds + 12)


@dataclass(frozen=True, slots=True)
class Traces:
    """The rows that one call leaves."""

    events: tuple[EventRow, ...]
    transcripts: tuple[TranscriptRow, ...]
    recordings: tuple[RecordingRow, ...]


def spoken_seconds(rng: Random, talk: Sequence[Turn]) -> int:
    """How long a conversation takes."""
    return round(sum(2.5 + len(turn.text) / 13 for turn in talk) * rng.uniform(0.9, 1.4))


def traces(rng: Random, dial: Dial, manner: Manner = "plain", other: str | None = None) -> Traces:
    """What the backend writes for a call.

    :param other: the number that a ``contradicting`` row names.
    """
    recorded = dial.status == "completed" and len(dial.talk) > 2 and rng.random() < 0.45
    recording = f"RE{rng.getrandbits(128):032x}" if recorded else None
    events = _events(rng, dial, manner, recording, other)
    recordings = (_recording(rng, dial, recording),) if recording else ()
    return Traces(tuple(events), tuple(_lines(rng, dial)), recordings)


def _events(rng: Random, dial: Dial, manner: Manner, recording: str | None, other: str | None) -> list[EventRow]:
    final = _final(dial, recording)
    if manner == "silent":
        return []
    if manner == "duplicates":
        return [*_callbacks(rng, dial), *_saver_rows(rng, dial), final]
    if manner == "contradicting":
        return [final, _contradiction(dial, final, other)]
    if manner == "saver_row":
        return [replace(final, from_number=None, to_number=None)]
    if manner == "stuck":
        return [_open_row(rng, dial)]
    if manner == "stuck_with_length":
        return [replace(final, call_status="in-progress")]
    if manner == "late_ringing":
        return [replace(final, call_status="ringing", updated_at=final.updated_at + timedelta(seconds=9))]
    return [final]


def _numbers(dial: Dial) -> tuple[str | None, str | None]:
    inbound = dial.direction == "inbound"
    return (dial.counterpart, dial.own) if inbound else (dial.own, dial.counterpart)


def _final(dial: Dial, recording: str | None) -> EventRow:
    """The one row of a call for which everything went well."""
    caller, called = _numbers(dial)
    answered = dial.status == "completed"
    url = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}" if recording else None
    return EventRow(
        dial.call_sid,
        dial.status,
        dial.direction,
        caller,
        called,
        -(-dial.seconds // 60) if answered else None,
        dial.seconds if answered else 0,
        url,
        recording,
        dial.end.replace(microsecond=0),
        dial.start,
        dial.end,
    )


def _open_row(rng: Random, dial: Dial) -> EventRow:
    status = rng.choice(("in-progress", "in-progress", "ringing", "initiated"))
    seen = dial.start + timedelta(seconds=rng.uniform(0.5, 9))
    stamp = seen.replace(microsecond=0)
    return replace(
        _final(dial, None), call_status=status, duration=None, call_duration=None, timestamp=stamp, updated_at=seen
    )


def _callbacks(rng: Random, dial: Dial) -> list[EventRow]:
    """A row for each callback; two of them sometimes arrive in the wrong order."""
    rows, seen = [], dial.start
    for status in ("initiated", "ringing", "in-progress"):
        seen += timedelta(seconds=rng.uniform(0.4, 4))
        rows.append(replace(_open_row(rng, dial), call_status=status, created_at=seen, updated_at=seen))
    rows[0] = replace(rows[0], created_at=dial.start)
    return [rows[0], rows[2], rows[1]] if rng.random() < 0.3 else rows


def _saver_rows(rng: Random, dial: Dial) -> list[EventRow]:
    """What the transcript saver inserts once it no longer finds 'the' row: inbound, in progress, without numbers."""
    base = replace(
        _open_row(rng, dial), call_status="in-progress", direction="inbound", from_number=None, to_number=None
    )
    moments = [
        dial.start + timedelta(seconds=12 + dial.seconds * part) for part in _parts(rng, min(len(dial.talk), 11))
    ]
    return [replace(base, timestamp=None, created_at=seen, updated_at=seen) for seen in moments]


def _parts(rng: Random, count: int) -> list[float]:
    return sorted(rng.random() for _ in range(count))


def _contradiction(dial: Dial, final: EventRow, other: str | None) -> EventRow:
    """A row of the same SID that says something else: another number, or the other direction."""
    later = dial.end + timedelta(seconds=2)
    if other is None:
        swapped: Direction = "outbound-api" if dial.direction == "inbound" else "inbound"
        return replace(
            final,
            direction=swapped,
            from_number=final.to_number,
            to_number=final.from_number,
            created_at=later,
            updated_at=later,
        )
    inbound = dial.direction == "inbound"
    caller, called = (other, dial.own) if inbound else (dial.own, other)
    return replace(final, from_number=caller, to_number=called, created_at=later, updated_at=later)


def _lines(rng: Random, dial: Dial) -> list[TranscriptRow]:
    """Transcript lines: the user's come from a transcriber, end in a newline and are often later than the reply."""
    older = rng.random() < 0.12
    rows, clock = [], dial.start + timedelta(seconds=13)
    pace = dial.seconds / max(1.0, sum(2.5 + len(turn.text) / 13 for turn in dial.talk))
    for turn in dial.talk:
        clock += timedelta(seconds=(2.5 + len(turn.text) / 13) * pace)
        late = rng.uniform(0.8, 9) if turn.role == "user" and rng.random() < 0.4 else 0.0
        rows.append(_line(rng, dial.call_sid, turn, clock + timedelta(seconds=late), older))
    return sorted(rows, key=lambda row: row.created_at)


def _line(rng: Random, sid: str, turn: Turn, said: datetime, older: bool) -> TranscriptRow:
    saved = said + timedelta(milliseconds=rng.randint(60, 900))
    text = f"{turn.text}\n" if turn.role == "user" else turn.text
    if older:
        metrics = {"total_ms": rng.randint(380, 1900)} if turn.role == "assistant" else None
        return TranscriptRow(sid, None, None, None, turn.role, text, said, metrics, saved)
    return TranscriptRow(sid, f"item_{rng.getrandbits(64):016x}", turn.role, text, None, None, said, None, saved)


def _recording(rng: Random, dial: Dial, recording: str) -> RecordingRow:
    name = f"{dial.call_sid}_{recording}.mp3"
    path = f"{dial.start:%Y/%m/%d}/{name}"
    ready = dial.end + timedelta(seconds=rng.uniform(3, 20))
    return RecordingRow(
        dial.call_sid,
        recording,
        path,
        f"https://storage.example.com/call-recordings/{path}",
        name,
        dial.seconds * 4_000 + rng.randint(0, 3_999),
        dial.seconds,
        "mp3",
        "completed",
        {"twilio": {"accountSid": ACCOUNT, "recordingSid": recording}},
        ready,
        ready,
    )
