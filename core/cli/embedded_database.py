"""``db``: backup and restore of the embedded database."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from core.app import database
from core.cli.answers import Answer
from core.errors import BadInput, NotAllowed
from core.settings import Settings
from core.store import dumps


def _db(settings: Settings, words: argparse.Namespace) -> Answer:
    if words.verb not in ("backup", "restore"):
        raise BadInput(f"db is followed by backup or restore, not by {words.verb!r}.")
    if words.force and words.verb == "backup":
        raise BadInput("--force goes with restore.")
    file = Path(words.file).expanduser().absolute()
    if settings.data_source != "embedded":
        raise NotAllowed(
            "db works on the embedded database only.", hint="Back your own one up with pg_dump or at its provider."
        )
    with database(settings) as url:
        if words.verb == "restore":
            dumps.restore(url, file, force=words.force)
            return Answer({"restored": str(file)}, f"Restored from {file}.")
        size = dumps.backup(url, file)
    return Answer({"file": str(file), "bytes": size}, f"{file}: {size / 1e6:.1f} MB.")


HANDLERS: Mapping[str, Callable[[Settings, argparse.Namespace], Answer]] = {"db": _db}
