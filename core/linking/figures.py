"""Counts: the Overview page's figures and the trend."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from core.errors import BadInput
from core.linking import conflicts, fields
from core.store.gateway import Gateway, Row

LONGEST_TREND = 3660
"""Days: ten years."""
NO_CALLS = {"current": 0, "history": 0, "unlinked": 0, "set_aside": 0}


def overview(gateway: Gateway, grace_seconds: int) -> dict[str, Any]:
    """The contract's ``overview``, with ``conflicts_by_kind`` added."""
    figures: dict[str, Any] = gateway.call("patchbay_overview", p_grace_seconds=grace_seconds)
    by_kind = conflicts.count(gateway)
    views: dict[str, int] = gateway.call("worklist_counts")
    return {**figures, **views, "conflicts": sum(by_kind.values()), "conflicts_by_kind": by_kind}


def per_day(gateway: Gateway, days: int, zone: str, now: datetime) -> list[Row]:
    """Calls per calendar day in a time zone, oldest first, the last one being today.

    :param days: 1 to 3660.
    :param zone: IANA time zone.
    :raises BadInput: for an unknown zone or a number of days out of bounds.
    """
    wanted = fields.whole("days", days, 1, LONGEST_TREND)
    if zone not in available_timezones():
        raise BadInput(f"zone is {fields.shown(zone)}: expected an IANA time zone such as Europe/Berlin.")
    midnight = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    begin, end = midnight - timedelta(days=wanted - 1), midnight + timedelta(days=1)
    args = {"p_from": begin.isoformat(), "p_to": end.isoformat(), "p_zone": zone}
    found = {row["day"]: row for row in gateway.select("calls_per_day", args=args)}
    listed = [(midnight - timedelta(days=back)).date().isoformat() for back in range(wanted - 1, -1, -1)]
    return [found.get(day) or {"day": day, **NO_CALLS} for day in listed]
