"""``/login`` and ``/logout``: the only pages for people who are not signed in."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from core.access import Access, Identity, TooManyAttempts
from core.access.secret_tokens import digest
from core.access.sessions import ABSOLUTE_SECONDS
from core.errors import BadInput, MigrationNeeded, NotAllowed, PatchbayError, Unavailable
from core.http import gate_requests as requests
from core.http import login_page
from core.http.gate_requests import Door
from core.http.login_link import Doorman

LARGEST_FORM = 8192
WRONG = "Name or password are wrong."
LINK_USED = "This link is wrong, too old, or was used already."
AWAY = "Nobody can sign in right now: "

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Form:
    """What was typed; the password never leaves the request."""

    name: str
    password: str
    code: str | None
    way_back: str


class LoginPages:
    """Sign-in and sign-out.

    :param access: gives the ways in; may raise errors of :mod:`core.errors` while the database is away.
    :param doorman: prints a new link when somebody stands before the door and the last one is used up.
    """

    def __init__(self, access: Callable[[], Access], door: Door, doorman: Doorman) -> None:
        self._access, self._door, self._doorman = access, door, doorman

    def routes(self) -> list[Route]:
        """Routes for the server; the gate leaves exactly these paths open."""
        return [
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["GET", "POST"]),
        ]

    async def login(self, request: Request) -> Response:
        """The form; the one-time link; what was typed."""
        try:
            if request.method == "POST" and self._door.required:
                return await self._typed(request)
            if request.method == "GET" and requests.query(request.scope, "token") and not self._door.required:
                return await self._link(request)
            return await run_in_threadpool(self._show, requests.query(request.scope, "next"))
        except Unavailable as error:
            log.warning("nobody can sign in: %s", error.code)
            told = AWAY + login_page.reason(error, to_anybody=self._door.required)
            if isinstance(error, MigrationNeeded):
                return _html(login_page.migration_needed(told), 503)
            return _html(login_page.notice("Sign in", told), 503)

    async def logout(self, request: Request) -> Response:
        """End the session. A link on another site only gets the question."""
        if request.method == "GET" and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return _html(login_page.sign_out())
        name = self._door.cookie_name(request.scope)
        token = requests.cookie(request.scope, name)
        if token:
            try:
                await run_in_threadpool(lambda: self._access().sessions.close(token))
            except PatchbayError as error:
                return _html(login_page.notice("Sign out", f"You are still signed in: {error.message}"), 503)
        answer = RedirectResponse("/login", 303, {"Cache-Control": "no-store"})
        self._set_cookie(request, answer, "", 0)
        return answer

    def _show(self, way_back: str, error: str | None = None, status: int = 200, name: str = "") -> Response:
        """The page that fits: the link's, the first account's, or name and password."""
        way_back = requests.safe_next(way_back)
        if not self._door.required:
            self._doorman.announce()
            return _html(login_page.open_the_link(error=error), status)
        access = self._access()
        if access.supabase is None and not access.accounts.are_there_any():
            self._doorman.announce()
            return _html(login_page.first_account(error=error, way_back=way_back, name=name), status)
        by_email = access.supabase is not None
        return _html(login_page.form(error=error, way_back=way_back, name=name, by_email=by_email), status)

    async def _link(self, request: Request) -> Response:
        """Redeem the one-time link."""
        if requests.is_prefetch(request.scope):
            return _html(login_page.notice("Sign in", "Open the link itself to sign in."), 403)
        token = await run_in_threadpool(self._redeem, requests.query(request.scope, "token"))
        way_back = requests.query(request.scope, "next")
        if token is None:
            return await run_in_threadpool(self._show, way_back, LINK_USED, 403)
        return self._signed_in(request, token, way_back)

    def _redeem(self, link_token: str) -> str | None:
        access = self._access()
        if not access.one_time.redeem(link_token, "link"):
            return None
        return access.sessions.open(Identity(self._door.actor, "admin", "link"))

    async def _typed(self, request: Request) -> Response:
        """Check what was typed into one of the forms."""
        typed = await _read_form(request)
        if typed is None:
            return _html(login_page.notice("Sign in", "The form could not be read."), 400)
        address = requests.address(request.scope)
        try:
            token = await run_in_threadpool(self._check, typed, address)
        except TooManyAttempts as error:
            page = await run_in_threadpool(self._show, typed.way_back, _sentence(error), 429, typed.name)
            page.headers["Retry-After"] = str(error.seconds)
            return page
        except (BadInput, NotAllowed) as error:
            return await run_in_threadpool(self._show, typed.way_back, _sentence(error), 403, typed.name)
        if token is None:
            return await run_in_threadpool(self._show, typed.way_back, WRONG, 401, typed.name)
        return self._signed_in(request, token, typed.way_back)

    def _check(self, typed: _Form, address: str) -> str | None:
        access = self._access()
        if typed.code is None or access.supabase is not None:
            return access.sign_in(typed.name, typed.password, address)
        access.throttle.count("first admin", address)
        access.accounts.first_admin(digest(typed.code.strip()), typed.name, typed.password)
        return access.sign_in(typed.name, typed.password, address)

    def _signed_in(self, request: Request, token: str, way_back: str) -> Response:
        answer = RedirectResponse(requests.safe_next(way_back), 303, {"Cache-Control": "no-store"})
        self._set_cookie(request, answer, token, ABSOLUTE_SECONDS)
        return answer

    def _set_cookie(self, request: Request, answer: Response, token: str, seconds: int) -> None:
        name, secure = self._door.cookie_name(request.scope), self._door.is_secure(request.scope)
        answer.headers.append("Set-Cookie", requests.set_cookie(name, token, secure=secure, seconds=seconds))


async def _read_form(request: Request) -> _Form | None:
    """The fields of a small urlencoded form; None for anything else. No files, no parts."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return None
    try:
        found = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        return None
    fields = {name: values[0] for name, values in found.items()}
    return _Form(fields.get("name", ""), fields.get("password", ""), fields.get("code"), fields.get("next", ""))


def _sentence(error: PatchbayError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message


def _html(text: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(text, status, {"Content-Security-Policy": login_page.POLICY, "Cache-Control": "no-store"})
