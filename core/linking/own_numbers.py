"""Our own numbers: those of the settings, and those that the data shows.

A number that stands on our side of calls (From of outbound, To of inbound) is ours. Directions are wrong now and then:
a row that says 'inbound' for a call that we made puts a customer's number on our side. Such a number spoke with nobody
but ourselves, while one of ours speaks with many; so numbers are taken in the order of how many others they spoke with,
and one whose every other side is ours already is none of ours. Calls without a direction are read as outbound, the
direction of the guide's smallest table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.model import phone
from core.settings import Settings
from core.store.gateway import AnyOf, Gateway, Where

SAMPLED_CALLS = 20_000
"""The newest calls, enough to see every number that is in use."""
MUCH_DATA = 10
"""From so many other sides of the busiest number on, there is enough data to ask more of a number."""
ENOUGH_PEERS = 3
"""What is asked of it then: so many other sides. A forwarded call shows a customer's number on our side."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a number stands in the data.

    :ivar own_calls: calls with it on our side.
    :ivar other_calls: calls with it on the other side.
    :ivar own_peers: distinct other sides in ``own_calls``.
    :ivar peer_sample: up to 5 of those.
    """

    number: str
    own_calls: int
    other_calls: int
    own_peers: int
    peer_sample: tuple[str, ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Seen":
        """An item of the SQL function ``own_number_sample``."""
        return cls(
            row["number"], row["own_calls"], row["other_calls"], row["own_peers"], tuple(row["own_peer_sample"] or ())
        )


def configured(settings: Settings) -> frozenset[str]:
    """The own numbers of the settings in E.164; what is no number there is left out."""
    numbers = (phone.normalise(given, settings.default_region).e164 for given in settings.own_numbers)
    return frozenset(number for number in numbers if number is not None)


def known(gateway: Gateway, settings: Settings) -> frozenset[str]:
    """Our own numbers in E.164: of the settings, as noted from the data unless a person denied one, and by a rule."""
    rows = gateway.select("own_numbers", columns=("number", "confirmed"))
    noted = {row["number"] for row in rows if row["confirmed"] is not False}
    return configured(settings) | noted | _ruled(gateway)


def _ruled(gateway: Gateway) -> frozenset[str]:
    """The numbers of which a person ruled that they are ours (:mod:`core.linking.number_rules`)."""
    unexpired = AnyOf(((Where("expires_at", "is_null"),), (Where("expires_at", "gt", datetime.now(UTC).isoformat()),)))
    where = (Where("verdict", "eq", "own"), Where("ended_at", "is_null"), unexpired)
    rows = gateway.select("number_rules", columns=("number",), where=where)
    return frozenset(row["number"] for row in rows)


def deduce(seen: Sequence[Seen], given: Iterable[str], region: str) -> dict[str, int]:
    """The own numbers that the data shows, with the number of calls each was seen in on our side.

    :param given: numbers that are known to be ours (E.164); they are not among the result.
    :param region: ISO 3166 region in which a number without country code is read.
    """
    ours = set(given)
    shown: dict[str, int] = {}
    busiest = max((number.own_peers for number in seen), default=0)
    for number in sorted(seen, key=lambda s: (-s.own_peers, -(s.own_calls + s.other_calls), s.number)):
        e164 = phone.normalise(number.number, region).e164
        if e164 is None or e164 in ours or not _looks_own(number, ours, busiest, region):
            continue
        ours.add(e164)
        shown[e164] = number.own_calls
    return shown


def refresh(gateway: Gateway, settings: Settings) -> frozenset[str]:
    """Look at the data anew, note what it shows, and return all our own numbers in E.164."""
    given = configured(settings)
    seen = [Seen.from_row(row) for row in gateway.call("own_number_sample", p_limit=SAMPLED_CALLS)]
    shown = deduce(seen, given, settings.default_region)
    counts = {phone.normalise(s.number, settings.default_region).e164: s.own_calls for s in seen}
    noted = [{"number": n, "source": "settings", "calls": counts.get(n, 0)} for n in sorted(given)]
    noted += [{"number": n, "source": "data", "calls": shown[n]} for n in sorted(shown)]
    gateway.call("note_own_numbers", p_numbers=noted, p_replace=True)
    return known(gateway, settings)


def _looks_own(number: Seen, ours: set[str], busiest: int, region: str) -> bool:
    peers = {phone.normalise(peer, region).e164 or peer for peer in number.peer_sample}
    if number.own_peers <= len(ours) + 1 and peers <= ours:
        return False  # it spoke with nobody but ourselves: a customer in a row that has the direction wrong
    if busiest < MUCH_DATA:
        return True
    if number.own_peers >= MUCH_DATA:
        return True
    return number.own_peers >= ENOUGH_PEERS and number.own_calls > number.other_calls
