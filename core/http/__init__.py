"""HTTP: what the server answers beside Streamlit's pages, and what it does around them."""

import gc
import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from core import app as application
from core.http.api import api_routes
from core.http.background import Judging
from core.http.gate_parts import sign_in
from core.http.health import ROUTES
from core.http.hosts import HostGuard, accepted_hosts
from core.http.login_link import Doorman
from core.settings import Settings


def server_parts(warm: Sequence[str] = (), page: Path | None = None) -> dict[str, Any]:
    """Routes, middleware and lifespan for ``st.App``.

    :param warm: modules to import before the first request, so that no visitor waits for them.
    :param page: the file that every page of the console starts from; only its inline scripts may run.
    :raises core.errors.BadInput: when the environment has a value that cannot be meant.
    """
    settings = Settings.load()
    door = sign_in(settings, application.shared_access, page=page)
    return {
        "routes": [*ROUTES, *door.routes, *api_routes()],
        "middleware": [Middleware(HostGuard, hosts=accepted_hosts(settings.public_url)), door.gate],
        "lifespan": _lifespan(warm, door.doorman),
    }


def _lifespan(warm: Sequence[str], doorman: Doorman) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_server: Any) -> AsyncIterator[None]:
        await run_in_threadpool(_warm_up, warm)
        judging = Judging()
        judging.start()
        doorman.start()
        try:
            yield
        finally:
            doorman.stop()
            await run_in_threadpool(judging.stop)
            await run_in_threadpool(application.close_shared)

    return lifespan


def _warm_up(modules: Sequence[str]) -> None:
    """Import, then take what is there out of the collector's sight: Streamlit collects after every script run."""
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
