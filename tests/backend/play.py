"""Sixty days of a voice backend: what it writes, how it fails, and what is true of each call.

Played are: slots and notes that the next call overwrites, a link write that fails (and often costs the numbers), dials
without a lead, a job that dials twice, event rows that multiply, rows without numbers or with the wrong direction,
inbound calls linked by our own number, numbers corrupted on the way in, statuses that never became final, deleted
leads, withheld callers, shared numbers, borrowed phones, and names said in passing.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

import phonenumbers

from tests.backend import people, speech
from tests.backend.people import Numbers, Person, Record

OWN: Final = ("+14157780142", "+12127390164")
NOW: Final = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAYS: Final = 60
WITHHELD: Final = ("+266696687", "anonymous", "+7378742833", "Restricted", "unavailable", "+86282452253")
KEPT: Final = timedelta(days=7)
"""So long the queue keeps the result of a job."""

Row: TypeAlias = dict[str, Any]


@dataclass
class Dial:
    """One call as it really was; ``rows`` and ``lines`` are what the backend wrote of it."""

    call_sid: str
    start: datetime
    kind: str
    outbound: bool
    from_number: str
    to_number: str
    person: Person | None
    record: Record | None = None
    misdialled: bool = False
    said_who: bool = False
    rows: list[Row] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)

    @property
    def theirs(self) -> str:
        return self.to_number if self.outbound else self.from_number


@dataclass(frozen=True)
class Truth:
    """What is true of a call.

    :ivar leads: the existing leads that it may rightly be linked to.
    :ivar causes: why it may rightly be called unlinked; empty: it is linked, or no one cause is right.
    :ivar trap: exactly one lead has the number, it is the wrong one, and nobody said who was speaking.
    """

    kind: str
    leads: frozenset[int]
    causes: frozenset[str]
    trap: bool
    linked: int | None


@dataclass
class World:
    """The backend's tables and jobs, and the truth by Call SID."""

    records: list[Record]
    dials: list[Dial]
    jobs: list[Row]
    truth: dict[str, Truth]

    def write(self, folder: Path) -> None:
        """One CSV a table, and the jobs as JSON, as an export of a real backend has them."""
        _csv(folder / "leads.csv", [_lead_row(record) for record in self.records if not record.deleted])
        events = [row for dial in self.dials for row in dial.rows]
        _csv(folder / "call_events.csv", [{"id": n, **row} for n, row in enumerate(events, 1)])
        lines = [row for dial in self.dials for row in _line_rows(dial)]
        _csv(folder / "conversation_transcripts.csv", [{"id": n, **row} for n, row in enumerate(lines, 1)])
        (folder / "jobs.json").write_text(json.dumps(self.jobs))


def play(calls: int, seed: int, *, jobs_kept: timedelta = KEPT) -> World:
    """Play a backend with about so many calls.

    :param calls: how many calls, all kinds together.
    :param seed: the same seed gives the same world.
    :param jobs_kept: results of older jobs are gone.
    """
    return _Stage(Random(seed), calls, jobs_kept).world()


class _Stage:
    def __init__(self, rng: Random, calls: int, jobs_kept: timedelta) -> None:
        self.rng, self.calls, self.jobs_kept = rng, calls, jobs_kept
        self.numbers = Numbers(rng)
        self.records: list[Record] = []
        self.people: list[Person] = []
        self.dials: list[Dial] = []
        self.jobs: list[Row] = []
        self.holder: dict[str, Record] = {}
        self.by_phone: dict[str, Record] = {}

    def world(self) -> World:
        self._populate()
        kinds: list[tuple[Callable[[datetime], None], int]] = [
            (self._queued, 58),
            (self._without_lead, 11),
            (self._inbound, 27),
            (self._withheld, 3),
            (self._own_to_own, 1),
        ]
        starts = sorted(NOW - timedelta(seconds=self.rng.uniform(3600, DAYS * 86400)) for _ in range(self.calls))
        doomed = self.rng.sample(self.records, len(self.records) // 30)
        deleted_at = {id(record): NOW - timedelta(days=self.rng.uniform(0, DAYS)) for record in doomed}
        for start in starts:
            for record in doomed:
                if not record.deleted and deleted_at[id(record)] < start:
                    self._delete(record)
            self.rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0](start)
        kept = [job for job in self.jobs if job["finishedOn"] >= (NOW - self.jobs_kept).timestamp() * 1000]
        results = {job["returnvalue"]["callSid"]: job["returnvalue"].get("lead_id") for job in kept}
        return World(
            self.records, self.dials, kept, {d.call_sid: self._truth(d, results) for d in self.dials if d.rows}
        )

    # Who there is ----------------------------------------------------------------------------------------------------

    def _populate(self) -> None:
        households = max(6, self.calls // 5)
        for number in range(households):
            somebody = people.person(self.rng, self.numbers)
            self.people.append(somebody)
            if self.rng.random() < 0.88:
                self._enrol(somebody)
            if self.rng.random() < 0.025:
                self._enrol(somebody)  # the same person twice
            sharing = self.rng.randint(3, 9) if number % 150 == 7 else 1 if self.rng.random() < 0.03 else 0
            for _ in range(sharing):  # a family, or a firm's switchboard
                relative = people.person(self.rng, self.numbers)
                relative.number, relative.other = somebody.number, None
                self.people.append(relative)
                self._enrol(relative)
        line = Person("Test", "Line", "test@example.com", OWN[0], "US")
        self._enrol(line, OWN[0])

    def _enrol(self, person: Person, phone: str | None = None) -> None:
        written, readable = (phone, True) if phone else people.stored(self.rng, person.number)
        created = NOW - timedelta(days=self.rng.uniform(DAYS + 1, DAYS + 45))
        intended = person.number if readable else None
        record = Record(len(self.records) + 1, person, written, intended, written == person.number, created)
        self.records.append(record)
        person.records.append(record)
        if written:
            self.by_phone.setdefault(written, record)

    def _delete(self, record: Record) -> None:
        record.deleted = True
        self.holder = {sid: held for sid, held in self.holder.items() if held is not record}

    # Kinds of calls --------------------------------------------------------------------------------------------------

    def _queued(self, start: datetime) -> None:
        record = self.rng.choice(self.records)
        number = record.dialled
        if number is None or not _is_number(number) or (record.deleted and self.rng.random() < 0.7):
            return
        dial = self._dial(start, "queued", True, self.rng.choice(OWN[:1]), number, record.person, record)
        dial.misdialled = number != record.person.number
        fault = self.rng.random()
        if fault < 0.015:  # the answer to the first dial was lost: the job dials again, and only that has a result
            start += timedelta(seconds=self.rng.uniform(2, 30))
            again = self._dial(start, "queued again", True, OWN[0], number, record.person, record)
            again.misdialled = dial.misdialled
            self._converse(dial)
            self._write_rows(dial)
            dial = again
        outage = 0.015 <= fault < 0.045
        self._finish_job(dial, record)
        if not outage and not 0.045 <= fault < 0.055 and not record.deleted:
            self._link(record, dial, by_worker=True)
        self._converse(dial, other=0.05)
        self._write_rows(dial, numberless=outage or None)

    def _without_lead(self, start: datetime) -> None:
        person = self.rng.choice(self.people)
        dial = self._dial(start, "without lead", True, OWN[0], person.number, person)
        self._finish_job(dial, None)
        if self.rng.random() < 0.6:
            self._converse(dial)
        self._write_rows(dial)
        self._saver_links(dial)

    def _inbound(self, start: datetime) -> None:
        person = self.rng.choice(self.people)
        number = person.other if person.other and self.rng.random() < 0.7 else person.number
        lender = self.rng.choice(self.people) if self.rng.random() < 0.03 else None
        ours = OWN[0] if self.rng.random() < 0.85 else OWN[1]
        dial = self._dial(start, "inbound", False, lender.number if lender else number, ours, person)
        self._converse(dial)
        self._write_rows(dial)
        self._saver_links(dial)

    def _withheld(self, start: datetime) -> None:
        person = self.rng.choice(self.people)
        dial = self._dial(start, "withheld", False, self.rng.choice(WITHHELD), OWN[0], person)
        self._converse(dial)
        self._write_rows(dial, numberless=False)

    def _own_to_own(self, start: datetime) -> None:
        dial = self._dial(start, "own numbers", self.rng.random() < 0.5, OWN[0], OWN[1], None)
        self._write_rows(dial, numberless=False)

    # What the backend does -------------------------------------------------------------------------------------------

    def _dial(
        self,
        start: datetime,
        kind: str,
        outbound: bool,
        caller: str,
        called: str,
        person: Person | None,
        record: Record | None = None,
    ) -> Dial:
        dial = Dial(f"CA{self.rng.getrandbits(128):032x}", start, kind, outbound, caller, called, person, record)
        self.dials.append(dial)
        return dial

    def _finish_job(self, dial: Dial, record: Record | None) -> None:
        data: Row = {"to": dial.to_number, "priority": "normal", "type": "immediate"}
        result: Row = {"success": True, "callSid": dial.call_sid, "to": dial.to_number, "status": "queued"}
        if record is not None:
            data["lead_id"] = result["lead_id"] = record.id
        asked = dial.start - timedelta(seconds=self.rng.uniform(1, 60))
        job = {
            "id": str(len(self.jobs) + 1),
            "name": "make-call",
            "data": data,
            "opts": {"attempts": 3, "priority": 2},
            "state": "completed",
            "returnvalue": result,
            "attemptsMade": 1,
            "timestamp": _milliseconds(asked),
            "processedOn": _milliseconds(asked) + 20,
            "finishedOn": _milliseconds(dial.start) + 3000,
        }
        self.jobs.append(job)

    def _link(self, record: Record, dial: Dial, *, by_worker: bool) -> None:
        if self.holder.get(dial.call_sid, record) is not record:
            return  # UNIQUE (call_sid): logged as a warning, nothing stored
        if record.slot:
            self.holder.pop(record.slot, None)
        record.slot, self.holder[dial.call_sid] = dial.call_sid, record
        if by_worker:
            record.notes = f"Outbound call {dial.call_sid} initiated"
            record.status, record.contacted_at = "contacted", dial.start + timedelta(seconds=self.rng.uniform(0.5, 8))

    def _saver_links(self, dial: Dial) -> None:
        """After a saved line the backend searches its leads for to_number, which is our own on an inbound call."""
        if not dial.lines or len(dial.rows) != 1 or not dial.rows[0]["to_number"]:
            return
        record = self.by_phone.get(dial.to_number)
        if record is not None and not record.deleted:
            self._link(record, dial, by_worker=False)

    def _converse(self, dial: Dial, other: float = 0.0) -> None:
        """What is said, perhaps the caller's own full name, address or number."""
        person, rng = dial.person, self.rng
        if person is None or rng.random() < 0.25:
            return
        speaker = rng.choice(self.people) if rng.random() < other else person
        lines, chance = speech.small_talk(rng), rng.random()
        first = next(place for place, (role, _) in enumerate(lines) if role == "user")
        if chance < 0.24:
            whole = rng.random() < 0.7
            dial.said_who, lines[first] = (
                whole,
                ("user", speech.introduces(rng, speaker.name if whole else speaker.given)),
            )
        elif chance < 0.30:
            dial.said_who, lines[-1] = True, ("user", speech.gives_mail(rng, speaker.email))
        elif chance < 0.34:
            dial.said_who, lines[-1] = True, ("user", speech.gives_number(rng, speaker.number))
        if rng.random() < 0.04:
            lines.append(("user", speech.mentions(rng, rng.choice(self.people))))
        dial.lines = lines

    def _write_rows(self, dial: Dial, numberless: bool | None = None) -> None:
        rng, talked = self.rng, bool(dial.lines)
        if rng.random() < 0.005:
            dial.lines = []
            return  # nothing of it was ever written
        final, seconds = ("completed", rng.randint(4, 900)) if talked or rng.random() < 0.5 else ("no-answer", 0)
        direction = "outbound-api" if dial.outbound else "inbound"
        row: Row = {
            "call_sid": dial.call_sid,
            "call_status": final,
            "direction": direction,
            "from_number": dial.from_number,
            "to_number": dial.to_number,
            "duration": str(-(-seconds // 60)),
            "call_duration": str(seconds),
            "recording_sid": "",
            "timestamp": dial.start.isoformat(),
            "created_at": (dial.start + timedelta(seconds=1)).isoformat(),
            "updated_at": "",
        }
        bare = {
            **row,
            "call_status": "in-progress",
            "direction": "inbound",
            "from_number": "",
            "to_number": "",
            "duration": "",
            "call_duration": "",
        }
        if numberless is None:
            numberless = talked and rng.random() < 0.12
        if numberless:  # the transcript saver came first; a later update heals all but the numbers
            dial.rows = [{**bare, **({} if rng.random() < 0.2 else {"call_status": final, "direction": direction})}]
            return
        stuck = rng.random() < 0.04
        dial.rows = [{**row, "call_status": rng.choice(("ringing", "in-progress"))} if stuck else row]
        if talked and rng.random() < 0.09:  # the first race: every later callback and line inserts another row
            dial.rows += [{**bare} for _ in range(rng.randint(1, 7))]
            dial.rows += [{**row, "call_status": "initiated", "duration": "", "call_duration": ""}]
            rng.shuffle(dial.rows)
        elif rng.random() < 0.01:
            dial.rows[0]["direction"] = "inbound" if dial.outbound else direction

    # What is true ----------------------------------------------------------------------------------------------------

    def _truth(self, dial: Dial, results: dict[str, int | None]) -> Truth:
        held = self.holder.get(dial.call_sid)
        if dial.record is not None:  # the job was for this lead, and for no other
            leads = frozenset({dial.record.id} if not dial.record.deleted else ())
            leads |= {r.id for r in dial.record.person.living()} if leads else frozenset()
        else:
            leads = frozenset(r.id for r in dial.person.living()) if dial.person else frozenset()
        causes = frozenset() if held else self._causes(dial, results)
        having = self._having(dial)
        trap = len(having) == 1 and having[0].id not in leads and not dial.said_who
        return Truth(dial.kind, leads, causes, trap, held.id if held else None)

    def _having(self, dial: Dial) -> list[Record]:
        return [r for r in self.records if r.intended == dial.theirs and not r.deleted]

    def _causes(self, dial: Dial, results: dict[str, int | None]) -> frozenset[str]:
        if dial.misdialled:
            return frozenset()
        job_lead = results.get(dial.call_sid)
        noted = [r for r in self.records if r.notes and dial.call_sid in r.notes and not r.deleted]
        if noted or (job_lead and not self.records[job_lead - 1].deleted):
            return frozenset({"link_write_failed"})
        if job_lead:
            return frozenset({"lead_deleted"})
        if not any(row["from_number"] for row in dial.rows):
            return frozenset({"no_numbers"})
        if dial.kind in ("own numbers", "withheld"):
            return frozenset({"own_numbers_only" if dial.kind == "own numbers" else "withheld_caller"})
        having = self._having(dial)
        if len(having) > 1:
            return frozenset({"several_leads"})
        if having:
            return frozenset({"missed_match" if having[0].exact else "format_mismatch"})
        # A record that was corrupted on its way in may still be near enough to be found.
        spoiled = dial.person is not None and any(r.intended is None for r in dial.person.living())
        return frozenset({"no_matching_lead", "format_mismatch"} if spoiled else {"no_matching_lead"})


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _is_number(number: str) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number)))
    except phonenumbers.NumberParseException:
        return False


def _lead_row(record: Record) -> Row:
    contacted = record.contacted_at.isoformat() if record.contacted_at else ""
    return {
        "id": record.id,
        "name": record.person.name,
        "email": record.person.email,
        "phone": record.phone or "",
        "lead_status": record.status,
        "notes": record.notes or "",
        "last_contacted_at": contacted,
        "created_at": record.created_at.isoformat(),
        "call_sid": record.slot or "",
    }


def _line_rows(dial: Dial) -> list[Row]:
    rows = []
    for place, (role, text) in enumerate(dial.lines):
        at = (dial.start + timedelta(seconds=8 + 6 * place)).isoformat()
        ending = "\n" if role == "user" else ""
        rows.append(
            {"call_sid": dial.call_sid, "role": role, "content": text + ending, "timestamp": at, "created_at": at}
        )
    return rows


def _csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
