"""The one place where things are wired: settings become an :class:`App`. Nothing connects when this is imported."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.access import Access
from core.errors import MigrationNeeded, Unavailable
from core.leads import Leads
from core.linking import Linking
from core.outbound.attempts import Attempts
from core.outbound.carrier import Carrier
from core.outbound.connection import QueueConnection
from core.outbound.journal import Journal
from core.outbound.queue import OutboundQueue
from core.outbound.service import Calls, Parts
from core.outbound.worker import Pace
from core.settings import Settings
from core.store import backfill
from core.store.database_name import database_name
from core.store.embedded import EmbeddedServer, default_folder
from core.store.failures import MIGRATE_HINT, PASTE_HINT
from core.store.gateway import Gateway
from core.store.migrate import migrate, newest_version, status_of
from core.store.postgres import STATEMENT_TIMEOUT, PostgresGateway
from core.telephony import Repair, Telephony, TestCalls
from core.transcripts import Transcripts


@dataclass(frozen=True, slots=True)
class App:
    """Everything that a way in (console, command line, HTTP, a script) works with. Safe to share between threads.

    :ivar database_url: libpq URL of the database; None for a Supabase project reached by URL and key alone.
    """

    settings: Settings
    gateway: Gateway
    linking: Linking
    leads: Leads
    transcripts: Transcripts
    access: Access
    queue: OutboundQueue
    attempts: Attempts
    telephony: Telephony
    database_url: str | None = field(repr=False)
    _server: EmbeddedServer | None = field(default=None, repr=False)
    _ready: threading.Event = field(default_factory=threading.Event, repr=False)
    _filled: threading.Event = field(default_factory=threading.Event, repr=False)

    def is_migrated(self) -> bool:
        """Whether the database has the newest schema that this code knows.

        :raises core.errors.Unavailable: when the database cannot be asked, or has no schema of ours at all.
        """
        return bool(self.gateway.call("patchbay_schema_version") == newest_version())

    def schema_version(self) -> str | None:
        """The newest migration that the database has; None when it has no schema of ours."""
        try:
            return str(self.gateway.call("patchbay_schema_version"))
        except MigrationNeeded:
            return None

    @property
    def migrate_hint(self) -> str:
        """What to do when the schema is missing or old: run the migrations, or paste them."""
        return MIGRATE_HINT if self.database_url else PASTE_HINT

    def require_schema(self) -> None:
        """Return when the database has the newest schema; asked until it once had.

        :raises core.errors.MigrationNeeded: when it has none, an older or a newer one, with what to do.
        :raises core.errors.Unavailable: when the database cannot be asked.
        """
        if self._ready.is_set():
            return
        found, needed = self.schema_version(), newest_version()
        if found is None:
            raise MigrationNeeded("The database has no Patchbay schema yet.", hint=self.migrate_hint)
        if found != needed:
            age = "an older" if found < needed else "a newer"
            message = f"The database has {age} schema ({found}) than this Patchbay needs ({needed})."
            raise MigrationNeeded(message, hint=self.migrate_hint)
        self._ready.set()

    def finish_installation(self, progress: Callable[[str], None] = lambda line: None) -> None:
        """Take in the calls and leads that were there before, where pasting the migrations left that to us.

        :param progress: told a line for people now and then.
        """
        if not self._filled.is_set():
            backfill.fill(self.gateway, progress)
            self._filled.set()

    @property
    def repair(self) -> Repair:
        """Fills what the database lacks of a call with what Twilio answers."""
        return self.telephony.repair

    @property
    def test_calls(self) -> TestCalls:
        """Places and watches test calls."""
        return self.telephony.test_calls

    def carrier(self) -> Carrier:
        """Who dials: the Twilio account of the settings, else the built-in simulated carrier.

        :raises core.errors.Unavailable: when only half of the credentials is set.
        """
        return self.telephony.carrier()

    def calls(self) -> Calls:
        """The worker with its upkeep, for one process; the caller runs it.

        :raises core.errors.Unavailable: when half of the credentials is set, or its journal cannot be kept.
        """
        settings = self.settings
        pace = Pace(settings.worker_concurrency, settings.worker_limit, settings.worker_limit_seconds)
        simulated = self.telephony.simulated
        carrier, region = self.carrier(), settings.default_region
        return Calls(Parts(self.queue, self.gateway, carrier, self.journal(), pace, region, simulated))

    def journal(self) -> Journal:
        """What was dialled and is not in the database yet, on this machine.

        :raises core.errors.Unavailable: when it cannot be kept.
        """
        name = self.settings.supabase_url if self.settings.data_source == "supabase" else self.database_url
        return Journal(self.settings.data_dir or default_folder(), database_name(name or ""))

    def close(self) -> None:
        """Give connections and the embedded server up; may be called again."""
        self.queue.close()
        self.gateway.close()
        if self._server is not None:
            self._server.close()


def build(settings: Settings, *, statement_timeout: float = STATEMENT_TIMEOUT) -> App:
    """Wire the application over the database that the settings choose.

    Without SUPABASE_URL and DATABASE_URL the embedded PostgreSQL is started and brought to the newest schema;
    a database of somebody's own is left as it is until it is migrated; see :meth:`App.require_schema`.

    :param statement_timeout: seconds that one statement may take; a Supabase project's own limit may be shorter.
    :raises core.errors.Unavailable: when the embedded database cannot be started.
    :raises core.errors.BadInput: when DATABASE_URL, SUPABASE_URL or its key cannot be meant.
    """
    if settings.data_source == "supabase":
        return _over(settings, _supabase(settings, statement_timeout), settings.database_url)
    if settings.database_url:
        gateway = PostgresGateway(settings.database_url, statement_timeout=statement_timeout)
        return _over(settings, gateway, settings.database_url)
    server = _embedded(settings)
    try:
        migrate(server.url)
        gateway = PostgresGateway(server.url, statement_timeout=statement_timeout, on_down=server.ensure)
        return _over(settings, gateway, server.url, server)
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
            hint=PASTE_HINT,
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

    :raises core.errors.PatchbayError: as :func:`build` and :meth:`App.require_schema`; the next call tries again.
    """
    app = _built()
    app.require_schema()  # outside the lock: who waits for a database that is down waits three seconds, not in a queue
    return app


def shared_access() -> Access:
    """The ways in of the shared App. This machine's user comes in before the database has our schema: somebody has to
    see the page that says what is missing.

    :raises core.errors.PatchbayError: as :func:`shared`; for a missing schema only where people sign in with accounts.
    """
    app = _built()
    if app.settings.sign_in_required:
        app.require_schema()
    return app.access


def missing_migrations() -> list[str]:
    """Names of the migrations that the shared App's database does not have, in order; none before there is an App.

    :raises core.errors.Unavailable: when the database cannot be asked.
    """
    app = _shared
    return [each.name for each in status_of(app.schema_version()) if not each.applied] if app else []


def _built() -> App:
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


def _supabase(settings: Settings, answer_timeout: float) -> Gateway:
    from core.store.supabase import SupabaseGateway  # a second of imports, for those who use it

    hint = MIGRATE_HINT if settings.database_url else PASTE_HINT
    url, key = settings.supabase_url or "", settings.supabase_key or ""
    return SupabaseGateway(url, key, answer_timeout=answer_timeout, migrate_hint=hint)


def _over(settings: Settings, gateway: Gateway, url: str | None, server: EmbeddedServer | None = None) -> App:
    linking = Linking(gateway, settings)
    region, simulated = settings.default_region, not settings.names_twilio
    queue = OutboundQueue(lambda: QueueConnection.of(settings, url), gateway, region=region, simulated=simulated)
    return App(
        settings=settings,
        gateway=gateway,
        linking=linking,
        leads=Leads(gateway, settings.actor),
        transcripts=Transcripts(gateway),
        access=Access.over(gateway, settings),
        queue=queue,
        attempts=Attempts(gateway),
        telephony=Telephony(gateway, settings, judge=linking.judge, queue=queue),
        database_url=url,
        _server=server,
    )
