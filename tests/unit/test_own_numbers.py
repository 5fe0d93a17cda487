"""Which numbers are ours, as the data shows them."""

import random
from collections import Counter, defaultdict

import pytest

from core.linking import own_numbers
from core.linking.own_numbers import Seen
from core.settings import Settings

OURS, SECOND = "+14155550000", "+14155550001"


def customer(n: int) -> str:
    return f"+1212555{n:04d}"


def sample(calls: list[tuple[str | None, str, str]]) -> list[Seen]:
    """What ``own_number_sample`` makes of calls (direction, from, to)."""
    peers, ours, theirs = defaultdict(set), Counter(), Counter()
    for direction, caller, called in calls:
        outbound = (direction or "outbound").startswith("outbound")
        own, other = (caller, called) if outbound else (called, caller)
        ours[own] += 1
        theirs[other] += 1
        peers[own].add(other)
    return [Seen(n, ours[n], theirs[n], len(peers[n]), tuple(sorted(peers[n])[:5])) for n in ours]


def deduced(calls: list[tuple[str | None, str, str]], *given: str) -> set[str]:
    return set(own_numbers.deduce(sample(calls), given, "US"))


def test_the_number_that_speaks_with_many_is_ours() -> None:
    calls = [("outbound-api", OURS, customer(n)) for n in range(40)]
    calls += [("inbound", customer(n), OURS) for n in range(20)]
    calls += [("inbound", customer(n), SECOND) for n in range(5)]
    assert deduced(calls) == {OURS, SECOND}


def test_two_rows_are_enough() -> None:
    assert deduced([("outbound-api", OURS, customer(1)), ("inbound", customer(2), OURS)]) == {OURS}
    assert deduced([("outbound-api", OURS, customer(1))]) == {OURS}
    assert deduced([]) == set()


def test_an_outbound_call_whose_rows_say_inbound_does_not_make_a_customer_ours() -> None:
    assert deduced([("outbound-api", OURS, customer(1)), ("inbound", OURS, customer(2))]) == {OURS}
    calls = [("outbound-api", OURS, customer(n)) for n in range(40)]
    calls += [("inbound", OURS, customer(n)) for n in range(30, 60)]  # half of all rows are wrong
    assert deduced(calls) == {OURS}


def test_a_customer_misdirected_from_both_of_our_numbers_is_not_ours() -> None:
    calls = [("outbound-api", OURS, customer(n)) for n in range(20)]
    calls += [("inbound", customer(n), SECOND) for n in range(20)]
    calls += [("inbound", OURS, customer(7)), ("inbound", SECOND, customer(7))]
    assert deduced(calls) == {OURS, SECOND}


def test_a_forwarded_call_does_not_make_the_caller_ours() -> None:
    calls = [("outbound-api", OURS, customer(n)) for n in range(20)]
    calls += [("inbound", customer(3), OURS), ("outbound-dial", customer(3), "+13125550199")]
    assert deduced(calls) == {OURS}


def test_calls_between_our_own_numbers_do_not_confuse() -> None:
    calls = [("outbound-api", OURS, customer(n)) for n in range(20)]
    calls += [("inbound", customer(n), SECOND) for n in range(6)]
    calls += [("outbound-api", OURS, SECOND)] * 9 + [("inbound", OURS, SECOND)] * 9
    assert deduced(calls) == {OURS, SECOND}


def test_without_directions_the_one_that_speaks_with_many_is_ours() -> None:
    calls: list[tuple[str | None, str, str]] = [(None, OURS, customer(n)) for n in range(12)]
    calls += [(None, customer(n), OURS) for n in range(30)]
    assert deduced(calls) == {OURS}
    assert deduced([(None, OURS, customer(1)), (None, OURS, customer(2))]) == {OURS}


def test_what_the_settings_name_is_known_already() -> None:
    calls = [("outbound-api", OURS, customer(1)), ("inbound", OURS, customer(2)), ("inbound", customer(1), SECOND)]
    assert deduced(calls, OURS) == {SECOND}


def test_withheld_callers_and_clients_are_nobodys_number() -> None:
    assert deduced([("outbound-api", "client:alice", customer(1)), ("outbound-api", "anonymous", customer(2))]) == set()


@pytest.mark.parametrize("seed", range(20))
def test_a_tenth_of_wrong_directions_never_costs_a_customer(seed: int) -> None:
    rng = random.Random(seed)
    calls: list[tuple[str | None, str, str]] = []
    for _ in range(rng.choice([3, 30, 300])):
        ours, other = rng.choice([OURS, OURS, OURS, SECOND]), customer(rng.randrange(200))
        outbound = rng.random() < 0.7
        said = outbound if rng.random() > 0.1 else not outbound
        calls.append(("outbound-api" if said else "inbound", *((ours, other) if outbound else (other, ours))))
    # With almost nothing to go by a lone wrong row can mislead; named in the settings it cannot.
    given = (OURS, SECOND)
    assert deduced(calls, *given) == set()
    if len(calls) >= 30:
        assert deduced(calls) <= {OURS, SECOND}
        assert OURS in deduced(calls)


def test_own_numbers_of_the_settings_in_any_writing() -> None:
    settings = Settings.load(env={"TWILIO_PHONE_NUMBER": "(415) 555-0000", "OWN_NUMBERS": "+1 415 555 0001, nonsense"})
    assert own_numbers.configured(settings) == {OURS, SECOND}
