"""Commands that make the schema: they take the settings, since the app wants a database that is ready."""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from core.app import build, database
from core.cli import embedded_database, text
from core.cli.answers import Answer
from core.errors import BadInput, MigrationNeeded, Unavailable
from core.settings import Settings
from core.store import migrate, uninstall

LEDGER_NAME = "patchbay-ledger-%Y%m%d-%H%M%S.jsonl"
UNINSTALL_HINT = (
    "This saves the ledger and prints the script to paste into the project's SQL editor:"
    " python -m core migrate --uninstall --print"
)

Handler: TypeAlias = Callable[[Settings, argparse.Namespace], Answer]


def _migrate(settings: Settings, words: argparse.Namespace) -> Answer:
    if words.status and (words.print or words.uninstall):
        raise BadInput(f"--status and {'--print' if words.print else '--uninstall'} exclude each other.")
    if words.ledger is not None and not words.uninstall:
        raise BadInput("--ledger goes with --uninstall.")
    if words.uninstall:
        return _uninstall(settings, words)
    if words.print:
        script = migrate.script()
        return Answer({"script": script}, script.rstrip("\n"))
    if _by_key_alone(settings):
        return _by_pasting(settings, words)
    with database(settings) as url:
        if words.status:
            return _status(migrate.status(url))
        done = migrate.migrate(url, progress=lambda line: print(line, file=sys.stderr))
    return Answer({"applied": done}, f"{len(done)} applied." if done else "Up to date.")


def _by_key_alone(settings: Settings) -> bool:
    """Whether the schema can only be changed by pasting."""
    return settings.data_source == "supabase" and not settings.database_url


def _by_pasting(settings: Settings, words: argparse.Namespace) -> Answer:
    """A project by URL and key alone: whether the schema that was pasted is the newest, and the first filling."""
    app = build(settings)
    try:
        if words.status:
            return _status(migrate.status_of(app.schema_version()))
        app.require_schema()
        app.finish_installation(lambda line: print(line, file=sys.stderr))
    except MigrationNeeded as needed:
        if not words.at_start:
            raise
        return Answer({"applied": []}, f"{needed.message} {needed.hint}")
    finally:
        app.close()
    return Answer({"applied": []}, "Up to date.")


def _uninstall(settings: Settings, words: argparse.Namespace) -> Answer:
    ledger = Path(words.ledger or datetime.now().strftime(LEDGER_NAME)).absolute()
    if words.print:
        if _by_key_alone(settings):
            _export(settings, ledger)
        script = uninstall.script()
        return Answer({"script": script}, script.rstrip("\n"))
    if _by_key_alone(settings):
        raise Unavailable("A Supabase URL and key alone cannot change the schema.", hint=UNINSTALL_HINT)
    if ledger.exists():
        raise BadInput(f"The ledger cannot be written: {ledger} exists already.", hint="Name another file.")
    with database(settings) as url:
        removed = uninstall.uninstall(url, ledger)
    document = {"ledger": None if removed.ledger is None else str(removed.ledger), "events": removed.events,
                "kept": list(removed.kept)}  # fmt: skip
    return Answer(document, _told(removed))


def _export(settings: Settings, ledger: Path) -> None:
    """The ledger of a project that is changed by pasting: it is saved before the script is shown."""
    app = build(settings)
    try:
        events = uninstall.export(app.gateway, ledger)
    finally:
        app.close()
    print(f"{events} link events are in {ledger}. Paste this script into the project's SQL editor:", file=sys.stderr)


def _told(removed: uninstall.Removed) -> str:
    if removed.ledger is None:
        return "Nothing of Patchbay's was there."
    kept = f" These columns hold something and stay: {', '.join(removed.kept)}." if removed.kept else ""
    return (
        f"Patchbay is removed; leads.call_sid stays.{kept} The ledger ({removed.events} link events): {removed.ledger}"
    )


def _status(found: list[migrate.MigrationStatus]) -> Answer:
    rows = [(each.version, each.name, _standing(each)) for each in found]
    document = [
        {"version": each.version, "name": each.name, "applied": each.applied, "changed": each.changed} for each in found
    ]
    return Answer({"migrations": document}, text.table(("version", "name", "state"), rows))


def _standing(each: migrate.MigrationStatus) -> str:
    if not each.applied:
        return "pending"
    return "applied, CHANGED SINCE" if each.changed else "applied"


HANDLERS: Mapping[str, Handler] = {"migrate": _migrate, **embedded_database.HANDLERS}
