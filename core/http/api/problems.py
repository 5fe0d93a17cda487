"""Errors as answers: every one is ``{"success": false, "error": message}`` with the fitting status."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import BadInput, NotFound, PatchbayError, Refused, Unavailable
from core.http.api.shapes import Problem
from core.linking import fields

log = logging.getLogger(__name__)

STATUSES: Mapping[type[PatchbayError], int] = {
    BadInput: 400,
    NotFound: 404,
    Refused: 409,
    Unavailable: 503,
}
SAYS = {
    400: "What was sent cannot be meant; the message names the field.",
    401: "Not signed in, and no valid API token.",
    403: "Viewers read and change nothing.",
    404: "No such lead, call or link event.",
    409: "Understood, and not done: the call belongs to another lead, it changed meanwhile, a rule forbids it.",
    503: "A service does not answer.",
}
RETRY_SECONDS = "2"


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's responses of these statuses, and of those that every endpoint has."""
    return {
        status: {"model": Problem, "description": SAYS[status]} for status in sorted({400, 401, 403, 503, *statuses})
    }


def install(api: FastAPI) -> None:
    """Answer every error in our shape."""
    api.add_exception_handler(PatchbayError, _ours)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(Exception, _unexpected)


def answer(status: int, message: str) -> JSONResponse:
    """An error's answer."""
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": RETRY_SECONDS} if status == 503 else {})
    return JSONResponse({"success": False, "error": message}, status, headers)


async def _ours(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, PatchbayError):  # pragma: no cover - registered for this class only
        raise error
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
    return answer(status, f"{error.message} {error.hint}" if error.hint else error.message)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    return answer(400, _said(error.errors()[0]) if isinstance(error, RequestValidationError) else "Bad request.")


def _said(problem: Mapping[str, Any]) -> str:
    """One of pydantic's complaints as a sentence that names the field."""
    place = [str(part) for part in problem["loc"][1:] if not _names_a_type(str(part))]
    if problem["type"] == "json_invalid":
        return 'The body is no JSON: expected an object such as {"lead_id": 212}.'
    name = ".".join(place) or "The body"
    said = problem["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    if problem["type"] == "missing" and name == "to":
        return "Phone number is required"  # the backend's words
    if problem["type"] == "missing":
        return f"{name} is missing." if place else "The body is missing: expected a JSON object."
    if problem["type"] == "extra_forbidden":
        return f"{name} is not known here: leave it out."
    return f"{name} is {fields.shown(problem.get('input'))}: {said}."


def _names_a_type(part: str) -> bool:
    """pydantic puts the members of a union into the place as well."""
    return "[" in part or part in ("bool", "int", "str")


async def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):  # pragma: no cover
        raise error
    told = {404: "There is nothing at this address.", 405: "This address does not answer to this method."}
    response = answer(error.status_code, told.get(error.status_code, str(error.detail)))
    response.headers.update(error.headers or {})
    return response


async def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    log.error("an endpoint failed: %s", type(error).__name__)
    return answer(500, "Something that Patchbay did not expect happened. It is noted in the log.")
