"""How right the rules are on rows captured from a real backend, with their kinds of evidence switched off in turn."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from core.store.migrate import migrate
from tests.conftest import CAPTURED_DATA
from tests.database import trial


def measure(url: str, folder: Path = CAPTURED_DATA) -> dict[str, Any]:
    """Judge the captured rows on databases of their own and print a table for each amount of evidence.

    :param url: a server where databases may be made.
    :returns: the lines by amount of evidence; {} where there are no captured rows.
    """
    if not folder.is_dir():
        print("\n  captured rows: not run, there are none (PATCHBAY_CAPTURED_DATA)")
        return {}
    print("\nThe rules on captured rows")
    lines: dict[str, Any] = {}
    for number, kind in enumerate(trial.KINDS):
        name = f"captured_{os.getpid()}_{number}"
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            connection.execute(f"create database {name}".encode())
            own = make_conninfo(url, dbname=name)
            migrate(own)
            lines[kind.name] = trial.run(own, folder, kind).table()
            connection.execute(f"drop database {name} with (force)".encode())
        print("  " + lines[kind.name].replace("\n", "\n  "), flush=True)
    return lines
