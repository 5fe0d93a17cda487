"""Bodies that are too large or too slow are refused before anybody works on them."""

import asyncio
import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.http.bodies import BodyGuard
from tests import running


async def _echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


PATHS = [Route(path, _echo, methods=["POST"]) for path in ("/api/x", "/call-events", "/_stcore/upload")]
SERVER = Starlette(routes=PATHS, middleware=[Middleware(BodyGuard, largest=100, seconds=0.2)])


def ask(path: str, chunks: list[bytes], *, length: int | None = None, ends: bool = True) -> tuple[int, str]:
    """Send a body in chunks, as a server hands them on; gives status and text."""
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if ends:
        waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": headers, "http_version": "1.1", "scheme": "http"}  # fmt: skip
    running.run(SERVER(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


def test_a_body_within_the_limit_arrives_whole() -> None:
    assert ask("/api/x", [b"a" * 60, b"b" * 40]) == (200, "100")


@pytest.mark.parametrize(("chunks", "length"), [([], 101), ([b"a" * 60] * 2, None), ([b"a" * 60] * 2, 5)])
def test_one_that_is_too_large_is_refused_without_waiting_for_its_end(chunks: list[bytes], length: int | None) -> None:
    status, text = ask("/api/x", chunks, length=length, ends=False)
    assert (status, json.loads(text)["success"]) == (413, False)


def test_one_that_does_not_come_is_not_waited_for() -> None:
    status, text = ask("/call-events", [b"a"], ends=False)
    assert (status, "too long" in text) == (408, True)


def test_what_people_upload_to_a_page_is_the_pages_matter() -> None:
    assert ask("/_stcore/upload", [b"a" * 300]) == (200, "300")
