"""Backups of the embedded database: PostgreSQL's own dump in one file, and back from it."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from core.errors import BadInput, NotAllowed, Unavailable
from core.store.server_files import installed_package

LOCK_SECONDS = 10
MAGIC = b"PGDMP"
"""How a dump in PostgreSQL's custom format begins."""


def backup(database_url: str, file: Path) -> int:
    """Write everything that the database holds into one file, as it is at one moment; others go on working.

    :param file: the file to make, readable by its owner only; nothing is ever overwritten.
    :returns: its size in bytes.
    :raises core.errors.BadInput: when the file exists or cannot be made.
    :raises core.errors.Unavailable: when the database could not be read to its end.
    """
    if file.exists():
        raise BadInput(f"{file} exists already: nothing was written.", hint="Name another file.")
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        part.touch(mode=0o600, exist_ok=False)
        _run("pg_dump", database_url, ["--format=custom", "--no-owner", f"--file={part}"])
        os.link(part, file)  # unlike a rename it never overwrites
    except FileExistsError:
        raise BadInput(f"{file} exists already: nothing was written.", hint="Name another file.") from None
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return file.stat().st_size


def restore(database_url: str, file: Path, *, force: bool = False) -> None:
    """Put the database back to what a backup holds, in one transaction.

    :param force: also where the database holds leads or calls: they are replaced.
    :raises core.errors.BadInput: when the file is no backup.
    :raises core.errors.NotAllowed: when the database is not empty.
    :raises core.errors.Unavailable: when it could not be restored; nothing was changed then.
    """
    try:
        with file.open("rb") as opened:
            begins = opened.read(len(MAGIC))
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    if begins != MAGIC:
        raise BadInput(f"{file} is no backup: expected a file that db backup made.")
    if not force and _holds_something(database_url):
        raise NotAllowed(
            "The database holds leads or calls, and restoring replaces everything.",
            hint="Back it up first, then add --force.",
        )
    options = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error", str(file)]
    _run("pg_restore", database_url, options)


def _holds_something(database_url: str) -> bool:
    with psycopg.connect(database_url) as connection:
        for table in ("leads", "calls"):
            there = connection.execute("select to_regclass(%s) is not null", (f"public.{table}",)).fetchone()
            first = sql.SQL("select 1 from public.{} limit 1").format(sql.Identifier(table))
            if there == (True,) and connection.execute(first).fetchone():
                return True
    return False


def _run(program: str, database_url: str, options: Sequence[str]) -> None:
    environment = {**os.environ, "PGOPTIONS": f"-c lock_timeout={LOCK_SECONDS}s", "LC_ALL": "C"}
    command = [str(installed_package() / "pginstall" / "bin" / program), f"--dbname={database_url}", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode == 0:
        return
    if "lock timeout" in done.stderr:
        raise Unavailable(
            "Others are working in the database.", hint="Stop the console and the worker, then try again."
        )
    raise Unavailable(f"{program} failed: {_reason(done.stderr)}.")


def _reason(said: str) -> str:
    """Its first complaint, on one line; what rows hold is left out."""
    lines = [line for line in said.splitlines() if "error:" in line]
    return lines[0].partition("error: ")[2].rstrip(".")[:300] if lines else "it said nothing"
