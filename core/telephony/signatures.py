"""Proof that a request comes from Twilio: its signature over the address and the form, or a token that we gave out."""

import hashlib
import hmac
import time
from collections.abc import Mapping

from twilio.request_validator import RequestValidator

HEADER = "X-Twilio-Signature"
TOKEN_SECONDS = 600
"""A media stream begins within seconds after its TwiML."""


class Signatures:
    """Checks signatures with the account's auth token. Without one nothing is ever valid.

    :param auth_token: TWILIO_AUTH_TOKEN, or None.
    :param public_url: the address that Twilio was given, without a path; None: the request's own is taken.
    """

    def __init__(self, auth_token: str | None, public_url: str | None) -> None:
        self._token, self._public_url = auth_token, public_url
        self._validator = RequestValidator(auth_token) if auth_token else None

    def is_valid(self, own_url: str, target: str, form: Mapping[str, object], signature: str | None) -> bool:
        """Whether Twilio signed this request.

        :param own_url: scheme and host as the request names them, e.g. ``http://localhost:8501``.
        :param target: raw path and query of the request.
        :param form: the form's fields; empty for GET and for a WebSocket.
        """
        if self._validator is None:
            return False
        base = self._public_url or own_url
        if own_url.startswith("ws"):
            base = "ws" + base.removeprefix("http").removeprefix("ws")
        return bool(self._validator.validate(base + target, dict(form), signature or ""))

    def stream_token(self, call_sid: str, now: float | None = None) -> str:
        """A token for the media stream of one call: simulated and proxied streams cannot sign their handshake."""
        until = int((time.time() if now is None else now) + TOKEN_SECONDS)
        return f"{until}.{self._mac(call_sid, until)}"

    def is_stream_token(self, call_sid: str, token: str, now: float | None = None) -> bool:
        """Whether this is a token of that call, and not too old."""
        until, _, mac = token.partition(".")
        if self._token is None or not (until.isascii() and until.isdigit()) or len(until) > 12:
            return False
        late = (time.time() if now is None else now) > int(until)
        return not late and hmac.compare_digest(mac.encode(), self._mac(call_sid, int(until)).encode())

    def _mac(self, call_sid: str, until: int) -> str:
        key = (self._token or "").encode()
        return hmac.new(key, f"{call_sid} {until}".encode(), hashlib.sha256).hexdigest()
