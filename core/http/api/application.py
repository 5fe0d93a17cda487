"""The API as routes that stand beside the console's: matched here, answered by one FastAPI application."""

from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from core.http.api import calls, leads, problems, queue

TITLE = "Patchbay"
DESCRIPTION = """Calls, leads and what ties them.

Send `Authorization: Bearer TOKEN` (`python -m core token add NAME --role operator`), or use the console's session.
Viewers read, operators repair. A repair with an `Idempotency-Key` happens once, however often it is sent."""
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
DOCS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Patchbay · API</title>
<link rel="stylesheet" href="/docs/files/swagger-ui.css"><link rel="icon" href="data:,"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/files/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>"""
START = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  requestInterceptor: (request) => { request.credentials = "same-origin"; return request; }});"""


def build_api() -> FastAPI:
    """The application; nothing connects before the first request."""
    api = FastAPI(title=TITLE, description=DESCRIPTION, version="1", docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(api)
    api.include_router(leads.router)
    api.include_router(calls.router)
    api.include_router(queue.router)
    return api


def api_routes() -> list[BaseRoute]:
    """Everything below ``/api`` and ``/transcripts``, the description and its page."""
    register_url_convertor("anything", _Anything())
    api = build_api()
    quiet = _Quiet(api)
    return [
        *(Route(path, quiet, methods=METHODS) for path in ("/api/{rest:anything}", "/transcripts/{rest:anything}")),
        Route("/openapi.json", _Description(api)),
        Route("/docs", _docs),
        Route("/docs/start.js", _start),
        Mount("/docs/files", StaticFiles(directory=str(files("fastapi_offline") / "static"))),
    ]


class _Quiet:
    """The application, without the fault that Starlette raises again after it was answered and logged in our words.

    The server would write its stack into the log, and with it what people said or typed.
    """

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        answered = False

        async def noting(message: Any) -> None:
            nonlocal answered
            answered = answered or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._api(scope, receive, noting)
        except Exception:
            if not answered:
                raise


class _Anything(Convertor[str]):
    """The rest of a path, whatever it is made of; Starlette's own ends at a line break."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Description:
    """OpenAPI's document, made once."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(described(self._api))(scope, receive, send)


def described(api: FastAPI) -> dict[str, Any]:
    """OpenAPI's document with the way to sign in; without FastAPI's own 422, which we answer as 400."""
    if api.openapi_schema is None:
        document = api.openapi()
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(unused, None)
    return api.openapi()


async def _docs(_request: Request) -> Response:
    return HTMLResponse(DOCS)


async def _start(_request: Request) -> Response:
    return PlainTextResponse(START, media_type="text/javascript")
