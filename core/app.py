"""The one place where things are wired: settings become an :class:`App`. Nothing connects when this is imported."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.access import Access
from core.errors import Unavailable
from core.leads import Leads
from core.linking import Linking
from core.settings import Settings
from core.store.embedded import EmbeddedServer, default_folder
from core.store.gateway import Gateway
from core.store.migrate import migrate, newest_version
from core.store.postgres import STATEMENT_TIMEOUT, PostgresGateway
from core.transcripts import Transcripts


@dataclass(frozen=True, slots=True)
class App:
    """Everything that a way in (console, command line, HTTP, a script) works with. Safe to share between threads.

    :ivar database_url: libpq URL of the database; None where it is reached otherwise.
    """

    settings: Settings
    gateway: Gateway
    linking: Linking
    leads: Leads
    transcripts: Transcripts
    access: Access
    database_url: str | None = field(repr=False)
    _server: EmbeddedServer | None = field(default=None, repr=False)

    def is_migrated(self) -> bool:
        """Whether the database has the newest schema that this code knows.

        :raises core.errors.Unavailable: when the database cannot be asked, or has no schema of ours at all.
        """
        return bool(self.gateway.call("patchbay_schema_version") == newest_version())

    def close(self) -> None:
        """Give connections and the embedded server up; may be called again."""
        self.gateway.close()
        if self._server is not None:
            self._server.close()


def build(settings: Settings, *, statement_timeout: float = STATEMENT_TIMEOUT) -> App:
    """Wire the application over the database that the settings choose.

    Without SUPABASE_URL and DATABASE_URL the embedded PostgreSQL is started and brought to the newest schema;
    a database of somebody's own is left as it is until ``migrate`` is called for it.

    :param statement_timeout: seconds that one statement may take.
    :raises core.errors.Unavailable: when the embedded database cannot be started, or for a Supabase project.
    :raises core.errors.BadInput: when DATABASE_URL cannot be read.
    """
    if settings.data_source == "supabase":
        raise Unavailable(
            "This version reads the database through DATABASE_URL, not through SUPABASE_URL and its key.",
            hint="Unset SUPABASE_URL, and set DATABASE_URL to the project's connection string (Supabase: Connect).",
        )
    if settings.database_url:
        return _over(settings, settings.database_url, None, statement_timeout)
    server = _embedded(settings)
    try:
        migrate(server.url)
        return _over(settings, server.url, server, statement_timeout)
    except BaseException:
        server.close()
        raise


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The libpq URL that migrations go to; the embedded server runs as long as the block does.

    :raises core.errors.Unavailable: for a Supabase project without DATABASE_URL, where they are pasted instead.
    """
    if settings.database_url:
        yield settings.database_url
        return
    if settings.data_source == "supabase":
        raise Unavailable(
            "A Supabase URL and key alone cannot change the schema.",
            hint="Set DATABASE_URL too, or paste the output of: python -m core migrate --print",
        )
    server = _embedded(settings)
    try:
        yield server.url
    finally:
        server.close()


_shared: App | None = None
_sharing = threading.Lock()


def shared() -> App:
    """The process's one App, built from the environment at first use; server and page scripts share it.

    :raises core.errors.PatchbayError: as :func:`build`; the next call tries again.
    """
    global _shared
    with _sharing:
        if _shared is None:
            _shared = build(Settings.load())
        return _shared


def close_shared() -> None:
    """Close the process's App, if it was built."""
    global _shared
    with _sharing:
        app, _shared = _shared, None
    if app is not None:
        app.close()


def _embedded(settings: Settings) -> EmbeddedServer:
    return EmbeddedServer(settings.data_dir or default_folder())


def _over(settings: Settings, url: str, server: EmbeddedServer | None, statement_timeout: float) -> App:
    gateway = PostgresGateway(url, statement_timeout=statement_timeout, on_down=server.ensure if server else None)
    return App(
        settings=settings,
        gateway=gateway,
        linking=Linking(gateway, settings),
        leads=Leads(gateway, settings.actor),
        transcripts=Transcripts(gateway),
        access=Access.over(gateway, settings),
        database_url=url,
        _server=server,
    )
