"""The link rules as a small Python program, to be compared with the SQL: each fact is worked out anew.

It knows nothing of locks, previews or the ledger's form. Three things it is told instead of knowing them: the
provisional start of a call (the clock's), an event's before and after (the ledger's), and whether an event is undone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

Slots: TypeAlias = dict[int, str | None]


class RefusedByRules(Exception):
    """The rules refuse the command; ``code`` is the SQLSTATE."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Call:
    """What is known of one call. ``recorded``: the ledger names it, so it outlives its rows. ``test``: a test call."""

    start: datetime
    start_known: bool = False
    lead: int | None = None
    set_aside: bool = False
    by_hand: bool = False
    recorded: bool = False
    test: bool = False


@dataclass
class Model:
    """All leads with their slots, all calls, and the rows of calls as (call, time of the row).

    :ivar provisional: asks for the start of a call that is known from a slot only.
    :ivar unique: whether leads.call_sid is UNIQUE.
    """

    provisional: Callable[[str], datetime]
    unique: bool
    slots: Slots = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    rows: dict[tuple[str, int], tuple[str, datetime]] = field(default_factory=dict)

    # Words of the rules

    def age(self, call: str) -> tuple[datetime, bytes]:
        """Newer: later start, then the greater SID in byte order."""
        return self.calls[call].start, call.encode()

    def newest(self, lead: int, other_than: str | None = None) -> str | None:
        linked = [sid for sid, call in self.calls.items() if call.lead == lead and sid != other_than and not call.test]
        return max(linked, key=self.age, default=None)

    def carriers(self, call: str, other_than: int | None = None) -> list[int]:
        """Leads whose slot names a call, lowest first."""
        return sorted(lead for lead, held in self.slots.items() if held == call and lead != other_than)

    # What outside writers do

    def add_row(self, key: tuple[str, int], call: str, at: datetime) -> None:
        self.rows[key] = (call, at)
        self._roll_up(call)

    def rename_row(self, key: tuple[str, int], call: str) -> None:
        before, at = self.rows[key]
        self.rows[key] = (call, at)
        self._roll_up(before)
        self._roll_up(call)

    def delete_rows(self, keys: list[tuple[str, int]]) -> None:
        calls = {self.rows.pop(key)[0] for key in keys}
        for call in calls:
            self._roll_up(call)

    def _roll_up(self, sid: str) -> None:
        times = [at for call, at in self.rows.values() if call == sid]
        call = self.calls.get(sid)
        if call is None:
            if times:
                self.calls[sid] = Call(min(times), start_known=True)
        elif times:
            call.start = min([*times, call.start] if call.start_known else times)
            call.start_known = True
        elif call.lead is None and not call.recorded:
            del self.calls[sid]

    def write_slots(self, written: Mapping[int, str | None]) -> None:
        """One statement sets some slots; unique violations are the caller's to foresee."""
        changes = [(lead, self.slots.get(lead), new) for lead, new in written.items() if self.slots.get(lead) != new]
        self.slots.update(written)
        for lead, old, new in sorted(changes, key=lambda change: (change[2] is None, change[0])):
            self._slot_changed(lead, old, new)

    def _slot_changed(self, lead: int, old: str | None, new: str | None) -> None:
        if new is not None:
            call = self._known(new)
            keeps = call.lead is not None and call.lead != lead and self.slots.get(call.lead) == new
            call.lead = call.lead if keeps else lead
            call.set_aside = call.by_hand = False
            call.recorded = True
        if old is not None and self.calls[old].lead == lead:
            call, heirs = self.calls[old], self.carriers(old, lead)
            if heirs:
                call.lead = heirs[0]
            elif new is None:
                call.lead, call.by_hand = None, True

    def delete_leads(self, leads: Iterable[int]) -> None:
        """One statement deletes some leads."""
        for lead in (gone := sorted(leads)):
            del self.slots[lead]
        for sid, call in self.calls.items():
            if call.lead in gone:
                call.lead = next(iter(self.carriers(sid)), None)

    def change_id(self, lead: int, to: int) -> None:
        """A lead gets another id: for the rules a new lead with its slot, and one that is gone."""
        held = self.slots[lead]
        self.slots = {**{each: call for each, call in self.slots.items() if each != lead}, to: held}
        self._slot_changed(to, None, held)
        self.slots[lead] = None
        self.delete_leads([lead])

    def _known(self, sid: str) -> Call:
        if sid not in self.calls:
            self.calls[sid] = Call(self.provisional(sid))
        return self.calls[sid]

    # Commands: each says whether anything changed, or raises RefusedByRules

    def link(self, sid: str, lead: int, *, current: bool = False, mode: str = "person") -> bool:
        _need(lead in self.slots and (sid in self.calls or mode == "worker"), "PB001")
        created = sid not in self.calls
        call = self.calls.get(sid) or Call(self.provisional(sid))
        _need(call.lead in (None, lead), "PB002")
        _need(mode == "person" or not (call.by_hand or call.set_aside), "PB004")
        self.calls[sid] = call
        try:
            slot = self.slots[lead] if call.lead == lead and not current else self._slot_after(sid, lead, current, mode)
            return self._set(sid, lead, False, False, {lead: slot})
        except RefusedByRules:
            if created:
                del self.calls[sid]
            raise

    def relink(self, sid: str, lead: int, *, current: bool = False) -> bool:
        _need(lead in self.slots and sid in self.calls, "PB001")
        call = self.calls[sid]
        _need(call.lead is not None, "PB004")
        keeps = call.lead == lead and not current
        slot = self.slots[lead] if keeps else self._slot_after(sid, lead, current, "person")
        return self._set(sid, lead, False, False, {**self._given_up(sid, lead), lead: slot})

    def unlink(self, sid: str) -> bool:
        _need(sid in self.calls, "PB001")
        _need(self.calls[sid].lead is not None, "PB004")
        return self._set(sid, None, False, True, self._given_up(sid))

    def put_aside(self, sid: str, aside: bool) -> bool:
        _need(sid in self.calls, "PB001")
        call = self.calls[sid]
        _need(call.lead is None, "PB004")
        return self._set(sid, None, aside, call.by_hand, {})

    def undo(self, event: Mapping[str, Any], *, undone: bool) -> bool:
        sid, before, after = event["call_sid"], event["before"], event["after"]
        _need(sid in self.calls, "PB001")
        _need(event["source"] != "baseline" and not undone, "PB004")
        named = {int(lead) for lead in after["leads"]} | ({before["call_lead"]} - {None})
        _need(named <= self.slots.keys(), "PB004")
        call = self.calls[sid]
        holds = (call.lead, call.set_aside, call.by_hand) == (after["call_lead"], after["set_aside"], after["by_hand"])
        _need(holds and all(self.slots[int(lead)] == held for lead, held in after["leads"].items()), "PB003")
        slots: Slots = {int(lead): held for lead, held in before["leads"].items()}
        tests = [lead for lead, held in slots.items() if held is not None and self.calls[held].test]
        others = {lead: held for lead, held in slots.items() if lead not in tests}
        _need(all(held in (None, sid) or self.calls[held].lead == lead for lead, held in others.items()), "PB004")
        _need(not tests or any(before[fact] != after[fact] for fact in ("call_lead", "set_aside", "by_hand")), "PB004")
        for lead in tests:  # never put back: the lead keeps its current call, if that is still its own then
            leaves = self.slots[lead] == sid and before["call_lead"] != lead
            slots[lead] = self.newest(lead, other_than=sid) if leaves else self.slots[lead]
        by_hand = before["by_hand"] or (before["call_lead"] is None and after["call_lead"] is not None)
        return self._set(sid, before["call_lead"], before["set_aside"], by_hand, slots)

    def _slot_after(self, sid: str, lead: int, current: bool, mode: str) -> str | None:
        held = self.slots[lead]
        test = self.calls[sid].test and mode != "worker"
        if current:
            _need(not test or held == sid, "PB004")
            return sid
        if mode == "automatic":
            others = [self.newest(lead, other_than=sid), None if test else sid]
            return held if held is not None else max([call for call in others if call], key=self.age, default=None)
        if test:
            return held
        return sid if held is None or self.age(sid) > self.age(held) else held

    def _given_up(self, sid: str, keeps: int | None = None) -> Slots:
        return {lead: self.newest(lead, other_than=sid) for lead in self.carriers(sid, keeps)}

    def _set(self, sid: str, lead: int | None, set_aside: bool, by_hand: bool, wanted: Slots) -> bool:
        call = self.calls[sid]
        slots = {each: held for each, held in wanted.items() if self.slots[each] != held}
        if not slots and (call.lead, call.set_aside, call.by_hand) == (lead, set_aside, by_hand):
            return False
        for each in slots:  # a slot that another lead claims too is only moved by resolving the claim
            held = self.slots[each]
            claimed = held not in (None, sid) and self.calls[str(held)].lead == each and self.carriers(str(held), each)
            _need(not claimed, "PB004")
        outcome = {**self.slots, **slots}
        for held in slots.values():
            twice = held is not None and list(outcome.values()).count(held) > 1
            _need(not (self.unique and twice), "PB004")
        carriers = [each for each, held in outcome.items() if held == sid]
        _need(not carriers or lead in carriers, "PB004")
        self.slots = outcome
        call.lead, call.set_aside, call.by_hand, call.recorded = lead, set_aside, by_hand, True
        return True


def _need(condition: object, code: str) -> None:
    if not condition:
        raise RefusedByRules(code)
