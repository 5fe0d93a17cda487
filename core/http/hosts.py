"""Who may be spoken to: other Hosts, and pages of other origins that want to write, cannot reach the console."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.http import gate_requests as requests

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
PROBES = frozenset({"/healthz", "/readyz"})
"""Asked by load balancers, which are proxies and ask by address: any Host may read exactly these; they tell nothing."""
EXEMPT_PATHS: tuple[str, ...] = ()
"""Path prefixes that any Host may call because they carry their own proof of origin (signed callbacks)."""
HIDDEN_PATHS = ("/_stcore/agent", "/_stcore/metrics")
"""Streamlit's machine interfaces: nobody's business here, answered as if they were not there."""


def accepted_hosts(public_url: str | None) -> frozenset[str]:
    """Host names without port: the loopback ones and PUBLIC_URL's."""
    public = urlsplit(public_url).hostname if public_url else None
    if public and ":" in public:
        public = f"[{public}]"
    return LOOPBACK | ({public} if public else set())


class HostGuard:
    """ASGI middleware over HTTP and WebSocket: wrong Host 421, foreign Origin 403, hidden paths 404.

    A foreign page's reads are the browser's matter (it hides the answer); its WebSockets and writes are refused here.

    :param hosts: accepted host names, lower case, without port.
    :param exempt: path prefixes that are let through whatever the Host.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], exempt: tuple[str, ...] = EXEMPT_PATHS) -> None:
        self._app, self._hosts, self._exempt = app, frozenset(hosts), exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        path = scope["path"]
        if not _is_below(path, self._exempt) and not _probes(scope):
            if _host(scope) not in self._hosts:
                return await _refuse(scope, receive, send, 421, "This address is not served here. Use the printed one.")
            if _may_change_something(scope) and not _origins(scope) <= self._hosts:
                return await _refuse(scope, receive, send, 403, "Pages of other sites may not use this console.")
        if _is_below(path, HIDDEN_PATHS):
            return await _refuse(scope, receive, send, 404, "Not found.")
        await self._app(scope, receive, send)
        return None


def _probes(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"] in PROBES and scope["method"] in ("GET", "HEAD")


def _is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def _may_change_something(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for key, value in scope["headers"] if key == name]


def _host(scope: Scope) -> str | None:
    """The Host header's name without its port; None when it is missing or there twice."""
    found = _header(scope, b"host")
    return _without_port(found[0]) if len(found) == 1 else None


def _origins(scope: Scope) -> set[str]:
    """Host names of the Origin header; programs send none. ``null`` and the like give a name that nobody has."""
    return {_without_port(origin.partition("://")[2]) for origin in _header(scope, b"origin")}


def _without_port(authority: str) -> str:
    name, _, port = authority.rpartition(":")
    return name if name and port.isdigit() else authority


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, message: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4403, "reason": message})
        return
    answer: Response = PlainTextResponse(message + "\n", status)
    if requests.wants_json(scope):
        answer = JSONResponse({"success": False, "error": message}, status)
    await answer(scope, receive, send)
