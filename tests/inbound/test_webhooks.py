"""Callbacks and TwiML over real HTTP, with Twilio's signature and without."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.inbound.conftest import OWN, SID, THEIRS, Starting, form

PUBLIC = "https://calls.example.com"


def test_a_signed_callback_is_saved(serve: Starting) -> None:
    twilio = serve()
    assert twilio.post("/call-events", form(CallDuration="31")).status_code == 200
    assert twilio.rows("call_sid, call_status, from_number, to_number, call_duration") == [
        (SID, "completed", THEIRS, OWN, 31)
    ]


@pytest.mark.parametrize("token", [None, "0" * 32])
def test_what_twilio_did_not_sign_is_refused(serve: Starting, token: str | None) -> None:
    twilio = serve()
    for path in ("/call-events", "/recording-status", "/media-stream-twiml"):
        assert twilio.post(path, form(), token=token).status_code == 403
    assert twilio.get("/media-stream-twiml", token=token).status_code == 403
    assert twilio.rows("call_sid") == []


def test_a_changed_form_is_refused(serve: Starting) -> None:
    twilio = serve()
    good = twilio.post("/call-events", form()).request.headers["X-Twilio-Signature"]
    forged = twilio.post("/call-events", form(From="+15550000000"), token=None, **{"X-Twilio-Signature": good})
    assert forged.status_code == 403


def test_without_a_secret_nothing_is_taken(serve: Starting) -> None:
    twilio = serve(TWILIO_AUTH_TOKEN="")
    assert twilio.post("/call-events", form()).status_code == 403


def test_behind_a_proxy_the_public_address_is_signed(serve: Starting) -> None:
    twilio = serve(PUBLIC_URL=PUBLIC)
    via = {"Host": "calls.example.com", "X-Forwarded-For": "54.172.60.1", "X-Forwarded-Proto": "https"}
    assert twilio.post("/call-events?attempt=a-1", form(), **via).status_code == 200
    assert twilio.post("/call-events", form(), Host="10.0.0.7", **{"X-Forwarded-For": "1.2.3.4"}).status_code == 200
    assert [row[0] for row in twilio.rows("call_sid")] == [SID]


def test_repeated_and_disordered_callbacks_make_one_right_row(serve: Starting) -> None:
    twilio = serve()
    said = [
        form(status=status, SequenceNumber=str(n)) for n, status in enumerate(("initiated", "ringing", "in-progress"))
    ]
    said.append(form(CallDuration="12", SequenceNumber="3"))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda fields: twilio.post("/call-events", fields).status_code, [*reversed(said)] * 3))
    assert set(answers) == {200}
    assert twilio.rows("call_status, call_duration, from_number") == [("completed", 12, THEIRS)]


def test_a_recording_leaves_the_call_its_status_and_duration(serve: Starting) -> None:
    twilio = serve()
    twilio.post("/call-events", form(CallDuration="31"))
    recording = {
        "CallSid": SID,
        "RecordingSid": "RE1",
        "RecordingUrl": "https://api.example/RE1",
        "RecordingDuration": "29",
    }
    assert twilio.post("/recording-status", recording).status_code == 200
    assert twilio.rows("call_status, call_duration, recording_sid") == [("completed", 31, "RE1")]


def test_a_callback_without_a_call_is_named(serve: Starting) -> None:
    twilio = serve()
    answer = twilio.post("/call-events", {"CallStatus": "completed"})
    assert (answer.status_code, "CallSid" in answer.text) == (400, True)


@pytest.mark.parametrize("variant", [SID.lower(), SID.upper(), f" {SID} "])
def test_a_variant_of_a_sid_is_the_same_call(serve: Starting, variant: str) -> None:
    twilio = serve()
    twilio.post("/call-events", form(status="ringing"))
    assert twilio.post("/call-events", form(variant)).status_code == 200
    assert twilio.rows("call_sid, call_status") == [(SID, "completed")]


def test_hostile_forms_are_refused(serve: Starting) -> None:
    twilio = serve()

    def endless() -> Iterator[bytes]:
        yield b"CallSid=CA"
        for _ in range(500):
            yield b"1" * 10_000

    def answer(content: Any, **headers: str) -> int:
        try:
            with httpx.Client(timeout=20) as client:
                return client.post(twilio.base + "/call-events", content=content, headers=headers).status_code
        except httpx.WriteError:
            return 413  # it hung up in the middle

    assert answer(endless()) == 413
    many = "&".join(f"a{n}=1" for n in range(5000))
    for body in ("x" * 70_000, many, "%ff%fe=1", "CallSid=%00", b"\xff\xfe", "--b\r\n"):
        assert answer(body) in (403, 413), body[:20]
    assert answer("a=1", **{"Content-Type": "multipart/form-data; boundary=b"}) == 403
    assert twilio.rows("call_sid") == []


@pytest.mark.parametrize(
    "more",
    [
        {"CallSid": "CA" + "x" * 60},
        {"CallSid": "CA\0"},
        {"CallSid": "   "},
    ],
)
def test_a_signed_form_that_means_no_call_is_a_bad_request(serve: Starting, more: dict[str, str]) -> None:
    assert serve().post("/call-events", {**form(), **more}).status_code == 400


def test_odd_values_in_a_signed_form_do_no_harm(serve: Starting) -> None:
    twilio = serve()
    odd = {
        "CallDuration": "9" * 30,
        "SequenceNumber": "-1",
        "Timestamp": "yesterday",
        "From": "x" * 5000,
        "Nul": "a\0b",
    }
    assert twilio.post("/call-events", form(**odd)).status_code == 200
    assert twilio.rows("call_status, call_duration, length(from_number)") == [("completed", None, 100)]


def test_twiml_connects_a_stream_with_parameters(serve: Starting) -> None:
    twilio = serve(OPENAI_API_KEY="sk-test", PUBLIC_URL=PUBLIC)
    path = "/media-stream-twiml?message=Hello&speakFirst=true&attempt=a-1"
    answer = twilio.post(
        path, form(status="in-progress"), Host="calls.example.com", **{"X-Forwarded-For": "54.172.60.1"}
    )
    assert answer.headers["content-type"].startswith("text/xml")
    assert 'url="wss://calls.example.com/media-stream"' in answer.text
    for name, value in (("message", "Hello"), ("speakFirst", "true"), ("from", THEIRS), ("to", OWN)):
        assert f'<Parameter name="{name}" value="{value}" />' in answer.text
    assert 'name="token"' in answer.text
    assert twilio.rows("call_sid, from_number, to_number, direction") == [(SID, THEIRS, OWN, "inbound")]


def test_without_anybody_to_speak_the_caller_hears_an_apology_and_the_call_is_recorded(serve: Starting) -> None:
    twilio = serve()
    answer = twilio.post("/media-stream-twiml", form(status="ringing"))
    assert "<Say>" in answer.text
    assert "<Hangup" in answer.text
    assert "Stream" not in answer.text
    assert twilio.rows("call_sid, call_status") == [(SID, "ringing")]


def test_a_database_that_is_away_loses_nothing(serve: Starting) -> None:
    twilio = serve(DATABASE_URL="postgresql://nobody@127.0.0.1:9/nowhere")
    assert twilio.post("/call-events", form()).status_code == 200
    waiting: list[tuple[str, str]] = []
    twilio.backlog.replay(lambda kind, item: waiting.append((kind, item["call_sid"])))
    assert waiting in ([("callback", SID)], [])
    assert waiting or not twilio.backlog.is_empty()
