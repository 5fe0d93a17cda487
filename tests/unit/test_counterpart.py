"""Who is at the other end of a call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import counterpart

OURS, SECOND = "+14155550000", "+14155550001"
LEAD, OTHER = "+12125550123", "+12125550124"
OWN = frozenset({OURS, SECOND})


@pytest.mark.parametrize(
    ("direction", "caller", "called", "standing", "e164"),
    [
        # outbound -> to, inbound -> from
        ("outbound-api", OURS, LEAD, "known", LEAD),
        ("outbound-dial", OURS, LEAD, "known", LEAD),
        ("OUTBOUND-API", OURS, LEAD, "known", LEAD),
        ("inbound", LEAD, OURS, "known", LEAD),
        ("inbound", "(212) 555-0123", OURS, "known", LEAD),
        # our numbers are not known: the direction is all there is
        ("outbound-api", OTHER, LEAD, "known", LEAD),
        ("inbound", LEAD, OTHER, "known", LEAD),
        # the direction contradicts our numbers
        ("inbound", OURS, LEAD, "known", LEAD),
        ("outbound-api", LEAD, OURS, "known", LEAD),
        ("outbound-api", "anonymous", OURS, "withheld", None),
        # no direction
        (None, OURS, LEAD, "known", LEAD),
        (None, LEAD, OURS, "known", LEAD),
        ("", LEAD, SECOND, "known", LEAD),
        (None, OTHER, LEAD, "known", LEAD),  # the guide's own linking looks at to_number
        (None, LEAD, None, "known", LEAD),
        (None, None, LEAD, "known", LEAD),
        (None, "anonymous", OTHER, "withheld", None),
        ("trunk-terminating", OURS, LEAD, "known", LEAD),
        # never one of our own
        ("outbound-api", OURS, SECOND, "ours", None),
        ("inbound", OURS, SECOND, "ours", None),
        (None, OURS, OURS, "ours", None),
        ("inbound", OURS, None, "ours", None),
        # nothing to go by
        ("outbound-api", None, None, "missing", None),
        ("outbound-api", OURS, "  ", "missing", None),
        ("inbound", None, OURS, "missing", None),
        (None, None, None, "missing", None),
        ("inbound", "Restricted", OURS, "withheld", None),
        ("inbound", "+266696687", OURS, "withheld", None),
        # no telephone
        ("outbound-api", OURS, "client:alice", "unreadable", None),
        ("inbound", "sip:bob@example.com", OURS, "unreadable", None),
        ("inbound", "sip:+12125550123@example.com", OURS, "known", LEAD),
        ("inbound", "12345", OURS, "known", None),
        ("inbound", "hello", OURS, "unreadable", None),
        ("outbound-api", OURS, "+1234567890", "known", "+1234567890"),
    ],
)
def test_counterpart(
    direction: str | None, caller: str | None, called: str | None, standing: str, e164: str | None
) -> None:
    other = counterpart.of(direction, caller, called, OWN, "US")
    assert (other.standing, other.e164) == (standing, e164)
    assert other.key == (None if e164 is None else e164[-7:])


sides = st.sampled_from([OURS, SECOND, LEAD, OTHER, "(212) 555-0123", "anonymous", "client:alice", "12345", "", None])


@given(st.sampled_from(["inbound", "outbound-api", "outbound-dial", None, "?"]), sides, sides)
def test_the_counterpart_is_never_one_of_our_own(direction: str | None, caller: str | None, called: str | None) -> None:
    other = counterpart.of(direction, caller, called, OWN, "US")
    assert other.e164 not in OWN
    numbers = {counterpart.of("inbound", side, None, frozenset(), "US").e164 for side in (caller, called)}
    assert other.e164 is None or other.e164 in numbers


def test_facts_come_from_the_judges_rows() -> None:
    row = {
        "call_sid": "CA1", "started_at": "2026-01-02T03:04:05+00:00", "lead_id": None, "by_hand": True,
        "direction": "inbound", "from_number": LEAD, "to_number": OURS, "mentions": [3, 4],
        "earlier_leads": [{"lead_id": 5, "event_id": 9, "exists": False, "removed_by_hand": False, "at": "…"}],
    }  # fmt: skip
    facts = counterpart.CallFacts.from_row(row)
    assert facts.mentions == (3, 4)
    assert facts.earlier == (counterpart.EarlierLink(5, 9, exists=False, removed_by_hand=False),)
    assert facts.started_at.utcoffset() is not None
    with pytest.raises(ValueError, match="started_at"):
        counterpart.CallFacts.from_row({**row, "started_at": None})
