"""Headers that every answer carries: what a browser may do with our pages, and what it must not."""

import base64
import hashlib
import re
from pathlib import Path

from starlette.types import Message, Scope, Send

_SCRIPTS = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_CONSOLE = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' {scripts}'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from or to another host; Streamlit writes styles into the page as it goes."""
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


def console_policy(*pages: Path) -> str:
    """What the console's pages may load and run: their own files, and the inline scripts that stand in ``pages``.

    :param pages: the file that every page of the console starts from, and the console's own scripts; one that cannot
        be read has no scripts.
    """
    scripts = (script for page in pages for script in _SCRIPTS.findall(_text(page)))
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return _CONSOLE.format(scripts="".join(f"'sha256-{one}' " for one in hashes))


def _text(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def with_headers(scope: Scope, send: Send, *, secure: bool, policy: str) -> Send:
    """``send`` that adds the headers to answers which do not have them yet.

    :param policy: the Content-Security-Policy of answers that bring none of their own.
    """
    if scope["type"] != "http":
        return send
    wanted = [*ALWAYS, (b"content-security-policy", policy.encode())]
    if secure:
        wanted.append(STRICT_TRANSPORT)

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", ())}
            more = [(name, value) for name, value in wanted if name not in present]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return send_with_headers
