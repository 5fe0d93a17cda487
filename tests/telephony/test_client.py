"""The Twilio client against the local Twilio, every request and answer checked by Twilio's own description."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.errors import Unavailable
from core.outbound.carrier import Carrier, Rejected, Retryable, Unknown
from core.settings import Settings
from core.telephony.client import TwilioCarrier
from core.telephony.errors import Throttled, TwilioBusy, TwilioCredentials, TwilioDown, TwilioSlow
from tests.telephony.twilio_server import ACCOUNT, OURS, TOKEN, LocalTwilio

THEIRS = "+14155550123"
PUBLIC = "https://calls.example.com"


def settings(base: str, **variables: str) -> Settings:
    """Settings of an account at a local address."""
    given = {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_PHONE_NUMBER": OURS,
        "PUBLIC_URL": PUBLIC,
        "TWILIO_API_BASE_URL": base,
    }
    return Settings.load(env={**given, **variables})


def dial(carrier: Carrier, to: str = THEIRS, **more: Any) -> Any:
    return carrier.dial(to, **{"attempt_id": "a-1", "message": "Hello & welcome", "metadata": {}, **more})


def test_a_call_is_made_as_the_backend_makes_it(checked: str, twilio: LocalTwilio) -> None:
    carrier = TwilioCarrier(settings(checked))
    placed = dial(carrier, metadata={"speakFirst": True, "initialMessage": "Hi", "other": "kept out"})
    assert placed.status == "queued" and placed.call_sid in twilio.state.calls
    assert abs(placed.at - datetime.now(UTC)) < timedelta(seconds=5)
    (form,) = twilio.state.created
    url = urlsplit(form.pop("Url")[0])
    assert url.geturl().startswith(f"{PUBLIC}/media-stream-twiml?")
    assert parse_qs(url.query) == {
        "message": ["Hello & welcome"],
        "speakFirst": ["true"],
        "initialMessage": ["Hi"],
        "attempt": ["a-1"],
    }
    assert form == {
        "To": [THEIRS],
        "From": [OURS],
        "StatusCallback": [f"{PUBLIC}/call-events?attempt=a-1"],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "StatusCallbackMethod": ["POST"],
        "Record": ["true"],
        "RecordingChannels": ["mono"],
        "RecordingStatusCallback": [f"{PUBLIC}/recording-status"],
        "Timeout": ["30"],
    }


def test_a_call_is_fetched_and_found(checked: str, twilio: LocalTwilio) -> None:
    carrier = TwilioCarrier(settings(checked))
    began = datetime.now(UTC)
    sid = dial(carrier).call_sid
    twilio.say(sid, "in-progress")
    twilio.say(sid, "completed", duration=42)
    call = carrier.fetch(sid)
    assert call is not None
    assert (call.status, call.direction, call.from_number, call.to, call.duration) == (
        "completed", "outbound-api", OURS, THEIRS, 42,
    )  # fmt: skip
    assert call.created_at and call.ended_at and call.started_at and call.ended_at >= call.started_at
    assert carrier.fetch("CA" + "0" * 32) is None
    assert [found.call_sid for found in carrier.calls_to(THEIRS, began)] == [sid]
    assert carrier.calls_to(THEIRS, began + timedelta(hours=1)) == []
    assert carrier.calls_to("+14155550199", began) == []


def test_the_numbers_of_the_account_are_read_page_by_page(checked: str, twilio: LocalTwilio) -> None:
    twilio.state.numbers = [f"+1415555{number:04}" for number in range(1003)][:60]
    found = TwilioCarrier(settings(checked)).numbers()
    assert found == frozenset(twilio.state.numbers)


@pytest.mark.parametrize(
    ("to", "code", "says"),
    [
        ("+15005550001", 21217, "does not seem to be one"),
        ("+15005550002", 21214, "cannot be reached"),
        ("+15005550003", 21215, "may not call this country"),
        ("+15005550004", 21216, "does not allow calls"),
        ("12", 21211, "not valid"),
    ],
)
def test_a_number_that_twilio_refuses_is_refused_in_words(checked: str, to: str, code: int, says: str) -> None:
    with pytest.raises(Rejected, match=says) as refused:
        dial(TwilioCarrier(settings(checked)), to)
    assert refused.value.code == code and to not in refused.value.message


def test_a_number_that_is_not_ours_is_refused(checked: str) -> None:
    with pytest.raises(Rejected, match="not verified") as refused:
        dial(TwilioCarrier(settings(checked, TWILIO_PHONE_NUMBER="+14155559999")))
    assert refused.value.code == 21210


@pytest.mark.parametrize("variable", ["PUBLIC_URL", "TWILIO_PHONE_NUMBER"])
def test_what_is_missing_is_named_before_anything_is_sent(twilio: LocalTwilio, variable: str) -> None:
    with pytest.raises(Rejected, match=variable):
        dial(TwilioCarrier(settings(twilio.url, **{variable: ""})))
    assert twilio.state.requests == []


def test_wrong_credentials(checked: str) -> None:
    carrier = TwilioCarrier(settings(checked, TWILIO_AUTH_TOKEN="0" * 32))
    with pytest.raises(Rejected, match="credentials") as refused:
        dial(carrier)
    assert refused.value.code == 20003
    asked: list[Callable[[], object]] = [
        lambda: carrier.fetch("CA" + "0" * 32),
        lambda: carrier.calls_to(THEIRS, datetime.now(UTC)),
        carrier.numbers,
    ]
    for ask in asked:
        with pytest.raises(TwilioCredentials) as failed:
            ask()
        assert "TWILIO_AUTH_TOKEN" in (failed.value.hint or "")


@pytest.mark.parametrize("missing", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"])
def test_half_an_account_is_none(missing: str) -> None:
    with pytest.raises(TwilioCredentials, match=missing):
        TwilioCarrier(settings("http://127.0.0.1:9", **{missing: ""}))


def test_the_token_is_never_shown() -> None:
    told = settings("http://127.0.0.1:9")
    assert TOKEN not in repr(told) and TOKEN not in repr(TwilioCarrier(told))


@pytest.mark.parametrize(
    ("kind", "error", "calls"),
    [
        ("429", Throttled, 0),
        ("500", Unknown, 0),
        ("502", Unknown, 0),
        ("drop", Unknown, 0),
        ("drop_after", Unknown, 1),
        ("lost", Unknown, 1),
        ("nonsense", Unknown, 1),
    ],
)
def test_what_an_error_says_of_a_call(twilio: LocalTwilio, kind: Any, error: type[Exception], calls: int) -> None:
    carrier = TwilioCarrier(settings(twilio.url), read_seconds=0.4)
    twilio.fault(kind, seconds=1.0)
    with pytest.raises(error) as failed:
        dial(carrier)
    assert type(failed.value) is error
    assert len(twilio.state.calls) == calls and len(twilio.state.requests) == 1  # sent once, never again by itself


def test_the_seconds_to_wait_are_told(checked: str, twilio: LocalTwilio) -> None:
    twilio.fault("429", seconds=7, times=2)
    carrier = TwilioCarrier(settings(checked))
    with pytest.raises(Throttled) as refused:
        dial(carrier)
    assert refused.value.retry_after == 7
    with pytest.raises(TwilioBusy) as busy:
        carrier.fetch("CA" + "0" * 32)
    assert busy.value.retry_after == 7


def test_a_slow_answer_within_the_limit_is_an_answer(twilio: LocalTwilio) -> None:
    twilio.fault("slow", seconds=0.3)
    assert dial(TwilioCarrier(settings(twilio.url), read_seconds=2)).status == "queued"


def test_nobody_listens(free_port: int) -> None:
    carrier = TwilioCarrier(settings(f"http://127.0.0.1:{free_port}"))
    with pytest.raises(Retryable):
        dial(carrier)
    with pytest.raises(TwilioDown):
        carrier.numbers()


def test_no_such_host() -> None:
    with pytest.raises(Retryable):
        dial(TwilioCarrier(settings("http://nowhere.invalid")))


def test_no_connection_in_time() -> None:
    carrier = TwilioCarrier(settings("http://127.0.0.1:9"), connect_seconds=0.000001)
    with pytest.raises(Retryable):
        dial(carrier)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("500", TwilioDown), ("502", TwilioDown), ("drop", TwilioDown), ("lost", TwilioSlow), ("nonsense", TwilioDown)],
)
def test_questions_fail_in_words(twilio: LocalTwilio, kind: Any, error: type[Unavailable]) -> None:
    carrier = TwilioCarrier(settings(twilio.url), read_seconds=0.3)
    for ask in (carrier.numbers, lambda: carrier.fetch("CA" + "0" * 32)):
        twilio.fault(kind, seconds=0.6)
        with pytest.raises(error) as failed:
            ask()
        assert failed.value.exit_code == 5 and failed.value.hint


def test_a_dropped_pooled_connection_does_not_make_a_dial_uncertain(twilio: LocalTwilio) -> None:
    carrier = TwilioCarrier(settings(twilio.url))
    carrier.numbers()
    assert dial(carrier).status == "queued"
    assert len(twilio.state.calls) == 1
