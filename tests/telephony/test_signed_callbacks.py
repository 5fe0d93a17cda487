"""A call's whole life at the local Twilio: its signed callbacks, saved, say the same as Twilio does."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import psycopg
import pytest
from twilio.request_validator import RequestValidator

from core.app import App, build
from core.http import telephony_upkeep
from core.inbound import StatusCallback, save_callback
from core.settings import Settings
from tests.telephony.twilio_server import ACCOUNT, OURS, TOKEN, LocalTwilio

THEIRS = "+14155550123"


class Listener:
    """Takes callbacks as a server behind PUBLIC_URL would: by their signature only."""

    def __init__(self) -> None:
        self.app: App | None = None
        self.refused = 0
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                signature = self.headers.get("X-Twilio-Signature", "")
                status = 200
                if RequestValidator(TOKEN).validate(listener.url + self.path, form, signature):
                    attempt = parse_qs(urlsplit(self.path).query).get("attempt", [None])[0]
                    assert listener.app is not None
                    save_callback(listener.app.gateway, StatusCallback.from_form(form, attempt))
                else:
                    listener.refused, status = listener.refused + 1, 403
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


@pytest.fixture
def calling(db: str, checked: str, listener: Listener) -> Iterator[App]:
    env = {
        "DATABASE_URL": db,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_PHONE_NUMBER": OURS,
        "TWILIO_API_BASE_URL": checked,
        "TEST_CALL_ALLOWLIST": THEIRS,
        "PUBLIC_URL": listener.url,
    }
    app = build(Settings.load(env=env))
    listener.app = app
    yield app
    app.close()


def test_a_call_lives(
    calling: App, twilio: LocalTwilio, listener: Listener, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("insert into leads (id, phone) values (1, '+14155550123')")
    call = calling.test_calls.place(THEIRS, 1, "direct", "click")
    assert call.call_sid
    for status in ("initiated", "ringing", "in-progress"):
        assert twilio.say(call.call_sid, status).status == 200  # type: ignore[union-attr]
    last = twilio.say(call.call_sid, "completed", duration=75)
    assert last is not None and last.status == 200 and listener.refused == 0
    row = connection.execute(
        "select call_status, direction, from_number, to_number, call_duration, duration from call_events"
    ).fetchall()
    assert row == [("completed", "outbound-api", OURS, THEIRS, 75, 2)]
    known = calling.telephony.carrier().fetch(call.call_sid)
    assert known is not None and (known.status, known.duration) == ("completed", 75)
    assert calling.repair.preview(call.call_sid).differences == ()
    found = {stage.stage: stage.state for stage in calling.test_calls.watch(call.id).stages}
    assert found == {
        "queued": "skipped", "dialled": "green", "ringing": "green", "answered": "green", "event_row": "green",
        "transcript": "red", "linked": "green",
    }  # fmt: skip


def test_a_callback_settles_a_call_whose_answer_was_lost(
    calling: App, twilio: LocalTwilio, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("insert into leads (id, phone) values (1, '+14155550123')")
    twilio.fault("drop_after")
    call = calling.test_calls.place(THEIRS, 1, "direct", "click")
    assert call.state == "unknown" and call.call_sid is None
    assert calling.test_calls.place(THEIRS, 1, "direct", "click").id == call.id
    (sid,) = twilio.state.calls  # the same click dialled nobody again
    twilio.say(sid, "initiated")
    assert calling.test_calls.get(call.id).call_sid == sid
    assert calling.linking.call(sid).lead_id == 1


def test_the_server_gives_leads_back_and_reads_the_numbers(
    calling: App, twilio: LocalTwilio, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("insert into leads (id, phone) values (1, '+14155550123')")
    call = calling.test_calls.place(THEIRS, 1, "direct", "click")
    assert call.call_sid
    twilio.say(call.call_sid, "busy")
    monkeypatch.setattr(telephony_upkeep.application, "shared", lambda: calling)
    upkeep = telephony_upkeep.TelephonyUpkeep(pause=0.02)
    upkeep.start()
    for _ in range(200):
        if calling.test_calls.get(call.id).restored_at and "answered at" in calling.telephony.check().detail:
            break
        threading.Event().wait(0.05)
    upkeep.stop()
    assert connection.execute("select call_sid, lead_status from leads").fetchone() == (None, "new")
    assert calling.telephony.check().detail.endswith("has 1 number.")
