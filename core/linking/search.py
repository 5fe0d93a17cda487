"""Global search: one text, the calls and leads that it may mean. Bounded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.linking import fields, lookup
from core.linking.lead_book import LeadHit
from core.model import call_sid as sids
from core.model.records import Call
from core.store.gateway import Gateway

MOST_HITS = 50
_PART = re.compile(r"[0-9A-Za-z_….-]{3,50}")


@dataclass(frozen=True, slots=True)
class Hits:
    """What a text may mean, the likeliest kind first within each.

    :ivar calls: newest first; ``more_calls`` when there are others.
    :ivar leads: an exact id first, then the last contacted; ``more_leads`` when there are others.
    """

    text: str
    calls: tuple[Call, ...] = ()
    leads: tuple[LeadHit, ...] = ()
    more_calls: bool = False
    more_leads: bool = False

    def to_json(self) -> dict[str, Any]:
        """As scripts get it."""
        shown = [
            {"call_sid": c.call_sid, "state": c.state, "lead_id": c.lead_id, "counterpart": c.counterpart}
            for c in self.calls
        ]
        leads = [lead.to_json() for lead in self.leads]
        return {"text": self.text, "calls": shown, "leads": leads, "more": self.more_calls or self.more_leads}


def find(gateway: Gateway, text: object, region: str, *, limit: object = 8) -> Hits:
    """Hits of a text; see :meth:`core.linking.Linking.search`."""
    wanted = fields.lookup_text(text)
    size = fields.whole("limit", limit, 1, MOST_HITS)
    named = sids.find(wanted)[: lookup.MOST_SIDS]
    calls = _named(gateway, named, size) if named else _calls(gateway, wanted, region, size)
    leads = () if named or len(wanted) > fields.TEXT_LENGTH else _leads(gateway, wanted, size)
    return Hits(wanted, tuple(calls[:size]), tuple(leads[:size]), len(calls) > size, len(leads) > size)


def _named(gateway: Gateway, named: Sequence[str], size: int) -> list[Call]:
    found: dict[str, Call] = {}
    for sid in named:
        for row in gateway.select("find_calls", args={"p_text": sid, "p_limit": size + 1}):
            found.setdefault(row["call_sid"], Call.from_row(row))
    return list(found.values())


def _calls(gateway: Gateway, wanted: str, region: str, size: int) -> list[Call]:
    rows = lookup.by_number(gateway, wanted, region)
    if not rows and _PART.fullmatch(wanted) and (wanted.isascii() or "…" in wanted):
        rows = gateway.select("find_calls", args={"p_text": wanted, "p_limit": size + 1})
    return [Call.from_row(row) for row in rows]


def _leads(gateway: Gateway, wanted: str, size: int) -> Sequence[LeadHit]:
    rows = gateway.select("find_leads", args={"p_text": wanted, "p_limit": size + 1, "p_offset": 0})
    return [LeadHit.from_row(row) for row in rows]
