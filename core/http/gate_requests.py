"""What the gate reads from a request: path, cookie, token, origin, address, signs of a proxy. Pure."""

import re
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from starlette.types import Scope

from core.settings import Settings

SESSION_HEADER = "x-patchbay-session"
"""Set by the gate only: the key of the session that was let in."""
IDENTITY_PREFIXES = (b"x-patchbay-", b"x-ops-", b"x-auth-request-", b"x-forwarded-user", b"x-forwarded-email")
"""Headers that tell applications who somebody is. Nobody but the gate says that here."""
PROXY_HEADERS = (b"forwarded", b"via", b"x-real-ip")
LONGEST_NEXT = 2000
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_API = ("/api/", "/transcripts/", "/_stcore/")


class Door:
    """How this console is published: which addresses are its own, and what its cookie is called.

    :param settings: PUBLIC_URL and PATCHBAY_AUTH.
    """

    def __init__(self, settings: Settings) -> None:
        self.required = settings.sign_in_required
        self.public_url = settings.public_url
        self.public_origin = _origin_of(settings.public_url) if settings.public_url else None
        self.actor = settings.actor

    def is_secure(self, scope: Scope) -> bool:
        """Whether the browser speaks https, with us or with the proxy in front of us."""
        if self.public_origin is not None:
            return self.public_origin.startswith("https://")
        return scope.get("scheme") in ("https", "wss")

    def cookie_name(self, scope: Scope) -> str:
        """``__Host-`` ties a secure cookie to this host; without https the port keeps consoles on one machine apart."""
        if self.is_secure(scope):
            return "__Host-patchbay_session"
        port = (header(scope, b"host") or "").rpartition(":")[2]
        return f"patchbay_session_{port}" if port.isdigit() else "patchbay_session"

    def is_foreign(self, scope: Scope) -> bool:
        """Whether a browser says that another site's page sends this. Same host and other port is another site too."""
        origins = headers(scope, b"origin")
        if not origins:
            return header(scope, b"sec-fetch-site") in ("cross-site", "same-site")
        return not all(self._is_own(origin, header(scope, b"host")) for origin in origins)

    def _is_own(self, origin: str, host: str | None) -> bool:
        scheme, _, authority = origin.lower().partition("://")
        if self.public_origin is not None and _origin_of(origin) == self.public_origin:
            return True
        return scheme in ("http", "https") and host is not None and authority == host.lower()


def headers(scope: Scope, name: bytes) -> list[str]:
    """All values of a header."""
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]


def header(scope: Scope, name: bytes) -> str | None:
    """A header's value; None when it is missing or there twice."""
    found = headers(scope, name)
    return found[0] if len(found) == 1 else None


def without_identity(pairs: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers without those that claim who somebody is. ``_`` counts as ``-``: some applications read it so."""
    return [
        (name, value) for name, value in pairs if not name.lower().replace(b"_", b"-").startswith(IDENTITY_PREFIXES)
    ]


def without_cookie(pairs: Iterable[tuple[bytes, bytes]], name: str) -> list[tuple[bytes, bytes]]:
    """Headers without one cookie: what is behind the gate has no use for the token."""
    kept = []
    for key, value in pairs:
        if key == b"cookie":
            parts = [part.strip() for part in value.split(b";")]
            value = b"; ".join(part for part in parts if part.partition(b"=")[0].strip() != name.encode())
            if not value:
                continue
        kept.append((key, value))
    return kept


def cookie(scope: Scope, name: str) -> str | None:
    """A cookie's value; None when it is missing, or there twice with different values."""
    found = {
        part.partition("=")[2].strip().strip('"')
        for line in headers(scope, b"cookie")
        for part in line.split(";")
        if part.partition("=")[0].strip() == name
    }
    return found.pop() if len(found) == 1 else None


def bearer(scope: Scope) -> str | None:
    """The token of ``Authorization: Bearer``; empty when it cannot be read, None when there is none."""
    given = headers(scope, b"authorization")
    if not any(value.lower().partition(" ")[0] == "bearer" for value in given):
        return None
    return given[0].partition(" ")[2].strip() if len(given) == 1 else ""


def came_through_proxy(scope: Scope) -> bool:
    """Whether something between browser and us shows. No browser speaks HTTP/1.0; nginx does unless told otherwise."""
    named = any(key.startswith(b"x-forwarded-") or key in PROXY_HEADERS for key, _ in scope["headers"])
    return named or scope.get("http_version") == "1.0"


def address(scope: Scope) -> str:
    """Where a request comes from: the peer, or what a proxy on this machine says last."""
    client = scope.get("client")
    peer = str(client[0]) if client else "unknown"
    if peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        told = headers(scope, b"x-forwarded-for")
        return told[-1].rpartition(",")[2].strip()[:64] or peer if told else peer
    return peer


def wants_json(scope: Scope) -> bool:
    """Whether a program asks: it gets a status it can read, not a form."""
    if scope["path"].startswith(_API) or scope["method"] not in ("GET", "HEAD"):
        return True
    if header(scope, b"sec-fetch-mode") not in (None, "navigate"):
        return True  # a script, a style, a picture: a form in its place would only confuse
    accept = (header(scope, b"accept") or "").lower()
    return "json" in accept and "text/html" not in accept


def is_prefetch(scope: Scope) -> bool:
    """Whether a browser only looks ahead: nothing may be used up by it."""
    return any("prefetch" in (header(scope, name) or "") for name in (b"sec-purpose", b"purpose", b"x-moz"))


def query(scope: Scope, name: str) -> str:
    """One parameter of the address; empty when it is missing or cannot be read."""
    text: str = scope["query_string"].decode("latin-1")
    try:
        found = parse_qs(text, max_num_fields=50)
    except ValueError:
        return ""
    return found.get(name, [""])[0]


def safe_next(text: str) -> str:
    """Where to go after signing in: a path of ours, else the front page; nothing that can be read as a host."""
    if not text.startswith("/") or text.startswith("//") or len(text) > LONGEST_NEXT or _UNSAFE.search(text):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path.startswith("//") or parts.path in ("/login", "/logout"):
        return "/"
    return text


def login_address(scope: Scope) -> str:
    """``/login``, with the way back where there is one."""
    path = quote(scope["path"], safe="/~!$&'()*+,;=:@-._")
    asked = scope["query_string"].decode("latin-1")
    wanted = safe_next(path + (f"?{asked}" if asked else ""))
    return "/login" if wanted == "/" else f"/login?{urlencode({'next': wanted})}"


def set_cookie(name: str, token: str, *, secure: bool, seconds: int) -> str:
    """The value of ``Set-Cookie``; ``seconds`` 0 takes the cookie back."""
    try:
        jar: SimpleCookie = SimpleCookie({name: token})
    except CookieError as failure:  # pragma: no cover - both come from us
        raise ValueError(name) from failure
    morsel = jar[name]
    morsel["path"], morsel["httponly"], morsel["samesite"], morsel["max-age"] = "/", True, "Lax", seconds
    if secure:
        morsel["secure"] = True
    return morsel.OutputString()


def _origin_of(url: str) -> str | None:
    """Scheme, host and port, without the port that goes without saying."""
    try:
        parts = urlsplit(url.lower())
        port = parts.port
    except ValueError:
        return None
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")
