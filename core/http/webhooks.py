"""What Twilio calls: status and recording callbacks, and the TwiML of a call. Twilio's signature opens the door.

A callback is saved, or kept on disk where the database is away, before 200 is answered; Twilio does not send it again.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from core.errors import BadInput, PatchbayError
from core.inbound import StatusCallback, twiml
from core.inbound.inbox import Inbox
from core.telephony.signatures import HEADER, Signatures

LARGEST_FORM = 64_000
"""Bytes. Twilio's forms have a few kB."""
MOST_FIELDS = 200
SPOKEN = ("message", "speakFirst", "initialMessage")
"""Parameters of the address that the caller of the API gave for this call."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Twilio's way in.

    :ivar inbox: where callbacks go.
    :ivar public_url: PUBLIC_URL, or None.
    :ivar speaks: whether there is somebody to speak with the caller; else the caller hears an apology.
    """

    inbox: Callable[[], Inbox]
    signatures: Signatures
    public_url: str | None
    speaks: bool

    def routes(self) -> list[BaseRoute]:
        """The paths of the contract."""
        return [
            Route("/call-events", self.call_events, methods=["POST"]),
            Route("/recording-status", self.recording_status, methods=["POST"]),
            Route("/media-stream-twiml", self.media_stream_twiml, methods=["GET", "POST"]),
        ]

    async def call_events(self, request: Request) -> Response:
        """A call's status changed."""
        return await self._callback(request, lambda callback: callback)

    async def recording_status(self, request: Request) -> Response:
        """A recording is there. Its status and duration are the recording's, not the call's."""
        return await self._callback(
            request, lambda callback: replace(callback, status=None, minutes=None, seconds=None, sequence=None)
        )

    async def media_stream_twiml(self, request: Request) -> Response:
        """A call was answered, or came in: what to do with it. Its numbers are saved before anything is said."""
        form = await self._signed_form(request)
        if form is None:
            return _refused()
        given = {**request.query_params, **form}
        try:
            callback = StatusCallback.from_form(given, request.query_params.get("attempt"))
        except BadInput as error:
            return PlainTextResponse(error.message + "\n", 400)
        await self._take(callback)
        return Response(self._twiml(request, given, callback.call_sid), media_type="text/xml")

    def _twiml(self, request: Request, given: Mapping[str, str], call_sid: str) -> str:
        if not self.speaks:
            return twiml.apology()
        spoken = {name: request.query_params.get(name, "") for name in SPOKEN}
        parties = {"from": given.get("From", ""), "to": given.get("To", ""), "direction": given.get("Direction", "")}
        token = self.signatures.stream_token(call_sid)
        url = "ws" + (self.public_url or _own_url(request)).removeprefix("http") + "/media-stream"
        return twiml.stream(url, {**parties, **spoken, "token": token})

    async def _callback(self, request: Request, of: Callable[[StatusCallback], StatusCallback]) -> Response:
        form = await self._signed_form(request)
        if form is None:
            return _refused()
        try:
            callback = of(StatusCallback.from_form(form, request.query_params.get("attempt")))
        except BadInput as error:
            return PlainTextResponse(error.message + "\n", 400)
        if not await self._take(callback):
            return PlainTextResponse("not saved\n", 503, {"Retry-After": "5"})
        return PlainTextResponse("saved\n")

    async def _take(self, callback: StatusCallback) -> bool:
        """Save or keep; False when neither can be done."""
        try:
            await run_in_threadpool(lambda: self.inbox().take_callback(callback))
        except PatchbayError as error:
            log.error("a callback is lost: %s", error.code)
            return False
        return True

    async def _signed_form(self, request: Request) -> dict[str, str] | None:
        """The form's fields; None when Twilio did not sign the request."""
        fields = await _form(request)
        if fields is None:
            return None
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        query: bytes = request.scope["query_string"]
        target = raw.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        if self.signatures.is_valid(_own_url(request), target, fields, request.headers.get(HEADER)):
            return fields
        log.warning("a request to %s is not signed by Twilio", request.scope["path"])
        return None


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None when it is none of Twilio's: nobody has proven anything yet, so little is read."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            return None
    try:
        text = body.decode() if request.method == "POST" else ""
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError:
        return None


def _own_url(request: Request) -> str:
    parts = urlsplit(str(request.url))
    return f"{parts.scheme}://{parts.netloc}"


def _refused() -> Response:
    return PlainTextResponse("This is for Twilio, and its signature is missing or wrong.\n", 403)
