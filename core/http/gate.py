"""The door: nobody gets past it, over HTTP or WebSocket, without a session or an API token.

Open to everybody are exactly :data:`OPEN_PATHS`. Everything else is asked for a session (cookie) or, over HTTP, a token
(``Authorization: Bearer``); pages lead to the sign-in form, programs get 401, a WebSocket is closed before it opens.
What is let in carries ``scope["patchbay.identity"]`` and the session's key in a header that nobody else can set.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.access import Access, Identity, need_writer
from core.access.secret_tokens import digest
from core.errors import MigrationNeeded, NotAllowed, PatchbayError
from core.http import gate_requests as requests
from core.http import login_page
from core.http.gate_headers import console_policy, with_headers
from core.http.gate_requests import SESSION_HEADER, Door
from core.http.hosts import PROBES

OPEN_PATHS: Mapping[str, frozenset[str]] = {
    "/login": frozenset({"GET", "HEAD", "POST"}),
    "/logout": frozenset({"GET", "HEAD", "POST"}),
    "/healthz": frozenset({"GET", "HEAD"}),
    "/readyz": frozenset({"GET", "HEAD"}),
}
"""Path, exactly as written, and methods that need nobody to be signed in."""
SIGNED_PATHS: Mapping[str, frozenset[str]] = {
    "/call-events": frozenset({"POST"}),
    "/recording-status": frozenset({"POST"}),
    "/media-stream-twiml": frozenset({"GET", "POST"}),
    "/media-stream": frozenset({"WEBSOCKET"}),
}
"""Twilio's, proven by its signature (:mod:`core.http.webhooks`)."""
NO_PATHS: Mapping[str, frozenset[str]] = {}
NOT_SIGNED_IN = 4401
FOREIGN = 4403
LAST_WORDS_SECONDS = 10.0
"""How long a console whose session ended may still talk: its next run says so to the person, then the line is cut."""
USE_PUBLIC_URL = (
    "This console was reached through a proxy, and its one-time link is for this machine's user only. "
    "Set PUBLIC_URL to the address that people use: then they sign in with accounts."
)

TITLES = {403: "Not this way", 503: "Not right now"}

log = logging.getLogger(__name__)


class SessionGate:
    """ASGI middleware in front of pages, API and WebSocket, behind the host guard.

    :param access: gives the ways in; may raise errors of :mod:`core.errors` while the database is away.
    :param pages: the files whose inline scripts may run in the console's pages.
    :param signed: further open paths, whose requests carry a proof of their own (:data:`SIGNED_PATHS`).
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Callable[[], Access],
        door: Door,
        signed: Mapping[str, frozenset[str]] = NO_PATHS,
        pages: Sequence[Path] = (),
    ) -> None:
        self._app, self._access, self._door, self._signed = app, access, door, signed
        self._policy = console_policy(*pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        scope = {**scope, "headers": requests.without_identity(scope["headers"])}
        send = with_headers(scope, send, secure=self._door.is_secure(scope), policy=self._policy)
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
        if method in self._signed.get(scope["path"], ()):
            return await self._app(scope, receive, send)
        refusal = self._refusal(scope, method)
        if refusal is not None:
            return await _refuse(scope, receive, send, *refusal)
        if method in OPEN_PATHS.get(scope["path"], ()):
            return await self._app(scope, receive, send)
        return await self._closed(scope, receive, send)

    def _refusal(self, scope: Scope, method: str) -> tuple[int, str] | None:
        """Why this is refused whoever asks."""
        if method not in ("GET", "HEAD", "OPTIONS") and self._door.is_foreign(scope):
            return 403, "Pages of other sites may not use this console."
        if not self._door.required and scope["path"] not in PROBES and requests.came_through_proxy(scope):
            return 403, USE_PUBLIC_URL
        return None

    async def _closed(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            identity, key = await self._who(scope)
        except PatchbayError as error:
            log.warning("nobody can be let in: %s", error.code)
            told = "Nobody can be let in right now: " + login_page.reason(error, to_anybody=self._door.required)
            return await _refuse(scope, receive, send, 503, told, error)
        if identity is None:
            return await self._turn_away(scope, receive, send)
        if _is_command(scope):
            try:
                need_writer(identity)
            except NotAllowed as error:
                return await _refuse(scope, receive, send, 403, error.message)
        return await self._let_in(scope, receive, send, identity, key)

    async def _who(self, scope: Scope) -> tuple[Identity | None, str | None]:
        """Who asks, and the key of their session (None for an API token)."""
        token = requests.bearer(scope)
        if token is not None:
            if scope["type"] == "websocket":
                return None, None
            return await run_in_threadpool(self._by_token, token), None
        cookie = requests.cookie(scope, self._door.cookie_name(scope))
        if cookie is None:
            return None, None
        touch = scope["type"] == "http" and not scope["path"].startswith("/_stcore/")
        identity = await run_in_threadpool(self._by_cookie, cookie, touch)
        return identity, digest(cookie)

    def _by_token(self, token: str) -> Identity | None:
        return self._access().tokens.identity(token)

    def _by_cookie(self, cookie: str, touch: bool) -> Identity | None:
        return self._access().sessions.by_token(cookie, touch=touch)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send, identity: Identity, key: str | None) -> None:
        told = requests.without_cookie(scope["headers"], self._door.cookie_name(scope))
        if key is None:
            return await self._app({**scope, "headers": told, "patchbay.identity": identity}, receive, send)
        told.append((SESSION_HEADER.encode(), key.encode()))
        inside = {**scope, "headers": told, "patchbay.identity": identity}
        if scope["type"] == "websocket":
            inside["headers"] = self._with_own_origin(inside)
            receive = _Watched(receive, send, lambda: self._access().sessions.by_key(key) is not None)
        return await self._app(inside, receive, send)

    def _with_own_origin(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Streamlit knows the Host it is called by only; that PUBLIC_URL is ours was checked here."""
        return [(name, value) for name, value in scope["headers"] if name != b"origin"]

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": NOT_SIGNED_IN, "reason": "sign in first"})
        answer: Response
        if requests.wants_json(scope) or requests.bearer(scope) is not None:
            answer = JSONResponse(
                {"success": False, "error": "Sign in, or send a valid API token."},
                401,
                {"WWW-Authenticate": 'Bearer realm="Patchbay"', "Cache-Control": "no-store"},
            )
        else:
            answer = RedirectResponse(requests.login_address(scope), 303, {"Cache-Control": "no-store"})
            name = self._door.cookie_name(scope)
            if requests.cookie(scope, name) is not None:
                taken_back = requests.set_cookie(name, "", secure=self._door.is_secure(scope), seconds=0)
                answer.headers.append("Set-Cookie", taken_back)
        return await answer(scope, receive, send)


class _Watched:
    """Messages of a WebSocket, as long as its session lives; afterwards the line is cut."""

    def __init__(self, receive: Receive, send: Send, alive: Callable[[], bool]) -> None:
        self._receive, self._send, self._alive = receive, send, alive
        self._ended_at: float | None = None

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        if await run_in_threadpool(self._is_alive):
            self._ended_at = None
            return message
        now = time.monotonic()
        self._ended_at = self._ended_at or now
        if now - self._ended_at < LAST_WORDS_SECONDS:
            return message
        await self._send({"type": "websocket.close", "code": NOT_SIGNED_IN, "reason": "the session ended"})
        return {"type": "websocket.disconnect", "code": NOT_SIGNED_IN}

    def _is_alive(self) -> bool:
        try:
            return self._alive()
        except PatchbayError:
            return False


def _is_command(scope: Scope) -> bool:
    """Whether a request may change what everybody sees. Below /_stcore/ Streamlit keeps the visitor's own things."""
    safe = scope["type"] == "websocket" or scope["method"] in ("GET", "HEAD", "OPTIONS")
    return not safe and not scope["path"].startswith("/_stcore/")


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, message: str, error: PatchbayError | None = None
) -> None:
    if scope["type"] == "websocket":
        code = FOREIGN if status == 403 else 1013
        return await send({"type": "websocket.close", "code": code, "reason": message[:120]})
    options: dict[str, Any] = {"status_code": status, "headers": {"Cache-Control": "no-store"}}
    if requests.wants_json(scope) and scope["path"] not in OPEN_PATHS:
        return await JSONResponse({"success": False, "error": message}, **options)(scope, receive, send)
    needed = isinstance(error, MigrationNeeded)
    text = (
        login_page.migration_needed(message) if needed else login_page.notice(TITLES.get(status, "Not here"), message)
    )
    page = HTMLResponse(text, **options)
    page.headers["Content-Security-Policy"] = login_page.POLICY
    return await page(scope, receive, send)
