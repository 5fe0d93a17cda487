"""``/healthz`` (the process lives) and ``/readyz`` (it can do its work); open, so they tell nothing else."""

import logging

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core import app as application
from core.errors import PatchbayError

log = logging.getLogger(__name__)


async def healthz(_request: Request) -> Response:
    """200 as long as the process answers."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


async def readyz(_request: Request) -> Response:
    """200 when the database is reachable and migrated, else 503 without a reason."""
    ready = await run_in_threadpool(_is_ready)
    text, status = ("ready\n", 200) if ready else ("not ready\n", 503)
    return PlainTextResponse(text, status, headers={"Cache-Control": "no-store"})


def _is_ready() -> bool:
    try:
        return application.shared().is_migrated()
    except PatchbayError as error:
        log.info("not ready: %s", error.code)
        return False


ROUTES = [Route("/healthz", healthz), Route("/readyz", readyz)]
