"""HTTP: what the server answers beside Streamlit's pages, and what it does around them."""

import gc
import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from core import app as application
from core.http.api import api_routes
from core.http.arrivals import Arrivals
from core.http.background import Judging
from core.http.bodies import BodyGuard
from core.http.gate import SIGNED_PATHS
from core.http.gate_parts import sign_in
from core.http.health import ROUTES
from core.http.hosts import HostGuard, accepted_hosts
from core.http.outbound import Calling
from core.http.telephony_upkeep import TelephonyUpkeep
from core.log_records import leave_texts_out
from core.settings import Settings


def server_parts(warm: Sequence[str] = (), pages: Sequence[Path] = ()) -> dict[str, Any]:
    """Routes, middleware and lifespan for ``st.App``.

    :param warm: modules to import before the first request, so that no visitor waits for them.
    :param pages: the file that every page of the console starts from, and the console's own scripts; only inline
        scripts that stand in them may run.
    :raises core.errors.BadInput: when the environment has a value that cannot be meant.
    """
    leave_texts_out()
    settings = Settings.load()
    door = sign_in(settings, application.shared_access, pages=pages, signed=SIGNED_PATHS)
    arrivals = Arrivals(settings)

    def services() -> list[Service]:
        return [Judging(), Calling(), TelephonyUpkeep(), door.doorman, arrivals.auto_link, arrivals.replaying()]

    return {
        "routes": [*ROUTES, *door.routes, *api_routes(), *arrivals.routes()],
        "middleware": [
            Middleware(HostGuard, hosts=accepted_hosts(settings.public_url), exempt=tuple(SIGNED_PATHS)),
            door.gate,
            Middleware(BodyGuard),
        ],
        "lifespan": _lifespan((*warm, *arrivals.warm), services),
    }


class Service(Protocol):
    """Something that runs as long as the server does."""

    def start(self) -> None:
        """Begin; returns at once."""

    def stop(self) -> None:
        """End, and wait for what is under way."""


def _lifespan(
    warm: Sequence[str], services: Callable[[], Sequence[Service]]
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_server: Any) -> AsyncIterator[None]:
        await run_in_threadpool(_warm_up, warm)
        running = services()
        for service in running:
            service.start()
        try:
            yield
        finally:
            for service in reversed(running):
                await run_in_threadpool(service.stop)
            await run_in_threadpool(application.close_shared)

    return lifespan


def _warm_up(modules: Sequence[str]) -> None:
    """Import, then take what is there out of the collector's sight: Streamlit collects after every script run."""
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
