"""When a link is suspect, as far as numbers tell."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.model import counterpart, evidence, holders, spoken, suspects
from core.model.counterpart import CallFacts, Job
from core.model.records import Call, Lead
from core.model.spoken import Line
from core.model.suspects import SUSPECTS, Suspicion

OURS, NUMBER, OTHER = "+14155550100", "+14155550199", "+14155550188"
START = datetime(2026, 3, 1, tzinfo=UTC)


def decided(
    linked: Lead | None, others: tuple[Lead, ...] = (), *, number: str | None = NUMBER, **facts: Any
) -> Suspicion | None:
    """The suspicion of a call with ``number`` that is linked to ``linked``."""
    inbound = facts.pop("inbound", False)
    sides = (number, OURS) if inbound else (OURS, number)
    lead_id = linked.id if linked else 99
    call = CallFacts("CA1", START, lead_id, from_number=sides[0], to_number=sides[1], **facts)
    direction = "inbound" if inbound else "outbound-api"
    other = counterpart.of(direction, *sides, frozenset({OURS}), "US")
    everyone = [*others, linked] if linked else others
    having = holders.of(other.e164, [lead for lead in everyone if lead], "US") if other.e164 else ()
    return suspects.decide(call, other, linked, having, "US")


ANN, BOB = Lead(1, "Ann", NUMBER), Lead(2, "Bob", OTHER)


@pytest.mark.parametrize("writing", [NUMBER, "(415) 555-0199", "415.555.0199", f"{OTHER} / {NUMBER}", "14155550199.0"])
def test_a_lead_that_has_the_number_is_not_suspect_however_it_is_written(writing: str) -> None:
    assert decided(Lead(1, "Ann", writing)) is None
    assert decided(Lead(1, "Ann", writing), (Lead(3, phone=NUMBER),)) is None


def test_another_lead_that_has_the_number_is_better() -> None:
    assert decided(BOB, (ANN,)) == Suspicion("other_lead", (1,))
    assert decided(BOB, (ANN,), inbound=True) == Suspicion("other_lead", (1,))
    assert decided(BOB, tuple(Lead(n, phone=NUMBER) for n in range(10, 20))) == Suspicion(
        "other_lead", (10, 11, 12, 13, 14)
    )


def test_another_number_is_suspect_though_nobody_has_the_calls() -> None:
    assert decided(BOB) == Suspicion("unknown_number")


def test_a_number_that_is_only_alike_makes_no_better_lead() -> None:
    abroad = Lead(4, phone="+44 4155550199")
    assert decided(BOB, (abroad,)) == Suspicion("unknown_number")
    assert decided(abroad, (ANN,)) is None, "the backend writes wrong country codes: that is no other number"


@pytest.mark.parametrize("phone", [None, "", "  ", "n/a", "555", "anonymous", "client:bob"])
def test_a_lead_without_a_readable_number_tells_nothing(phone: str | None) -> None:
    assert decided(Lead(2, "Bob", phone), (ANN,)) is None
    assert decided(Lead(2, "Bob", phone)) is None


@pytest.mark.parametrize("number", [None, "", "anonymous", "+266696687", OURS, "client:alice", "12345"])
def test_a_withheld_own_or_missing_number_tells_nothing(number: str | None) -> None:
    assert decided(BOB, (ANN,), number=number, inbound=True) is None


def test_proof_beats_numbers() -> None:
    assert decided(BOB, (ANN,), mentions=(2,)) is None
    assert decided(BOB, (ANN,), confirmed=True) is None
    assert decided(BOB, (ANN,), test=True) is None
    assert decided(BOB, (ANN,), mentions=(1,)) == Suspicion("contradicted", (1,), "notes"), (
        "the other's notes are no proof for Bob"
    )


def test_a_lead_that_is_gone_tells_nothing() -> None:
    assert decided(None, (ANN,)) is None


def test_a_persons_link_that_another_program_moved_is_suspect() -> None:
    assert decided(ANN, overruled_lead=2) == Suspicion("overruled", (2,))
    assert decided(ANN, overruled_lead=2, confirmed=True) is None
    assert decided(BOB, (ANN,), overruled_lead=1) == Suspicion("other_lead", (1,))


def test_the_worst_sort_first() -> None:
    assert list(SUSPECTS) == sorted(SUSPECTS)


@pytest.mark.parametrize(
    ("suspect", "better", "said"),
    [
        ("other_lead", (1,), "Lead 1 (Ann) has +1 415-555-0199; it is linked to lead 2 (Bob), which has +14155550188."),
        (
            "other_lead",
            (1, 3),
            "Leads 1 and 3 have +1 415-555-0199; it is linked to lead 2 (Bob), which has +14155550188.",
        ),
        (
            "unknown_number",
            (),
            "It is linked to lead 2 (Bob), which has +14155550188; "
            "the call was with +1 415-555-0199, which no lead has.",
        ),
        (
            "overruled",
            (1,),
            "A person had linked it to lead 1 (Ann), and another program moved it to lead 2 (Bob).",
        ),
    ],
)
def test_the_sentence(suspect: str, better: tuple[int, ...], said: str) -> None:
    call = Call("CA1", "current", START, lead_id=2, counterpart=NUMBER, suspect=suspect, cause_leads=better)
    assert suspects.sentence(call, {1: ANN, 2: BOB}) == said


def test_the_sentence_survives_leads_that_are_gone() -> None:
    for suspect in SUSPECTS:
        call = Call("CA1", "history", START, lead_id=2, counterpart=NUMBER, suspect=suspect, cause_leads=(1,))
        assert "lead 2" in suspects.sentence(call, {}).lower()
        assert suspects.sentence(Call("CA1", "unlinked", START, suspect=suspect), {}) == "It is not linked any more."


# What jobs and voices say --------------------------------------------------------------------------------------------


def judged(linked: Lead, *others: Lead, inbound: bool = True, said: str = "", **facts: Any) -> Suspicion | None:
    """The suspicion of a call with ``NUMBER`` in which this was said, its candidates those of the rules."""
    sides = (NUMBER, OURS) if inbound else (OURS, NUMBER)
    call = CallFacts(
        "CA1", START, linked.id, direction="inbound" if inbound else "outbound-api", from_number=sides[0],
        to_number=sides[1], said=spoken.said([Line(7, 1, said)]), **facts,
    )  # fmt: skip
    other = counterpart.of(call.direction, *sides, frozenset({OURS}), "US")
    leads = {lead.id: lead for lead in (linked, *others)}
    having = holders.of(NUMBER, leads.values(), "US")
    found = evidence.candidates(call, other, leads, having, "US", leads.values())
    return suspects.decide(call, other, linked, having, "US", found)


def made_for(lead_id: int) -> Job:
    return Job("outbound-calls", "1", START, lead_id, True)


JANE, JOHN = Lead(3, "Jane Reed", NUMBER), Lead(4, "John Reed", NUMBER, "john@x.org")


def test_a_job_for_another_lead_makes_a_link_suspect_and_one_for_its_own_never() -> None:
    assert judged(BOB, ANN, inbound=False, jobs=(made_for(1),)) == Suspicion("contradicted", (1,), "job_result")
    assert judged(BOB, ANN, inbound=False, jobs=(made_for(2),)) is None
    assert judged(BOB, ANN, inbound=False, jobs=(made_for(1), made_for(2))) is None
    assert judged(BOB, ANN, inbound=False, jobs=(made_for(1),), confirmed=True) is None
    assert judged(ANN, inbound=False, jobs=(Job("q", "1", START, 9, False),)) is None, (
        "a lead that is gone is no better"
    )


def test_callers_of_a_shared_number_say_which_lead_they_are() -> None:
    assert judged(JANE, JOHN, said="This is John Reed.") == Suspicion("voice_disagrees", (4,), "spoken_full_name")
    assert judged(JANE, JOHN, said="It's John here.") == Suspicion("voice_disagrees", (4,), "spoken_first_name")
    assert judged(JANE, JOHN, said="My email is john@x.org.") == Suspicion("voice_disagrees", (4,), "spoken_email")
    assert judged(JOHN, JANE, said="This is John Reed.") is None
    assert judged(JANE, JOHN, said="John Reed gave me your number.") is None


def test_anybody_may_answer_a_leads_telephone() -> None:
    assert judged(JANE, JOHN, inbound=False, said="This is John Reed.") is None


def test_a_stranger_who_names_no_lead_makes_no_link_suspect() -> None:
    assert judged(JANE, said="This is Tom Stone.") is None


def test_who_says_to_be_the_linked_lead_may_use_any_telephone() -> None:
    assert judged(Lead(2, "Bob Stone", OTHER), ANN, said="This is Bob Stone.") is None
