"""Calls in progress are the same on every way into the database."""

import uuid
from datetime import UTC, datetime

from core.inbound import StatusCallback, save_callback, save_line
from core.linking import Linking
from core.settings import Settings
from core.store.gateway import Gateway


def test_a_call_in_progress_grows_and_ends(gateway: Gateway) -> None:
    linking, call_sid = Linking(gateway, Settings()), f"CA{uuid.uuid4().hex}"
    said = StatusCallback(call_sid, "in-progress", "inbound", "+14155550101", "+14155550142", at=datetime.now(UTC))
    save_callback(gateway, said)
    found = linking.live_call(call_sid)
    assert found is not None and found.answered_at is not None and found.lines == ()
    save_line(gateway, call_sid, "user", "Hello there", datetime.now(UTC), "m1")
    grown = linking.live_call(call_sid)
    assert grown is not None and [line.content for line in grown.lines] == ["Hello there"]
    assert grown.mark != found.mark
    assert call_sid in [call.call.call_sid for call in linking.live(100).calls]
    save_callback(gateway, StatusCallback(call_sid, "completed", seconds=3))
    assert linking.live_call(call_sid) is None
