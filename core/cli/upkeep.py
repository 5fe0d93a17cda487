"""Commands that make the schema: they take the settings, since the app wants a database that is ready."""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

from core.app import database
from core.cli import text
from core.cli.answers import Answer
from core.errors import BadInput
from core.settings import Settings
from core.store import migrate

Handler: TypeAlias = Callable[[Settings, argparse.Namespace], Answer]


def _migrate(settings: Settings, words: argparse.Namespace) -> Answer:
    if words.status and words.print:
        raise BadInput("--status and --print exclude each other.")
    if words.print:
        script = migrate.script()
        return Answer({"script": script}, script.rstrip("\n"))
    with database(settings) as url:
        if words.status:
            return _status(migrate.status(url))
        done = migrate.migrate(url, progress=lambda line: print(line, file=sys.stderr))
    return Answer({"applied": done}, f"{len(done)} applied." if done else "Up to date.")


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


HANDLERS: Mapping[str, Handler] = {"migrate": _migrate}
