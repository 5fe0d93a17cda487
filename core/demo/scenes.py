"""The scenes of the demo: each shows one way in which a call is lost, contradicts itself or is repaired.

A scene adds as many calls of its kind as it is told, and whatever linked calls belong to the people in it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from core.demo import speech
from core.demo.numbers import OWN_NUMBERS, WITHHELD, written_otherwise
from core.demo.rows import EventRow
from core.demo.stage import Customer, Stage
from core.demo.traffic import Dial, Manner

Play: TypeAlias = Callable[[Stage, int], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """``share`` of all calls belong to the scene, and never fewer than ``least``."""

    play: Play
    share: float
    least: int

    def size(self, calls: int) -> int:
        """How many calls the scene gets in a world of ``calls``."""
        return max(self.least, round(self.share * calls))


def _acquainted(stage: Stage, first: datetime, *, phone: str | None = None, e164: str | None = None) -> Customer:
    """A customer with up to two linked calls before ``first``."""
    customer = stage.customer(e164=e164, phone=phone, before=first - timedelta(days=4))
    for start in sorted(
        stage.hours.moment(first - timedelta(days=4), first) for _ in range(stage.rng.choice((0, 0, 1, 2)))
    ):
        if start < first - timedelta(minutes=20):
            stage.linked_call(customer, start, direction="outbound-api")
    return customer


def _outage(stage: Stage) -> datetime:
    """The bad hour of this world: the database was away while calls were dialled."""
    day = (stage.now - timedelta(days=9)).replace(hour=15, minute=20, second=0, microsecond=0)
    return day - timedelta(days=max(0, day.weekday() - 4))


def _in_outage_or_any(stage: Stage) -> datetime:
    if stage.rng.random() < 0.5:
        return _outage(stage) + timedelta(minutes=stage.rng.uniform(0, 55))
    return stage.hours.moment()


def unlinked_by_hand(stage: Stage, calls: int) -> None:
    """Somebody took the link away: a person in the console, or SQL that emptied the slot."""
    reasons = (
        "Spoke to the neighbour, not to the customer",
        "Test of the new greeting",
        "Customer says it wasn't them",
        "Linked to the wrong branch",
    )
    for number in range(calls):
        first, last = sorted((stage.hours.moment(), stage.hours.moment()))
        customer = stage.customer(before=first)
        if number % 2:
            stage.linked_call(customer, first)
        dial = stage.linked_call(customer, last)
        stage.expected[dial.call_sid] = "unlinked_by_hand"
        if number % 3 == 0:
            stage.empty(customer)
        else:
            stage.repair("unlink_call", dial.call_sid, stage.rng.choice(reasons))


def link_write_failed(stage: Stage, calls: int) -> None:
    """The lead's notes name the call, but its slot was never written (or names another call)."""
    for number in range(calls):
        start = _in_outage_or_any(stage)
        customer = stage.customer(before=start)
        manner: Manner = "saver_row" if stage.rng.random() < 0.6 else "plain"
        dial = stage.dial(
            customer.e164, start, customer.subject, direction="outbound-api", answered=manner == "saver_row"
        )
        stage.leave(dial, "link_write_failed", manner)
        customer.row.lead_status, customer.row.last_contacted_at = "contacted", start
        customer.row.notes = f"Outbound call {dial.call_sid} initiated"
        if number % 4 == 3:
            customer.row.notes = f"Spoke on {start:%d %b}, call {dial.call_sid}. {customer.subject.enquiry}."
            stage.linked_call(customer, stage.hours.moment(start), direction="inbound")


def lead_deleted(stage: Stage, calls: int) -> None:
    """The call was linked; then its lead was deleted."""
    left = calls
    while left:
        mine = min(left, stage.rng.choice((1, 1, 2, 3)))
        starts = stage.hours.moments(mine)
        customer = stage.customer(before=starts[0])
        for start in starts:
            dial = stage.linked_call(customer, start)
            stage.expected[dial.call_sid] = "lead_deleted"
        stage.delete(customer)
        left -= mine


def no_numbers(stage: Stage, calls: int) -> None:
    """Nothing says who was on the other end: the transcript came before the first callback, or instead of it."""
    for number in range(calls):
        subject = stage.stranger()
        dial = stage.dial(None, _in_outage_or_any(stage), subject, direction=stage.direction(0.4), answered=True)
        stage.leave(dial, "no_numbers", "silent" if number % 4 == 1 else "saver_row")


def sid_variants(stage: Stage, calls: int) -> None:
    """The same SID in two spellings: another writer changed its case, or left a space behind it."""
    for number in range(calls):
        start = stage.hours.moment()
        customer = stage.customer(before=start)
        dial = stage.dial(customer.e164, start, customer.subject, answered=True)
        variant = dial.call_sid.upper() if number % 2 == 0 else f"{dial.call_sid} "
        stage.leave(replace(dial, talk=()), "linked")
        stage.leave_lines(dial, variant)
        stage.expected[variant] = "no_numbers"
        stage.backend_links(customer, dial)
        stage.conflict("sid_variant", dial.call_sid, variant)


def own_numbers_only(stage: Stage, calls: int) -> None:
    """One of our lines calls another of our lines."""
    for number in range(calls):
        inbound = number % 2 == 1
        dial = stage.dial(
            OWN_NUMBERS[0 if inbound else 1],
            stage.hours.moment(),
            stage.stranger(),
            talk=(),
            direction="inbound" if inbound else "outbound-api",
            own=OWN_NUMBERS[1 if inbound else 0],
        )
        stage.leave(replace(dial, status="completed", seconds=stage.rng.randint(4, 40)), "own_numbers_only")


def withheld_caller(stage: Stage, calls: int) -> None:
    """The caller's number is withheld; the transcript may still say who it was."""
    for number in range(calls):
        caller = WITHHELD[number % len(WITHHELD)]
        stage.leave(stage.dial(caller, stage.hours.moment(), stage.stranger(), direction="inbound"), "withheld_caller")


def several_leads(stage: Stage, calls: int) -> None:
    """One number, several leads: a household, a switchboard, the same person entered twice."""
    left, group = calls, 0
    while left:
        mine = min(left, stage.rng.choice((1, 1, 2, 3)))
        starts = stage.hours.moments(mine)
        subjects = _share_a_number(stage, group, starts[0])
        for start in starts:
            who = stage.rng.choice(subjects)
            way = stage.direction(0.7)
            stage.leave(stage.dial(who.e164, start, who.subject, direction=way), "several_leads")
        left, group = left - mine, group + 1


def _share_a_number(stage: Stage, group: int, before: datetime) -> list[Customer]:
    first = stage.customer(before=before, works_at=f"Branch {group + 1} Catering" if group % 3 == 1 else None)
    first.row.phone = first.e164
    if group % 3 == 2:
        twin = stage.customer(
            e164=first.e164, phone=written_otherwise(stage.rng, first.e164), who=first.person, before=before
        )
        return [first, twin]
    others = 2 if group % 3 == 1 else 1
    return [first] + [
        stage.customer(
            e164=first.e164,
            phone=written_otherwise(stage.rng, first.e164),
            before=before,
            works_at=first.person.company,
        )
        for _ in range(others)
    ]


def _unlinked_calls_of_one_lead(stage: Stage, calls: int, cause: str, *, otherwise: bool) -> None:
    left = calls
    while left:
        mine = min(left, stage.rng.choice((1, 1, 1, 2, 4)))
        starts = stage.hours.moments(mine)
        number = stage.numbers.take(stage.numbers.region())
        phone = written_otherwise(stage.rng, number) if otherwise else number
        customer = _acquainted(stage, starts[0], phone=phone, e164=number)
        for start in starts:
            way = stage.direction(0.75)
            manner: Manner = "duplicates" if stage.rng.random() < 0.15 else "plain"
            stage.leave(stage.dial(number, start, customer.subject, direction=way), cause, manner)
        left -= mine


def missed_match(stage: Stage, calls: int) -> None:
    """Exactly one lead has the number, written exactly so, and still nobody linked the call."""
    _unlinked_calls_of_one_lead(stage, calls, "missed_match", otherwise=False)


def format_mismatch(stage: Stage, calls: int) -> None:
    """Exactly one lead has the number, written in another way."""
    _unlinked_calls_of_one_lead(stage, calls, "format_mismatch", otherwise=True)


def no_matching_lead(stage: Stage, calls: int) -> None:
    """Nobody has this number; some of these people call again and again."""
    left = calls
    while left:
        mine = min(left, stage.rng.choice((1, 1, 2, 3)))
        number, subject = stage.numbers.take(stage.numbers.region()), stage.stranger()
        for start in stage.hours.moments(mine):
            stage.leave(stage.dial(number, start, subject, direction=stage.direction(0.8)), "no_matching_lead")
        left -= mine


def unknown(stage: Stage, calls: int) -> None:
    """The other party is no phone number at all: a browser, a SIP desk phone."""
    parties = (
        "client:front-desk",
        "sip:reception@pbx.example.com",
        "client:browser-agent-7",
        "sip:hall@sip.example.net",
    )
    for number in range(calls):
        party = parties[number % len(parties)]
        stage.leave(stage.dial(party, stage.hours.moment(), stage.stranger(), direction="inbound"), "unknown")


def pending(stage: Stage, calls: int) -> None:
    """Calls of this very minute."""
    for number in range(calls):
        start = stage.now - timedelta(seconds=2 + 9 * number + stage.rng.random())
        phone = stage.numbers.take("US")
        customer = stage.customer(e164=phone, phone=phone, before=start)
        outbound = number % 2 == 0
        caller, called = (OWN_NUMBERS[0], customer.e164) if outbound else (customer.e164, OWN_NUMBERS[0])
        row = EventRow(
            stage.sid(),
            "ringing" if number % 3 == 0 else "in-progress",
            "outbound-api" if outbound else "inbound",
            caller,
            called,
            None,
            None,
            None,
            None,
            start.replace(microsecond=0),
            start,
            start,
        )
        stage.leave_events([row], "pending")


def set_aside(stage: Stage, calls: int) -> None:
    """A person took the call off the worklist: spam, a wrong number, a withheld one that nobody will ever know."""
    for number in range(calls):
        subject, start = stage.stranger(), stage.hours.moment()
        if number % 3 == 0:
            dial, reason = _pitch(stage, subject, start), "Spam: sales call"
        elif number % 3 == 1:
            talk = speech.wrong_number(stage.rng, subject)
            party = stage.numbers.take(stage.numbers.region())
            dial, reason = stage.dial(party, start, subject, direction="outbound-api", talk=talk), "Wrong number"
        else:
            party = WITHHELD[number % len(WITHHELD)]
            dial, reason = (
                stage.dial(party, start, subject, direction="inbound"),
                "Withheld number, caller gave no name",
            )
        stage.leave(dial, "set_aside")
        stage.repair(
            "set_aside_call", dial.call_sid, reason, batch=1 if number % 6 == 0 else None, actor="Dana Whitfield"
        )


def _pitch(stage: Stage, subject: speech.Subject, start: datetime) -> Dial:
    party, talk = stage.numbers.take("US"), speech.sales_pitch(stage.rng, subject)
    return stage.dial(party, start, subject, direction="inbound", talk=talk)


def dangling(stage: Stage, calls: int) -> None:
    """A lead's slot names a call of which nothing else is known."""
    for _ in range(calls):
        stage.slot(stage.customer(), stage.sid())


def suspects(stage: Stage, calls: int) -> None:
    """Linked to a lead that does not fit: a lead that holds our own number collects calls, or two were mixed up."""
    line = stage.customer(e164=OWN_NUMBERS[1], phone=OWN_NUMBERS[1], before=stage.hours.earliest)
    line.row.name, line.row.email, line.row.company = "Test line", None, speech.BUSINESS
    for number in range(calls):
        start = stage.hours.moment()
        right = stage.customer(before=start)
        wrong = line if number % 2 == 0 else stage.customer(before=start)
        way = "inbound" if wrong is line else stage.direction()
        dial = stage.dial(right.e164, start, right.subject, direction=way, own=OWN_NUMBERS[1])
        stage.leave(dial, "linked")
        stage.backend_links(wrong, dial)


def contradictions(stage: Stage, calls: int) -> None:
    """Two rows of one call name different numbers, or different directions."""
    for number in range(calls):
        start = stage.hours.moment()
        customer = stage.customer(before=start)
        other = stage.numbers.take("US") if number % 2 == 0 else None
        dial = stage.dial(customer.e164, start, customer.subject, answered=True)
        stage.leave(dial, "linked", "contradicting", other)
        stage.backend_links(customer, dial)


def claims(stage: Stage, calls: int) -> None:
    """The notes of two leads name the same call; only one of them has it, or neither."""
    for number in range(calls):
        start = stage.hours.moment()
        first, second = stage.customer(before=start), stage.customer(before=start)
        dial = stage.dial(first.e164, start, first.subject, direction="outbound-api", answered=True)
        second.row.notes = f"Merged from an older list. Outbound call {dial.call_sid} initiated"
        if number % 2 == 0:
            stage.leave(dial, "linked")
            stage.backend_links(first, dial)
        else:
            first.row.notes = f"Outbound call {dial.call_sid} initiated"
            stage.leave(dial, "no_numbers", "saver_row")
        stage.conflict("two_leads_claim", dial.call_sid)


def rejected(stage: Stage, calls: int) -> None:
    """Two leads share a number: the transcript's saver gave the call to one, so the worker's write was refused."""
    for _ in range(calls):
        start = stage.hours.moment()
        meant = stage.customer(before=start)
        holder = stage.customer(before=start, e164=meant.e164)
        dial = stage.dial(meant.e164, start, meant.subject, direction="outbound-api", answered=True)
        stage.leave(dial, "linked")
        stage.slot(holder, dial.call_sid)
        stage.job(meant, dial)
        stage.conflict("rejected_link", dial.call_sid)


def odd_sids(stage: Stage, calls: int) -> None:
    """SIDs that are not of Twilio's form: cut short, in capitals, made up by a script."""
    for number in range(calls):
        start = stage.hours.moment()
        customer = stage.customer(before=start)
        sid = stage.sid()
        odd = (sid[:18], f"CA{sid[2:].upper()}", f"CA-manual-{start:%Y%m%d}-{sid[-6:]}")[number % 3]
        stage.linked_call(customer, start, sid=odd)


def linked_by_people(stage: Stage, calls: int) -> None:
    """The backend missed the call, a person linked it."""
    reasons = (
        "She gave her name and address",
        "Number on the quote matches",
        "Called back about the same quote",
        "Confirmed by e-mail",
        None,
    )
    for number in range(calls):
        start = stage.hours.moment()
        customer = _acquainted(stage, start)
        dial = stage.dial(customer.e164, start, customer.subject, direction=stage.direction(0.8), answered=True)
        stage.leave(dial, "linked")
        batch = 2 + number // 12 if number % 2 else None
        actor = "Marcus Oyelaran" if batch else None
        stage.repair("link_call", dial.call_sid, stage.rng.choice(reasons), lead=customer, batch=batch, actor=actor)


def relinked_by_people(stage: Stage, calls: int) -> None:
    """The backend linked the wrong lead, a person moved the call; every third time they changed their mind."""
    for number in range(calls):
        start = stage.hours.moment()
        wrong, right = _acquainted(stage, start), stage.customer(before=start)
        dial = stage.dial(right.e164, start, right.subject, answered=True)
        stage.leave(dial, "linked")
        stage.backend_links(wrong, dial)
        repair = stage.repair("relink_call", dial.call_sid, f"It was {right.person.name} on the line", lead=right)
        if number % 3 == 2:
            stage.repair("undo_link_event", dial.call_sid, "Listened to the recording again", undoes=repair)


def second_thoughts(stage: Stage, calls: int) -> None:
    """Repairs that were taken back: a call restored, a call no longer set aside, a link undone."""
    for number in range(calls):
        start = stage.hours.moment()
        customer = stage.customer(before=start, phone=(phone := stage.numbers.take("US")), e164=phone)
        dial = stage.dial(customer.e164, start, customer.subject, direction="inbound")
        stage.leave(dial, "unlinked_by_hand" if number % 3 == 2 else "missed_match")
        if number % 3 == 2:
            repair = stage.repair("link_call", dial.call_sid, "Looks right", lead=customer)
            stage.repair("undo_link_event", dial.call_sid, "Wrong person after all", undoes=repair)
            continue
        repair = stage.repair("set_aside_call", dial.call_sid, "Thought it was spam")
        if number % 3 == 0:
            stage.repair("restore_call", dial.call_sid, "It is a customer")
        else:
            stage.repair("undo_link_event", dial.call_sid, None, undoes=repair)


def fresh_leads(stage: Stage, calls: int) -> None:
    """Leads that nobody called yet: status new, empty slot. The first eight of them write their number as +1…"""
    for number in range(max(12, calls // 40)):
        e164 = stage.numbers.take("US" if number < 8 else stage.numbers.region())
        created = stage.hours.moment(stage.now - timedelta(days=9))
        stage.customer(e164=e164, phone=e164 if number < 8 else None, before=created)


def everyday(stage: Stage, calls: int) -> None:
    """What goes well: leads with one call or several, each linked when it happened."""
    left = calls
    while left > 0:
        mine = min(left, stage.rng.choices(range(1, 9), (30, 24, 16, 11, 8, 6, 3, 2))[0])
        starts = stage.hours.moments(mine)
        customer = stage.customer(before=starts[0])
        for start in starts:
            stage.linked_call(customer, start, stage.rng.choices(_MANNERS, _MANNER_WEIGHTS)[0])
        left -= mine


_MANNERS: Final[tuple[Manner, ...]] = ("plain", "duplicates", "stuck", "stuck_with_length", "late_ringing", "saver_row")
_MANNER_WEIGHTS: Final = (880, 45, 14, 14, 16, 25)

SCENES: Final = (
    Scene(set_aside, 0.011, 4),
    Scene(unlinked_by_hand, 0.005, 3),
    Scene(link_write_failed, 0.013, 4),
    Scene(lead_deleted, 0.008, 3),
    Scene(no_numbers, 0.013, 4),
    Scene(own_numbers_only, 0.004, 2),
    Scene(withheld_caller, 0.008, 3),
    Scene(several_leads, 0.010, 4),
    Scene(missed_match, 0.014, 3),
    Scene(format_mismatch, 0.017, 4),
    Scene(no_matching_lead, 0.012, 3),
    Scene(unknown, 0.003, 2),
    Scene(sid_variants, 0.002, 2),
    Scene(dangling, 0.002, 2),
    Scene(suspects, 0.004, 2),
    Scene(contradictions, 0.003, 2),
    Scene(claims, 0.002, 2),
    Scene(odd_sids, 0.002, 3),
    Scene(linked_by_people, 0.015, 4),
    Scene(relinked_by_people, 0.004, 3),
    Scene(second_thoughts, 0.002, 3),
    Scene(rejected, 0.002, 1),
)
"""All scenes but three: ``pending`` and ``fresh_leads`` do not grow with the calls, ``everyday`` fills what is left."""
