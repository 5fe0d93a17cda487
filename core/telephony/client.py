"""Twilio, over its own SDK: dialling, asking about calls, the account's numbers.

Calls are made with the parameters that the backend uses, and with the attempt's id in both addresses, so that a lost
answer is found again by the first callback. Nothing is repeated here: whoever asks decides what an error allows.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

from twilio.rest import Client

from core.errors import NotFound
from core.model import phone
from core.outbound.carrier import Dialled, Rejected
from core.settings import Settings
from core.telephony import failures
from core.telephony.errors import TwilioCredentials
from core.telephony.known_call import KnownCall
from core.telephony.transport import CONNECT_SECONDS, READ_SECONDS, Transport

EVENTS = ["initiated", "ringing", "answered", "completed"]
RING_SECONDS = 30
MOST_CALLS = 200
MOST_NUMBERS = 1000
LONGEST_MESSAGE = 1500
"""Characters of the message: it travels in an address, which Twilio takes up to 4000 characters of."""
SPOKEN = ("speakFirst", "initialMessage")
"""What of a job's metadata the media stream asks for."""
Result = TypeVar("Result")


class TwilioCarrier:
    """One Twilio account. Implements :class:`core.outbound.carrier.Carrier`; safe to share between threads.

    :param settings: credentials, calling number, PUBLIC_URL, and TWILIO_API_BASE_URL for tests.
    :param connect_seconds: time limit for connecting; ``read_seconds``: for each wait for an answer.
    :raises TwilioCredentials: when only one of the two credentials is set.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        for variable, value in (
            ("TWILIO_ACCOUNT_SID", settings.twilio_account_sid),
            ("TWILIO_AUTH_TOKEN", settings.twilio_auth_token),
        ):
            if value is None:
                raise TwilioCredentials(f"{variable} is not set.", hint="Set both, or neither.")
        self._settings = settings
        base = settings.twilio_api_base_url
        transport = Transport(base, connect_seconds=connect_seconds, read_seconds=read_seconds)
        self._client = Client(settings.twilio_account_sid, settings.twilio_auth_token, http_client=transport)

    def dial(self, to: str, *, attempt_id: str, message: str | None, metadata: Mapping[str, Any]) -> Dialled:
        """Create a call as the backend does; see :meth:`core.outbound.carrier.Carrier.dial`."""
        parameters = self._parameters(attempt_id, message, metadata)
        try:
            call = self._client.calls.create(to=to, from_=self._settings.twilio_phone_number, **parameters)
            return Dialled(_sid(call), str(call.status or "queued"), _utc(call.date_created) or datetime.now(UTC))
        except failures.FAILURES as failure:
            raise failures.when_dialling(failure) from failure

    def fetch(self, call_sid: str) -> KnownCall | None:
        """What Twilio knows of a call; None when it knows no such call.

        :raises core.errors.Unavailable: when Twilio cannot be asked.
        """
        try:
            return self._asked(lambda: _call(self._client.calls(call_sid).fetch()))
        except NotFound:
            return None

    def calls_to(self, number: str, since: datetime) -> list[KnownCall]:
        """The calls to a number since a time, newest first, at most 200.

        :raises core.errors.Unavailable: when Twilio cannot be asked.
        """
        wanted = since.astimezone(UTC)
        day = wanted.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        # Twilio compares days of the start, and a call that is still queued has none: those are asked for as well.
        listed = self._client.calls.list
        begun = self._asked(lambda: [*map(_call, listed(to=number, start_time_after=day, limit=MOST_CALLS))])
        queued = self._asked(lambda: [*map(_call, listed(to=number, status="queued", limit=MOST_CALLS))])
        found = {call.call_sid: call for call in (*queued, *begun)}.values()
        edge = wanted.replace(microsecond=0)
        known = [call for call in found if call.created_at is None or call.created_at >= edge]
        return sorted(known, key=lambda call: call.created_at or wanted, reverse=True)

    def numbers(self) -> frozenset[str]:
        """The phone numbers of the account, in E.164.

        :raises core.errors.Unavailable: when Twilio cannot be asked.
        """
        listed = self._asked(
            lambda: [each.phone_number for each in self._client.incoming_phone_numbers.list(limit=MOST_NUMBERS)]
        )
        region = self._settings.default_region
        normal = (phone.normalise(number, region).e164 for number in listed if number)
        return frozenset(number for number in normal if number is not None)

    def _parameters(self, attempt_id: str, message: str | None, metadata: Mapping[str, Any]) -> dict[str, Any]:
        public, ours = self._settings.public_url, self._settings.twilio_phone_number
        if public is None:
            raise Rejected("PUBLIC_URL is not set, so Twilio could not call back.")
        if ours is None:
            raise Rejected("TWILIO_PHONE_NUMBER is not set, so there is no number to call from.")
        said = {"message": message[:LONGEST_MESSAGE] if message else None, **_spoken(metadata), "attempt": attempt_id}
        query = urlencode({name: value for name, value in said.items() if value is not None})
        return {
            "url": f"{public}/media-stream-twiml?{query}",
            "status_callback": f"{public}/call-events?{urlencode({'attempt': attempt_id})}",
            "status_callback_event": EVENTS,
            "status_callback_method": "POST",
            "record": True,
            "recording_channels": "mono",
            "recording_status_callback": f"{public}/recording-status",
            "timeout": RING_SECONDS,
        }

    def _asked(self, ask: Callable[[], Result]) -> Result:
        with _in_our_words():
            return ask()


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except failures.FAILURES as failure:
        raise failures.when_asking(failure) from failure


def _spoken(metadata: Mapping[str, Any]) -> dict[str, str]:
    found = {name: metadata[name] for name in SPOKEN if metadata.get(name) not in (None, "")}
    return {name: _word(value)[:LONGEST_MESSAGE] for name, value in found.items()}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sid(call: Any) -> str:
    if not isinstance(call.sid, str) or not call.sid:
        raise ValueError("the answer names no call")
    return call.sid


def _call(found: Any) -> KnownCall:
    duration = str(found.duration or "")
    return KnownCall(
        call_sid=_sid(found),
        to=found.to or "",
        status=str(found.status or ""),
        direction=str(found.direction or ""),
        created_at=_utc(found.date_created),
        from_number=found._from or None,
        duration=int(duration) if duration.isdigit() else None,
        started_at=_utc(found.start_time),
        ended_at=_utc(found.end_time),
    )


def _utc(moment: Any) -> datetime | None:
    if not isinstance(moment, datetime):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
