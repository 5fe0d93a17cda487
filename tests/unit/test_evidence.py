"""Candidates: what speaks for and against them, how sure they are, and their order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import counterpart, evidence, holders, spoken
from core.model.counterpart import CallFacts, EarlierLink, Job
from core.model.records import CONFIDENCES, Candidate, Lead
from core.model.spoken import Line

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS, NUMBER = "+14155550000", "+14155552671"
CALL = CallFacts("CA1", NOW, None, False, "inbound", NUMBER, OURS)


def lead(lead_id: int, phone: str | None = None, created: int = -60, contacted: int | None = None) -> Lead:
    """A lead that was created and contacted so many days after the call."""
    at = None if contacted is None else NOW + timedelta(days=contacted)
    return Lead(lead_id, "Ann Lee", phone, created_at=NOW + timedelta(days=created), last_contacted_at=at)


def found(*leads: Lead, call: CallFacts = CALL) -> list[Candidate]:
    other = counterpart.of(call.direction, call.from_number, call.to_number, {OURS}, "US")
    having = holders.of(other.e164, leads, "US") if other.e164 else ()
    return list(evidence.candidates(call, other, {one.id: one for one in leads}, having, "US"))


def kinds(candidate: Candidate) -> tuple[list[str], list[str]]:
    return [e.kind for e in candidate.evidence], [e.kind for e in candidate.against]


@pytest.mark.parametrize(
    ("phone", "confidence", "kind", "against"),
    [
        (NUMBER, "high", "number_exact", []),
        ("(415) 555-2671", "high", "number_equal", []),
        ("415-555-2671 x9, 212-555-0100", "high", "number_equal", []),
        ("+914155552671", "medium", "other_country", ["country_differs"]),
    ],
)
def test_one_lead_with_the_number(phone: str, confidence: str, kind: str, against: list[str]) -> None:
    (candidate,) = found(lead(1, phone))
    assert candidate.confidence == confidence
    assert kinds(candidate) == ([kind], against)
    assert candidate.evidence[0].source == "leads/1"


def test_a_national_number_is_read_in_the_counterparts_country() -> None:
    british = replace(CALL, from_number="+442079460958")
    (candidate,) = found(lead(1, "020 7946 0958"), call=british)
    assert (candidate.confidence, kinds(candidate)) == ("high", (["national_number"], []))


def test_a_national_number_that_is_another_number_at_home_is_doubtful() -> None:
    indian = replace(CALL, from_number="+914155552671")
    (candidate,) = found(lead(1, "415 555 2671"), call=indian)
    assert (candidate.confidence, kinds(candidate)) == ("medium", (["national_number"], ["country_unclear"]))
    assert candidate.against[0].detail == "Read without the call, the lead's number would be +1 415-555-2671."


def test_a_mobile_digit_is_suggested_never_sure() -> None:
    brazil = replace(CALL, from_number="+555115078576")
    (candidate,) = found(lead(1, "(51) 9 1507-8576"), call=brazil)
    assert (candidate.confidence, kinds(candidate)) == ("medium", (["number_variant"], []))


def test_several_leads_are_never_chosen_between() -> None:
    candidates = found(lead(1, NUMBER), lead(2, "(415) 555-2671"))
    assert {c.confidence for c in candidates} == {"medium"}
    assert all(kinds(c)[1] == ["number_shared"] for c in candidates)
    assert candidates[0].against[0].detail == "1 other lead has this number as well."
    assert candidates[0].against[0].source == "leads/2"


def test_a_lead_with_a_like_number_does_not_share_it() -> None:
    sure, like = found(lead(1, NUMBER), lead(2, "+914155552671"))
    assert (sure.lead_id, sure.confidence) == (1, "high")
    assert (like.confidence, kinds(like)[1]) == ("low", ["number_shared", "country_differs"])


@pytest.mark.parametrize(("days", "confidence"), [(-1, "high"), (0, "high"), (2, "high"), (30, "high"), (31, "medium")])
def test_a_lead_created_long_after_the_call_is_doubtful(days: int, confidence: str) -> None:
    (candidate,) = found(lead(1, NUMBER, created=days))
    assert candidate.confidence == confidence
    assert kinds(candidate)[1] == (["created_late"] if confidence == "medium" else [])


def test_two_doubts_make_it_low() -> None:
    candidates = found(lead(1, NUMBER, created=40), lead(2, NUMBER))
    assert [(c.lead_id, c.confidence) for c in candidates] == [(2, "medium"), (1, "low")]


def test_notes_are_proof() -> None:
    first, second = found(lead(1, NUMBER), lead(7, "+12125550123"), call=replace(CALL, mentions=(7,)))
    assert (first.lead_id, first.confidence, kinds(first)) == (7, "certain", (["notes"], []))
    assert first.evidence[0].detail == "The notes of lead 7 (Ann Lee) name this call."
    assert (second.confidence, kinds(second)) == ("medium", (["number_exact"], ["proof_disagrees"]))


def test_proof_needs_no_number_and_no_date() -> None:
    (candidate,) = found(lead(7, None, created=90), call=replace(CALL, from_number="anonymous", mentions=(7,)))
    assert candidate.confidence == "certain"
    shared = found(lead(1, NUMBER), lead(7, NUMBER, created=90), call=replace(CALL, mentions=(7,)))
    assert (shared[0].lead_id, shared[0].confidence) == (7, "certain")


def test_notes_of_two_leads_are_no_proof() -> None:
    candidates = found(lead(1), lead(2), call=replace(CALL, mentions=(1, 2)))
    assert {(c.confidence, c.against[0].kind) for c in candidates} == {("medium", "proof_disagrees")}


def test_an_earlier_link_is_proof_unless_somebody_took_it_away() -> None:
    kept = EarlierLink(5, 33, exists=True, removed_by_hand=False)
    (candidate,) = found(lead(5), call=replace(CALL, earlier=(kept,)))
    assert (candidate.confidence, kinds(candidate)) == ("certain", (["earlier_link"], []))
    assert candidate.evidence[0].source == "link_events/33"

    (candidate,) = found(lead(5, NUMBER), call=replace(CALL, earlier=(replace(kept, removed_by_hand=True),)))
    assert (candidate.confidence, kinds(candidate)) == ("low", (["number_exact", "unlinked_from"], ["removed_by_hand"]))
    assert candidate.against[0].source == "link_events/33"

    named = replace(CALL, mentions=(5,), earlier=(replace(kept, removed_by_hand=True),))
    assert found(lead(5, NUMBER), call=named)[0].confidence == "low"


def test_a_lead_that_is_gone_is_no_candidate() -> None:
    gone = EarlierLink(5, 33, exists=False, removed_by_hand=False)
    assert found(call=replace(CALL, earlier=(gone,))) == []


@pytest.mark.parametrize("caller", ["anonymous", "+266696687", OURS, None, "client:alice"])
def test_nobody_is_matched_by_a_number_that_is_none(caller: str | None) -> None:
    everyone = [lead(1, "anonymous"), lead(2, "+266696687"), lead(3, OURS), lead(4, None), lead(5, "client:alice")]
    assert found(*everyone, call=replace(CALL, from_number=caller)) == []


def test_among_equals_the_lead_contacted_nearest_to_the_call_comes_first() -> None:
    before, soon, later, never = (
        lead(1, NUMBER, contacted=-1), lead(2, NUMBER, contacted=1), lead(3, NUMBER, contacted=9), lead(4, NUMBER),
    )  # fmt: skip
    assert [c.lead_id for c in found(never, later, before, soon)] == [2, 3, 1, 4]


def test_a_candidate_has_the_contracts_shape() -> None:
    (candidate,) = found(lead(1, NUMBER))
    assert candidate.to_json() == {
        "lead_id": 1, "name": "Ann Lee", "phone": NUMBER, "confidence": "high", "against": [],
        "evidence": [
            {"kind": "number_exact", "detail": "Lead 1 (Ann Lee) has exactly this number.", "source": "leads/1"}
        ],
    }  # fmt: skip


@pytest.mark.parametrize("kind", evidence.FOR)
def test_every_kind_has_a_sentence(kind: str) -> None:
    assert evidence.reason(kind, lead(1, "(415) 555-2671"), NUMBER).endswith(".")
    assert evidence.reason(kind, lead(1, None), None).endswith(".")


phones = st.sampled_from([NUMBER, "(415) 555-2671", "+914155552671", "415 555 2671 x9", OURS, "anonymous", None, "7"])
leads = st.builds(lead, st.integers(1, 6), phones, st.integers(-9, 9), st.none() | st.integers(-9, 9))
links = st.builds(EarlierLink, st.integers(1, 6), st.integers(1, 99), st.booleans(), st.booleans())
calls = st.builds(
    lambda caller, mentions, earlier: replace(CALL, from_number=caller, mentions=mentions, earlier=earlier),
    phones,
    st.lists(st.integers(1, 6), max_size=2, unique=True).map(tuple),
    st.lists(links, max_size=2, unique_by=lambda link: link.lead_id).map(tuple),
)


@given(calls, st.lists(leads, max_size=5, unique_by=lambda one: one.id), st.randoms())
def test_candidates_keep_the_rules_whatever_the_facts(call: CallFacts, everyone: list[Lead], random: object) -> None:
    candidates = found(*everyone, call=call)
    shuffled = list(everyone)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert found(*shuffled, call=call) == candidates

    places = [CONFIDENCES.index(c.confidence) for c in candidates]
    assert places == sorted(places)
    assert len({c.lead_id for c in candidates}) == len(candidates)
    assert all(c.evidence for c in candidates)
    assert sum(c.confidence == "certain" for c in candidates) <= 1
    assert sum(c.confidence == "high" for c in candidates) <= 1
    for candidate in candidates:
        if candidate.confidence == "high":
            assert not candidate.against
        if candidate.confidence == "certain":
            assert {"notes", "earlier_link"} & {e.kind for e in candidate.evidence}
        if any(link.lead_id == candidate.lead_id and link.removed_by_hand for link in call.earlier):
            assert candidate.confidence == "low"


# What jobs and voices say --------------------------------------------------------------------------------------------


def spoken_to(*texts: str, call: CallFacts = CALL) -> CallFacts:
    return replace(call, said=spoken.said(Line(100 + n, n, text) for n, text in enumerate(texts, 1)))


def heard(*leads: Lead, call: CallFacts) -> list[Candidate]:
    """The candidates where the database finds these leads by the number and by what was said."""
    other = counterpart.of(call.direction, call.from_number, call.to_number, {OURS}, "US")
    having = holders.of(other.e164, leads, "US") if other.e164 else ()
    known = {one.id: one for one in leads}
    return list(evidence.candidates(call, other, known, having, "US", leads))


def job(lead_id: int | None, exists: bool = True, start: int = -2, **known: Any) -> Job:
    """A job that was added so many seconds after the call began, tried twice, its last attempt well after the call."""
    at = NOW + timedelta(seconds=start)
    times = {"processed_at": NOW + timedelta(seconds=5), "finished_at": NOW + timedelta(seconds=9)}
    given = {"to_number": NUMBER, "call_sid": "CA9", "attempts": 2, **times, **known}
    return Job("outbound-calls", "7", at, lead_id, exists, **given)


OUTBOUND = replace(CALL, direction="outbound-api", from_number=OURS, to_number=NUMBER)


def test_a_job_result_is_proof_whoever_answers() -> None:
    call = spoken_to("This is Tom Reed.", call=replace(OUTBOUND, jobs=(job(5),)))
    first, second = heard(lead(5), lead(6, NUMBER), call=call)
    assert (first.lead_id, first.confidence, kinds(first)) == (5, "certain", (["job_result"], ["other_name_spoken"]))
    assert (second.confidence, kinds(second)[1]) == ("low", ["proof_disagrees", "other_name_spoken"])


def test_a_job_and_notes_that_name_two_leads_are_no_proof() -> None:
    found_here = heard(lead(5), lead(6), call=replace(OUTBOUND, jobs=(job(5),), mentions=(6,)))
    assert [(c.lead_id, c.confidence) for c in found_here] == [(5, "medium"), (6, "medium")]


def test_a_job_for_a_lead_that_is_gone_makes_the_number_doubtful() -> None:
    (candidate,) = heard(lead(6, NUMBER), call=replace(OUTBOUND, jobs=(job(5, exists=False),)))
    assert (candidate.confidence, kinds(candidate)[1]) == ("medium", ["gone_lead_named"])


def test_a_retried_job_tells_leads_of_one_number_apart_but_a_person_chooses() -> None:
    first, second = heard(lead(5, NUMBER), lead(6, NUMBER), call=replace(OUTBOUND, windows=(job(6),)))
    assert (first.lead_id, first.confidence, kinds(first)[1]) == (6, "medium", ["number_shared"])
    assert (second.lead_id, second.confidence) == (5, "low")


def test_two_retried_jobs_tell_nothing() -> None:
    jobs = (job(5), job(6))
    assert {c.confidence for c in heard(lead(5, NUMBER), lead(6, NUMBER), call=replace(OUTBOUND, windows=jobs))} == {
        "medium"
    }


@pytest.mark.parametrize(
    "unfit",
    [
        {"start": 60},
        {"processed_at": NOW - timedelta(minutes=1)},
        {"processed_at": NOW + timedelta(hours=3), "finished_at": NOW + timedelta(hours=4)},
        {"to_number": "+12125550123"},
        {"call_sid": None, "finished_at": NOW - timedelta(minutes=1), "processed_at": NOW - timedelta(minutes=2)},
    ],
)
def test_a_job_of_another_time_or_number_says_nothing(unfit: dict[str, Any]) -> None:
    assert heard(lead(5), call=replace(OUTBOUND, windows=(job(5, **unfit),))) == []


def test_nothing_that_comes_in_is_a_jobs() -> None:
    assert heard(lead(5), call=replace(CALL, windows=(job(5),))) == []


def test_a_name_puts_the_right_lead_of_a_shared_number_first_never_high() -> None:
    ann, bob = lead(1, NUMBER), replace(lead(2, NUMBER), name="Bob Stone")
    first, second = heard(ann, bob, call=spoken_to("Hello, this is Robert Stone."))
    assert (first.lead_id, first.confidence) == (2, "medium")
    assert kinds(first) == (["number_exact", "spoken_full_name"], ["number_shared"])
    assert first.evidence[1].source == "conversation_transcripts/101"
    assert (second.confidence, kinds(second)[1]) == ("low", ["number_shared", "other_name_spoken"])


def test_a_first_name_is_shared_by_relatives_and_strangers() -> None:
    perez, pereira = replace(lead(1, NUMBER), name="James Perez"), replace(lead(2, NUMBER), name="James Pereira")
    both = heard(perez, pereira, call=spoken_to("It's James here."))
    assert [c.confidence for c in both] == ["medium", "medium"]
    (alone,) = heard(replace(lead(3), name="James Perez"), perez, call=spoken_to("It's James here."))
    assert (alone.lead_id, alone.confidence) == (1, "high"), "a first name finds nobody"


@pytest.mark.parametrize("line", ["Hi, this is Tom Reed.", "It's Tom here.", "Hi, this is Ann Leigh-Carter."])
def test_another_name_makes_a_number_doubtful(line: str) -> None:
    (candidate,) = heard(lead(1, NUMBER), call=spoken_to(line))
    assert (candidate.confidence, kinds(candidate)[1]) == ("medium", ["other_name_spoken"])


@pytest.mark.parametrize("name", ["Acme Corp.", None, "Иван Петров"])
def test_what_is_no_persons_name_is_not_contradicted(name: str | None) -> None:
    (candidate,) = heard(replace(lead(1, NUMBER), name=name), call=spoken_to("Hi, this is Tom Reed."))
    assert candidate.confidence == "high"


def test_whoever_is_mentioned_is_nobody() -> None:
    tom = replace(lead(2), name="Tom Reed")
    (candidate,) = heard(lead(1, NUMBER), tom, call=spoken_to("By the way, Tom Reed gave me your number."))
    assert (candidate.lead_id, candidate.confidence) == (1, "high")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Hi, this is Ann Lee.", "spoken_full_name"),
        ("My email is ann@x.org.", "spoken_email"),
        ("You can reach me at 212 555 0123.", "spoken_number"),
    ],
)
def test_what_was_said_alone_is_medium_at_most(line: str, kind: str) -> None:
    ann = replace(lead(1, "(212) 555-0123"), email="Ann@x.org")
    (candidate,) = heard(ann, call=spoken_to(line, call=replace(CALL, from_number="anonymous")))
    assert (candidate.confidence, kinds(candidate)) == ("medium", ([kind], ["withheld"]))


def test_a_name_that_several_leads_have_is_less() -> None:
    call = spoken_to("Hi, this is Ann Lee.", call=replace(CALL, from_number=None))
    assert [(c.confidence, kinds(c)[1]) for c in heard(lead(1), lead(2), call=call)] == [("low", ["name_shared"])] * 2


def test_whoever_answers_the_lead_was_called() -> None:
    tom = replace(lead(2), name="Tom Reed")
    first, second = heard(lead(1, NUMBER), tom, call=spoken_to("Yes, this is Tom Reed.", call=OUTBOUND))
    assert [(c.lead_id, c.confidence) for c in (first, second)] == [(1, "medium"), (2, "low")]


def test_who_calls_from_anothers_telephone_says_who_they_are() -> None:
    tom = replace(lead(2), name="Tom Reed", email="tom@x.org")
    first, second = heard(lead(1, NUMBER), tom, call=spoken_to("This is Tom Reed, my email is tom@x.org."))
    assert [(c.lead_id, c.confidence) for c in (first, second)] == [(2, "medium"), (1, "low")]


def test_times_support_and_find_nobody() -> None:
    soon = replace(lead(1, NUMBER), created_at=NOW + timedelta(hours=1), last_contacted_at=NOW + timedelta(minutes=1))
    (candidate,) = heard(soon, replace(soon, id=2, phone=None), call=CALL)
    assert (candidate.confidence, kinds(candidate)) == (
        "high",
        (["number_exact", "contacted_near", "created_after"], []),
    )


def test_every_exception_is_a_doubt_that_there_is() -> None:
    assert evidence.AGAINST.keys() >= evidence.NO_DOUBT_OF_PROOF >= evidence.NO_DOUBT_OF_A_JOB
