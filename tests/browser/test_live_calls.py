"""Whole calls through one running server: Twilio calls, words are saved, the lead is found, and a person sees it live.

Twilio is a local stand-in that signs its requests, its media stream is streamdouble, OpenAI a stand-in that checks
every event. Everything else is the server as people start it.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect
from streamdouble import protocol
from streamdouble.session import Session, SessionConfig, SessionResult
from twilio.request_validator import RequestValidator

from core.app import App
from tests.browser.conftest import OpenPage, Server, idle, shown
from tests.inbound.realtime import LOUD, SILENT, Realtime, realtime
from tests.telephony.twilio_server import ACCOUNT, OURS, TOKEN, LocalTwilio
from tests.ui.conftest import ANA, CLEO

CLEOS, ANAS = "+14155550103", "+14155550101"
SID = "CA" + "e7" * 16
PASSWORD = "correct horse 17"
TURN = [LOUD] * 25 + [SILENT] * 40
LASTING = [SILENT] * 200 + TURN + [SILENT] * 700
"""One turn after four seconds, and fourteen in which the caller only listens."""
SEEN_SECONDS = 3.0


@pytest.fixture
def openai() -> Iterator[Realtime]:
    with realtime() as peer:
        yield peer


@pytest.fixture
def twilio() -> Iterator[LocalTwilio]:
    running = LocalTwilio()
    yield running
    running.close()


@pytest.fixture
def server(
    world: App, db: str, serve: Callable[..., Server], openai: Realtime, twilio: LocalTwilio, tmp_path: Path
) -> Server:
    """The console with everything set that calls need."""
    world.access.accounts.add("Ana", "operator", PASSWORD)
    return serve(
        db,
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_PHONE_NUMBER=OURS,
        TWILIO_API_BASE_URL=twilio.url,
        PUBLIC_URL="{url}",
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=openai.url,
        PATCHBAY_DATA_DIR=str(tmp_path / "data"),
        REDIS_URL="",
    )


def signed_in(server: Server, open_page: OpenPage, path: str) -> Page:
    page = open_page(server, path, signed_in=False)
    page.get_by_label("Name").fill("Ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    idle(page)
    return page


def post(url: str, form: dict[str, str]) -> httpx.Response:
    """What Twilio sends, with its signature."""
    signature = RequestValidator(TOKEN).compute_signature(url, form)
    kind = "application/x-www-form-urlencoded"
    headers = {"X-Twilio-Signature": signature, "Content-Type": kind}
    return httpx.post(url, content=urlencode(form), headers=headers, timeout=30)


class Speaking:
    """Twilio's media stream of a call, as its TwiML says, beside the test."""

    def __init__(self, twiml: str, call_sid: str) -> None:
        stream = ElementTree.fromstring(twiml).find("./Connect/Stream")  # noqa: S314 - our own server's answer
        assert stream is not None, twiml
        given = {each.attrib["name"]: each.attrib["value"] for each in stream.findall("Parameter")}
        config = SessionConfig(custom_parameters=given, quiet_period_s=0.3, response_timeout_s=5)
        self._session = Session(
            stream.attrib["url"], LASTING, config=config, identity=protocol.StreamIdentity(call_sid=call_sid)
        )
        self.result: SessionResult | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.result = asyncio.run(self._session.run())

    def end(self) -> None:
        self._thread.join(60)
        assert self.result is not None and self.result.violations == []


def said(connection: psycopg.Connection[Any], call_sid: str, words: str) -> None:
    """Wait until these words are saved."""
    query = "select 1 from conversation_transcripts where call_sid = %s and content = %s"
    end = time.monotonic() + 20
    while not connection.execute(query, (call_sid, words)).fetchone():
        assert time.monotonic() < end, f"{words!r} was not saved"
        time.sleep(0.02)


def is_seen(page: Page, place: str, words: str) -> None:
    """The words are on the page within three seconds."""
    expect(page.locator(place)).to_contain_text(words, timeout=SEEN_SECONDS * 1000)


def test_an_inbound_call_is_seen_live_and_ends_linked(
    server: Server, open_page: OpenPage, connection: psycopg.Connection[Any], openai: Realtime
) -> None:
    page = signed_in(server, open_page, "/overview")
    form = {"CallSid": SID, "AccountSid": ACCOUNT, "Direction": "inbound", "From": CLEOS, "To": OURS}
    twiml = post(f"{server.url}/media-stream-twiml", {**form, "CallStatus": "ringing"})
    post(f"{server.url}/call-events", {**form, "CallStatus": "in-progress", "SequenceNumber": "1"})
    is_seen(page, ".st-key-live_strip", "1 call in progress")
    speaking = Speaking(twiml.text, SID)
    said(connection, SID, "Assistant reply 1")
    is_seen(page, ".st-key-live_strip", "Assistant reply 1")
    said(connection, SID, "User said 1")
    is_seen(page, ".st-key-live_strip", "User said 1")
    expect(page.locator(".st-key-live_strip")).to_contain_text("Lead 3", timeout=8000)
    expect(page.locator(".st-key-live_strip")).to_contain_text("linked automatically")

    page.locator(".st-key-live_strip a").first.click()
    expect(page.get_by_text("Live ·")).to_be_visible(timeout=10_000)
    expect(page.get_by_label("Transcript", exact=True)).to_contain_text("User said 1")
    speaking.end()
    ended = {**form, "CallStatus": "completed", "CallDuration": "21", "Duration": "1", "SequenceNumber": "2"}
    assert post(f"{server.url}/call-events", ended).status_code == 200
    expect(page.get_by_text("Live ·")).to_have_count(0, timeout=6000)
    idle(page)
    expect(shown(page, f"Linked to lead {CLEO} · current call")).to_be_visible()
    expect(page.get_by_label("Transcript", exact=True).get_by_role("listitem")).to_have_count(2)
    slot = connection.execute("select call_sid from leads where id = %s", (CLEO,)).fetchone()
    assert slot == (SID,)
    assert openai.complaints == []


def test_a_scheduled_call_is_dialled_spoken_seen_live_and_becomes_current(
    world: App,
    server: Server,
    open_page: OpenPage,
    connection: psycopg.Connection[Any],
    openai: Realtime,
    twilio: LocalTwilio,
) -> None:
    token, _ = world.access.tokens.add("a script", "operator")
    body = {"to": ANAS, "lead_id": ANA, "speakFirst": True, "initialMessage": "Good morning from Kestrel"}
    headers = {"Authorization": f"Bearer {token}"}
    page = signed_in(server, open_page, "/overview")
    answer = httpx.post(f"{server.url}/api/queue/schedule-call", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200 and answer.json()["success"]
    end = time.monotonic() + 40
    while not twilio.state.options and time.monotonic() < end:
        time.sleep(0.05)
    ((call_sid, options),) = twilio.state.options.items()
    for status in ("initiated", "ringing", "in-progress"):
        twilio.say(call_sid, status)
    form = {"CallSid": call_sid, "AccountSid": ACCOUNT, "Direction": "outbound-api", "From": OURS, "To": ANAS}
    twiml = post(options["Url"][0], {**form, "CallStatus": "in-progress"})
    speaking = Speaking(twiml.text, call_sid)
    said(connection, call_sid, "Hello, this is Patchbay.")
    is_seen(page, ".st-key-live_strip", "Hello, this is Patchbay.")
    expect(page.locator(".st-key-live_strip")).to_contain_text(f"Lead {ANA}")
    page.goto(f"/lookup?q={call_sid}")
    idle(page)
    said(connection, call_sid, "User said 1")
    expect(page.get_by_label("Transcript", exact=True)).to_contain_text("User said 1", timeout=SEEN_SECONDS * 1000)
    speaking.end()
    twilio.say(call_sid, "completed", duration=20)
    expect(page.get_by_text("Live ·")).to_have_count(0, timeout=6000)
    expect(shown(page, re.compile(f"Linked to lead {ANA} · current call"))).to_be_visible()
    expect(page.get_by_label("Stages of the call")).to_contain_text("Twilio reported completed, 20s.")
    assert "Good morning from Kestrel" in openai.of("response.create")[0]["response"]["instructions"]
    assert len(twilio.state.options) == 1
    assert {callback.status for callback in twilio.state.callbacks} == {200}
