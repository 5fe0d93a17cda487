"""Why a call is unlinked: every cause, their order, and their sentences."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import causes, counterpart, holders
from core.model.counterpart import CallFacts, EarlierLink
from core.model.records import Call, Lead

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS, NUMBER = "+14155550000", "+14155552671"
GONE = EarlierLink(99, 7, exists=False, removed_by_hand=False)
TAKEN = EarlierLink(3, 8, exists=True, removed_by_hand=True)


def lead(lead_id: int, phone: str | None, name: str | None = "Ann Lee") -> Lead:
    return Lead(lead_id, name, phone)


def decided(
    *leads: Lead,
    direction: str | None = "inbound",
    caller: str | None = NUMBER,
    called: str | None = OURS,
    by_hand: bool = False,
    mentions: tuple[int, ...] = (),
    earlier: tuple[EarlierLink, ...] = (),
) -> causes.Decision:
    facts = CallFacts("CA1", NOW, None, by_hand, direction, caller, called, mentions, earlier)
    other = counterpart.of(direction, caller, called, {OURS}, "US")
    having = holders.of(other.e164, leads, "US") if other.e164 else ()
    return causes.decide(facts, other, having)


STORED, WRITTEN = lead(1, NUMBER), lead(2, "(415) 555-2671")


def test_each_cause() -> None:
    assert decided(by_hand=True, earlier=(TAKEN,)) == causes.Decision("unlinked_by_hand", (3,))
    assert decided(by_hand=True) == causes.Decision("unlinked_by_hand")
    assert decided(mentions=(7,)) == causes.Decision("link_write_failed", (7,))
    assert decided(earlier=(GONE,)) == causes.Decision("lead_deleted", (99,))
    assert decided(caller=None, called=None) == causes.Decision("no_numbers")
    assert decided(caller="", called=OURS) == causes.Decision("no_numbers")
    assert decided(caller=OURS) == causes.Decision("own_numbers_only")
    assert decided(caller="anonymous") == causes.Decision("withheld_caller")
    assert decided(STORED, WRITTEN) == causes.Decision("several_leads", (1, 2))
    assert decided(STORED) == causes.Decision("missed_match", (1,))
    assert decided(WRITTEN) == causes.Decision("format_mismatch", (2,))
    assert decided(lead(4, "+12125550000")) == causes.Decision("no_matching_lead")
    assert decided() == causes.Decision("no_matching_lead")
    assert decided(caller="12345") == causes.Decision("no_matching_lead")
    assert decided(caller="client:alice") == causes.Decision("unknown")


# One set of facts in which every cause from the given one on is true, as far as they can be true together.
ORDER = [
    ("unlinked_by_hand", {"by_hand": True, "mentions": (7,), "earlier": (GONE,), "caller": None}),
    ("link_write_failed", {"mentions": (7,), "earlier": (GONE,), "caller": None}),
    ("lead_deleted", {"earlier": (GONE,), "caller": None}),
    ("lead_deleted", {"earlier": (GONE,), "caller": "anonymous"}),
    ("lead_deleted", {"earlier": (GONE,)}),
    ("no_numbers", {"caller": None}),
    ("own_numbers_only", {"caller": OURS}),
    ("withheld_caller", {"caller": "anonymous"}),
    ("several_leads", {}),
]


@pytest.mark.parametrize(("cause", "facts"), ORDER)
def test_the_first_that_is_true_is_the_cause(cause: str, facts: dict[str, object]) -> None:
    assert decided(STORED, WRITTEN, **facts).cause == cause  # type: ignore[arg-type]


def test_the_order_is_the_products() -> None:
    places = [causes.CAUSES.index(cause) for cause, _ in ORDER]  # type: ignore[arg-type]
    assert places == sorted(places)
    assert causes.CAUSES[0] == "pending"
    assert causes.CAUSES[-3:] == ("format_mismatch", "no_matching_lead", "unknown")


def test_notes_of_two_leads_prove_nothing() -> None:
    assert decided(STORED, mentions=(7, 8)).cause == "missed_match"


def test_our_own_number_is_never_matched_with_the_lead_that_stores_it() -> None:
    test_line = lead(5, OURS)
    assert decided(test_line, caller="+12125550123").cause == "no_matching_lead"
    assert decided(test_line, caller=OURS).cause == "own_numbers_only"
    assert decided(test_line, direction="outbound-api", caller=OURS, called=OURS).cause == "own_numbers_only"


def test_a_withheld_caller_is_never_matched() -> None:
    assert decided(lead(6, "anonymous"), lead(7, "+266696687"), caller="+266696687").cause == "withheld_caller"


def test_stored_exactly_so_means_character_for_character() -> None:
    assert decided(lead(1, NUMBER + " ")).cause == "format_mismatch"
    assert decided(lead(1, "14155552671")).cause == "format_mismatch"
    assert decided(lead(1, f"{NUMBER}, +12125550123")).cause == "format_mismatch"


def test_a_like_number_counts_only_when_nobody_has_the_number() -> None:
    other_country = lead(8, "+914155552671")
    assert decided(STORED, other_country) == causes.Decision("missed_match", (1,))
    assert decided(other_country) == causes.Decision("format_mismatch", (8,))


def test_at_most_five_leads_are_named() -> None:
    assert decided(*(lead(n, NUMBER) for n in range(1, 10))).leads == (1, 2, 3, 4, 5)


@given(st.integers(0, 7200), st.integers(0, 3600))
def test_pending_is_younger_than_the_grace_period(age: int, grace: int) -> None:
    assert causes.is_pending(NOW - timedelta(seconds=age), NOW, grace) is (age < grace)


def call(*cause_leads: int, **known: object) -> Call:
    shown = {"counterpart": NUMBER, "direction": "inbound", "from_number": NUMBER, "to_number": OURS, **known}
    return Call("CA1", "unlinked", NOW, cause_leads=cause_leads, **shown)  # type: ignore[arg-type]


LEADS = {
    1: STORED,
    2: WRITTEN,
    3: lead(3, "+914155552671", None),
    4: lead(4, " +14155552671 ", "Bo\n Öz"),
    5: lead(5, "415-555-2671 x9"),
}


@pytest.mark.parametrize(
    ("cause", "seen", "says"),
    [
        ("pending", call(), "It started within the grace period of 120 s: the backend may still link it."),
        ("unlinked_by_hand", call(1), "Somebody unlinked it from lead 1 (Ann Lee); automation leaves it alone."),
        ("unlinked_by_hand", call(), "It was unlinked by hand; automation leaves it alone."),
        (
            "link_write_failed",
            call(1),
            "The notes of lead 1 (Ann Lee) name this call, but the call is not linked to it.",
        ),
        ("lead_deleted", call(99), "It belonged to lead 99, which has been deleted."),
        (
            "no_numbers",
            call(from_number=None, to_number=None),
            "None of its rows carries a phone number; Twilio still has it.",
        ),
        ("no_numbers", call(from_number=""), "None of its rows carries the other party's number; Twilio still has it."),
        ("own_numbers_only", call(), "There is no number on it but our own."),
        ("withheld_caller", call(from_number="anonymous"), "The caller withheld the number."),
        ("withheld_caller", call(), "A person ruled that this number counts as withheld."),
        ("several_leads", call(1, 2), "Leads 1 (Ann Lee) and 2 (Ann Lee) have this number; a person has to choose."),
        (
            "several_leads",
            call(1, 3, 4),
            "Leads 1 (Ann Lee), 3 and 4 (Bo Öz) have this number; a person has to choose.",
        ),
        (
            "several_leads",
            call(3, 4, 1, 3, 3, candidate_count=9),
            "Leads 3, 4 (Bo Öz), 1 (Ann Lee), 3, 3 and others have this number; a person has to choose.",
        ),
        ("missed_match", call(1), "Lead 1 (Ann Lee) has exactly this number, yet the call was never linked."),
        ("format_mismatch", call(2), "Lead 2 (Ann Lee) has this number, written (415) 555-2671."),
        ("format_mismatch", call(5), "Lead 5 (Ann Lee) has this number, written 415-555-2671 x9."),
        ("format_mismatch", call(3), "Lead 3 has this number with another country code, written +914155552671."),
        (
            "format_mismatch",
            call(4),
            "Lead 4 (Bo Öz) has this number, written with blanks around it: “ +14155552671 ”.",
        ),
        ("format_mismatch", call(77), "Lead 77, which this was about, is gone meanwhile."),
        ("no_matching_lead", call(), "No lead has the number +1 415-555-2671."),
        ("no_matching_lead", call(counterpart=None, from_number="12345"), "No lead has the number 12345."),
        (
            "unknown",
            call(counterpart=None, from_number="client:al"),
            "The other party is “client:al”, which is no telephone number.",
        ),
        ("unknown", call(counterpart=None, from_number=None), "Nothing says why."),
    ],
)
def test_sentences(cause: str, seen: Call, says: str) -> None:
    assert causes.sentence(cause, seen, LEADS, "US", 120) == says


@given(st.sampled_from(causes.CAUSES), st.lists(st.integers(1, 9), max_size=5), st.sampled_from([NUMBER, None]))
def test_every_cause_has_a_sentence_whatever_became_of_its_leads(
    cause: str, named: list[int], number: str | None
) -> None:
    said = causes.sentence(cause, call(*named, counterpart=number), LEADS, "US")
    assert said.endswith(".")
    assert "\n" not in said
    assert "None " not in said.replace("None of", "")
