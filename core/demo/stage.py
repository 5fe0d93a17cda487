"""The stage on which the scenes build the demo's world: leads, calls, and what the backend and people did with them."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from core.demo import speech
from core.demo.hours import BusinessHours
from core.demo.numbers import OWN_NUMBERS, NumberPool, as_stored
from core.demo.people import OPERATORS, Person, person
from core.demo.rows import (
    Command,
    Direction,
    EventRow,
    JobRow,
    LeadRow,
    RecordingRow,
    Repair,
    SlotWrite,
    TranscriptRow,
    World,
)
from core.demo.speech import SERVICES, Subject, Turn
from core.demo.traffic import Dial, Manner, spoken_seconds, traces

_SOURCES: Final = ("api", "api", "file_import", "file_import", "shopify", "manual", "website")
_NOT_ANSWERED: Final = ("no-answer", "no-answer", "no-answer", "busy", "failed", "canceled")


@dataclass(frozen=True, slots=True)
class Customer:
    """A lead with the truth behind it: who it is, which number really reaches it, what it wants."""

    row: LeadRow
    person: Person
    e164: str
    subject: Subject

    @property
    def key(self) -> int:
        """Stands for the lead's id."""
        return self.row.key


class Stage:
    """Collects the world. Every scene adds to it; nothing is written anywhere.

    :param now: the end of the world, aware, in whole seconds.
    """

    def __init__(self, seed: int, now: datetime) -> None:
        self.seed, self.now = seed, now
        self.rng = Random(seed)
        self.hours = BusinessHours(self.rng, now)
        self.numbers = NumberPool(self.rng)
        self.expected: dict[str, str] = {}
        self.repairs: list[Repair] = []
        self._jobs: list[JobRow] = []
        self._leads: list[LeadRow] = []
        self._events: list[EventRow] = []
        self._transcripts: list[TranscriptRow] = []
        self._recordings: list[RecordingRow] = []
        self._slots: defaultdict[int, list[SlotWrite]] = defaultdict(list)
        self._deleted: list[int] = []
        self._emptied: list[int] = []
        self._conflicts: defaultdict[str, list[str]] = defaultdict(list)

    # Leads ---------------------------------------------------------------------------------------------------------

    def customer(
        self,
        *,
        e164: str | None = None,
        phone: str | None = None,
        before: datetime | None = None,
        who: Person | None = None,
        works_at: str | None = None,
    ) -> Customer:
        """A new lead that nobody has called yet.

        :param e164: the number that reaches it; a fresh one when None.
        :param phone: how the record writes it; in some hand when None.
        :param before: the lead is created some time before this moment.
        :param who: the person, when it is known already (the same one entered twice).
        """
        who = who or person(self.rng, works_at)
        number = e164 or self.numbers.take(self.numbers.region())
        created = (before or self.hours.moment()) - timedelta(minutes=30 + self.rng.expovariate(1 / 7_000))
        subject = Subject(who.given, who.family, who.email, self.rng.choice(SERVICES))
        row = LeadRow(
            key=len(self._leads) + 1,
            name=who.name,
            email=who.email if self.rng.random() < 0.93 else None,
            phone=phone if phone is not None else as_stored(self.rng, number),
            company=who.company,
            lead_source=self.rng.choice(_SOURCES),
            lead_status="new",
            lead_priority=self.rng.choices(("low", "medium", "high"), (3, 6, 2))[0],
            message=subject.enquiry if self.rng.random() < 0.7 else None,
            created_at=created,
        )
        self._leads.append(row)
        return Customer(row, who, number, subject)

    def stranger(self) -> Subject:
        """Somebody who calls and is no lead."""
        who = person(self.rng)
        return Subject(who.given, who.family, who.email, self.rng.choice(SERVICES))

    # Calls ---------------------------------------------------------------------------------------------------------

    def sid(self) -> str:
        """A fresh Call SID of Twilio's form."""
        return f"CA{self.rng.getrandbits(128):032x}"

    def direction(self, inbound_share: float = 0.28) -> Direction:
        """Inbound as often as the share says."""
        return "inbound" if self.rng.random() < inbound_share else "outbound-api"

    def dial(
        self,
        counterpart: str | None,
        start: datetime,
        subject: Subject,
        *,
        direction: Direction | None = None,
        talk: tuple[Turn, ...] | None = None,
        sid: str | None = None,
        own: str | None = None,
        answered: bool = False,
    ) -> Dial:
        """A call with a believable course. ``answered`` or a given ``talk`` rules out that nobody picks up."""
        way = direction or self.direction()
        if talk is None:
            talk = self._talk(way, subject, answered)
        status = "completed" if talk else self.rng.choice(_NOT_ANSWERED)
        line = own or self.rng.choices(OWN_NUMBERS, (70, 20, 10))[0]
        return Dial(
            sid or self.sid(),
            way,
            start,
            counterpart,
            line,
            status,
            spoken_seconds(self.rng, talk) if talk else 0,
            talk,
        )

    def _talk(self, way: Direction, subject: Subject, answered: bool) -> tuple[Turn, ...]:
        chance = self.rng.random()
        if way == "inbound":
            return speech.conversation(self.rng, subject, inbound=True)
        if answered or chance < 0.58:
            return speech.conversation(self.rng, subject, inbound=False)
        if chance < 0.70:
            return speech.voicemail(self.rng, subject)
        return speech.hung_up(self.rng, subject) if chance < 0.73 else ()

    def leave(self, dial: Dial, expected: str, manner: Manner = "plain", other: str | None = None) -> str:
        """Let the backend write the call down; ``expected``: cause, ``linked`` or ``set_aside``. Returns its SID."""
        left = traces(self.rng, dial, manner, other)
        self._events += left.events
        self._transcripts += left.transcripts
        self._recordings += left.recordings
        self.expected[dial.call_sid] = expected
        if len(left.events) > 1:
            kind = "contradicting_event_rows" if manner == "contradicting" else "duplicate_event_rows"
            self.conflict(kind, dial.call_sid)
        return dial.call_sid

    def leave_events(self, rows: list[EventRow], expected: str) -> None:
        """Status rows as they are, for calls that no :class:`Dial` describes."""
        self._events += rows
        self.expected.update({row.call_sid: expected for row in rows})

    def leave_lines(self, dial: Dial, sid: str) -> None:
        """The transcript of ``dial``, saved under another spelling of its SID."""
        self._transcripts += [replace(row, call_sid=sid) for row in traces(self.rng, dial, "silent").transcripts]

    # Links ---------------------------------------------------------------------------------------------------------

    def backend_links(self, customer: Customer, dial: Dial) -> None:
        """The backend writes the lead's slot: its worker after an outbound call, its saver during an inbound one."""
        if dial.direction == "inbound":
            write = SlotWrite(customer.key, dial.call_sid)
        else:
            note = f"Outbound call {dial.call_sid} initiated"
            status = self.rng.choices(("contacted", "qualified", "converted", "lost"), (78, 12, 5, 5))[0]
            write = SlotWrite(customer.key, dial.call_sid, status, dial.start, note)
        self._slots[customer.key].append(write)

    def slot(self, customer: Customer, sid: str) -> None:
        """A slot write of which nothing else is known."""
        self._slots[customer.key].append(SlotWrite(customer.key, sid))
        self.expected[sid] = "linked"

    def linked_call(
        self,
        customer: Customer,
        start: datetime,
        manner: Manner = "plain",
        *,
        direction: Direction | None = None,
        sid: str | None = None,
    ) -> Dial:
        """One call of a customer that the backend linked rightly."""
        dial = self.dial(customer.e164, start, customer.subject, direction=direction, sid=sid)
        self.leave(dial, "linked", manner)
        self.backend_links(customer, dial)
        return dial

    def job(self, customer: Customer, dial: Dial) -> None:
        """The queue's job that dialled this call was made for this lead, and its result was kept."""
        name = str(1000 + len(self._jobs))
        before, after = dial.start - timedelta(seconds=4), dial.start + timedelta(seconds=2)
        self._jobs.append(JobRow(name, customer.key, customer.row.phone, dial.call_sid, before, after))

    def delete(self, customer: Customer) -> None:
        """Somebody deletes the lead."""
        self._deleted.append(customer.key)

    def empty(self, customer: Customer) -> None:
        """Somebody sets the lead's slot to null in SQL."""
        self._emptied.append(customer.key)

    # People --------------------------------------------------------------------------------------------------------

    def repair(
        self,
        command: Command,
        sid: str,
        reason: str | None,
        *,
        lead: Customer | None = None,
        undoes: int | None = None,
        batch: int | None = None,
        actor: str | None = None,
    ) -> int:
        """A person repairs something; returns the repair's index."""
        who = actor or self.rng.choice(OPERATORS)
        self.repairs.append(Repair(command, sid, who, reason, lead.key if lead else None, undoes, batch))
        return len(self.repairs) - 1

    def conflict(self, kind: str, *sids: str) -> None:
        """Note that these calls are in conflict."""
        self._conflicts[kind] += sids

    # The end -------------------------------------------------------------------------------------------------------

    def world(self) -> World:
        """Everything in the order in which it is written."""
        longest = max((len(writes) for writes in self._slots.values()), default=0)
        waves = tuple(
            tuple(writes[turn] for _, writes in sorted(self._slots.items()) if len(writes) > turn)
            for turn in range(longest)
        )
        return World(
            seed=self.seed,
            now=self.now,
            leads=tuple(self._leads),
            events=tuple(sorted(self._events, key=lambda row: row.created_at)),
            transcripts=tuple(sorted(self._transcripts, key=lambda row: row.created_at)),
            recordings=tuple(sorted(self._recordings, key=lambda row: row.created_at)),
            waves=waves,
            deleted_leads=tuple(self._deleted),
            emptied_slots=tuple(self._emptied),
            repairs=tuple(self.repairs),
            jobs=tuple(self._jobs),
            expected=dict(self.expected),
            conflicts={kind: tuple(dict.fromkeys(sids)) for kind, sids in sorted(self._conflicts.items())},
        )
