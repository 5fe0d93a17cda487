"""Requests to a Supabase project that answer, or an error within three seconds.

One HTTP connection pool serves everybody; each token has a supabase-py client of its own, since signing in rewrites a
client's headers. A request that stays without an answer is looked after: when the project does not answer a simple
question either, it is down; when it does, the statement is only slow. A page asks several times, so for a few seconds
after that a project is asked first whether it is back, and soon given up: the waits of one page do not add up.
"""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
from postgrest.base_request_builder import RequestConfig
from supabase import Client, ClientOptions, create_client

from core.errors import BadInput, Busy, DatabaseDown, PatchbayError, TimedOut
from core.store.failures import MAYBE_DONE, Way

SILENCE_SECONDS = 0.8
"""So long a request may stay without an answer before the project is asked whether it is there at all."""
LOOK_SECONDS = 1.2
"""So long it may take to answer that. Together, and with a second wait of the same page, they are below the three
seconds that people are promised."""
QUIET_SECONDS = 5.0
"""So long after a silence nothing is sent before the project has answered a simple question."""
AGAIN_SECONDS = 0.4
"""So long it may take to answer it then. A later answer counts too, for whoever asks next."""
CONNECT_SECONDS = 2.4
MOST_CONNECTIONS = 40
KEPT_SECONDS = 30.0
"""So long an idle connection is kept: less than any gateway does, so that none is closed while we write to it."""
MOST_CLIENTS = 64
"""Signed-in people whose client is kept; the one who was away longest goes first."""

Request: TypeAlias = RequestConfig[httpx.Client]
Building: TypeAlias = Callable[[Client], Request]
_Outcome: TypeAlias = httpx.Response | Exception


def project_url(text: str) -> str:
    """A project's address as supabase-py wants it; a pasted ``/rest/v1`` is forgiven.

    :raises BadInput: when it is no http address.
    """
    url = re.sub(r"/rest/v1/?$", "", text.strip()).rstrip("/")
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and not parts.query and parts.port != 0:
            return url
    raise BadInput(f"SUPABASE_URL is {text!r}: expected an address such as https://abcdefgh.supabase.co.")


class Channel:
    """The way to one project for everybody who uses it. Safe to share between threads; connects at first use.

    :param url: the project's address.
    :param key: a legacy JWT key or an ``sb_secret_…`` key.
    :param patience: seconds that an answer may take.
    :param transport: how requests travel, for tests and measurements; None: over the network.
    :raises BadInput: when URL or key cannot be meant; the message never repeats the key.
    """

    def __init__(self, url: str, key: str, *, patience: float, transport: httpx.BaseTransport | None = None) -> None:
        self.url = project_url(url)
        self._key = _usable(key, "SUPABASE_SERVICE_ROLE_KEY")
        self._patience = patience
        self._http = httpx.Client(
            timeout=httpx.Timeout(patience, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
            limits=httpx.Limits(
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=MOST_CONNECTIONS,
                keepalive_expiry=KEPT_SECONDS,
            ),
            follow_redirects=True,
            transport=transport,
        )
        self._clients: OrderedDict[str | None, Client] = OrderedDict()
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self.way = Way(f"The Supabase project at {urlsplit(self.url).hostname}")

    def send(self, token: str | None, build: Building, look: Building) -> httpx.Response:
        """The project's answer to a request, whatever its status.

        :param token: a signed-in person's token; None: the key itself.
        :param build: makes the request.
        :param look: makes a simple request, asked when there is no answer.
        :raises DatabaseDown: within three seconds.
        :raises TimedOut: when the project is there and did not answer in time; a change may still be made.
        """
        if time.monotonic() < self._quiet_until:
            self.look(token, look, AGAIN_SECONDS)
        waiting = self._start(build(self._client(token)))
        try:
            return self._answer(waiting.get(timeout=SILENCE_SECONDS))
        except Empty:
            self.look(token, look)
        try:
            return self._answer(waiting.get(timeout=self._patience + CONNECT_SECONDS))
        except Empty:
            raise self._slow() from None

    def look(self, token: str | None, look: Building, seconds: float = LOOK_SECONDS) -> httpx.Response:
        """The answer to a simple request.

        :raises DatabaseDown: when there is none in time.
        """
        try:
            return self._answer(self._start(look(self._client(token))).get(timeout=seconds))
        except (Empty, TimedOut):
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            raise self._down("does not answer") from None

    def forget(self, token: str) -> None:
        """Give up a person's client: they signed out, or the token is not taken any more."""
        with self._lock:
            self._clients.pop(token, None)

    def close(self) -> None:
        """Close all connections and give all clients up; may be called again."""
        with self._lock:
            self._clients.clear()
        self._http.close()

    def _client(self, token: str | None) -> Client:
        """The supabase-py client of a person, made once: making it costs as much as many reads."""
        with self._lock:
            client = self._clients.pop(token, None) or self._new_client(token)
            self._clients[token] = client
            if len(self._clients) > MOST_CLIENTS:
                self._clients.popitem(last=False)
            return client

    def _new_client(self, token: str | None) -> Client:
        options = ClientOptions(
            auto_refresh_token=False, persist_session=False, postgrest_client_retry=False, httpx_client=self._http
        )
        if token is not None:
            options.headers["Authorization"] = f"Bearer {_usable(token, 'token')}"
        return create_client(self.url, self._key, options)

    def _start(self, request: Request) -> "SimpleQueue[_Outcome]":
        """Send in a thread of its own, so that no name server and no frozen peer can hold the asker up."""
        outcome: SimpleQueue[_Outcome] = SimpleQueue()

        def run() -> None:
            try:
                answer = request.send(httpx.Headers())
                self._quiet_until = 0.0
                outcome.put(answer)
            except Exception as failure:
                outcome.put(failure)

        threading.Thread(target=run, name="supabase", daemon=True).start()
        return outcome

    def _answer(self, outcome: _Outcome) -> httpx.Response:
        if isinstance(outcome, httpx.Response):
            return outcome
        told = self._failed(outcome)
        if told is None:
            raise outcome
        raise told from outcome

    def _failed(self, failure: Exception) -> PatchbayError | None:
        if isinstance(failure, httpx.PoolTimeout):
            return Busy("All connections to the database are in use.", hint="Try again in a moment.")
        if isinstance(failure, httpx.ConnectTimeout):
            return self._down("does not answer")
        if isinstance(failure, httpx.TimeoutException):
            return self._slow()
        if isinstance(failure, httpx.ConnectError):
            return self._unreachable(str(failure).lower())
        if isinstance(failure, httpx.TransportError):
            return DatabaseDown(f"{self.way.place} broke the connection off.", hint=MAYBE_DONE)
        if isinstance(failure, RuntimeError) and self._http.is_closed:
            return DatabaseDown("The connection to the database was closed.")
        if isinstance(failure, httpx.TooManyRedirects | httpx.InvalidURL):
            return self._down("answers with redirects that lead nowhere")
        return None

    def _unreachable(self, text: str) -> DatabaseDown:
        if any(words in text for words in ("name or service", "name resolution", "nodename", "no address")):
            return self._down("has a host name that cannot be resolved", "Check the host in SUPABASE_URL.")
        if "refused" in text:
            return self._down("refuses connections", "Is it running, and is SUPABASE_URL right?")
        if "certificate" in text or "ssl" in text:
            return self._down("and this machine do not agree on encryption", "Check SUPABASE_URL and certificates.")
        return self._down("cannot be reached")

    def _down(self, what: str, hint: str = "Is it running, and can this machine reach it?") -> DatabaseDown:
        return DatabaseDown(f"{self.way.place} {what}.", hint=hint)

    def _slow(self) -> TimedOut:
        return TimedOut("The database did not answer in time.", hint=MAYBE_DONE)


def _usable(key: str, name: str) -> str:
    text = key.strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise BadInput(f"{name} cannot be meant: expected one word of letters, digits and signs, as Supabase shows it.")
    return text


def facts_of(response: httpx.Response) -> dict[str, Any]:
    """What an answer that is no success says: ``code``, ``message``, ``details`` and ``hint``, as far as it does."""
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
