"""How requests reach Twilio: the SDK's HTTP client with time limits, another host for tests, and no hidden repeats."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
"""Twilio answers within a second as a rule; when it is slow, a call may be under way all the same."""


class TooManyRequests(Exception):
    """Twilio answered 429: nothing was done.

    :ivar retry_after: seconds to wait, where it said so.
    """

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("429")
        self.retry_after = retry_after


class Transport(TwilioHttpClient):  # type: ignore[misc]  # the SDK has no types
    """Sends one request once.

    A connection of its own for every request that changes something: one that waited in a pool may have been closed by
    the other side meanwhile, and then nobody could say whether the request arrived.

    :param base_url: address to send to instead of Twilio's, or None.
    :param connect_seconds: time limit for connecting; ``read_seconds``: for each wait for an answer.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        super().__init__(pool_connections=True)
        self._base = urlsplit(base_url) if base_url else None
        self._limits = (connect_seconds, read_seconds)

    def request(
        self,
        method: str,
        url: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        auth: Any = None,
        timeout: Any = None,
        allow_redirects: bool = False,
    ) -> Response:
        """See the SDK. Raises :class:`TooManyRequests`, or what ``requests`` raises."""
        session = self.session if method.upper() == "GET" else requests.Session()
        try:
            answer = session.request(
                method.upper(),
                self._address(url),
                params=params,
                data=data,
                headers=headers,
                auth=auth,
                timeout=self._limits,
                allow_redirects=False,
            )
        finally:
            if session is not self.session:
                session.close()
        if answer.status_code == 429:
            raise TooManyRequests(_seconds(answer.headers.get("Retry-After")))
        return Response(answer.status_code, answer.text, answer.headers)

    def _address(self, url: str) -> str:
        if self._base is None:
            return url
        return urlunsplit((self._base.scheme, self._base.netloc, *urlsplit(url)[2:]))


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, min(float(text or ""), 3600.0))
    except ValueError:
        return None
