"""Whether a call is stuck: not final long after it must have ended. The rule of the view ``stuck_calls``. Pure."""

from datetime import datetime, timedelta

from core.linking.stages import FINAL
from core.model.records import parse_time
from core.store.gateway import Row

ENDED_FOR = timedelta(minutes=2)
"""After so long a call that ended (it has a length or a recording) should have its final status."""
LONGEST_CALL = timedelta(hours=4)
"""Twilio ends any call by then."""


def is_stuck(row: Row, now: datetime) -> bool:
    """Whether a call's row says that it must have ended, and its status does not.

    :param row: of the view ``call_links``.
    """
    started, status = parse_time(row.get("started_at")), str(row.get("status") or "").lower()
    if not status or status in FINAL or started is None or row.get("test"):
        return False
    return started < now - (ENDED_FOR if row.get("ended") else LONGEST_CALL)
