"""``export``: a worklist as a CSV file that no spreadsheet takes for formulas (:mod:`core.linking.export`)."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from core.app import App
from core.cli import worklist_words
from core.cli.answers import Answer, Answering, Handler
from core.errors import BadInput
from core.linking import WorklistFilter
from core.settings import Settings


def _export(settings: Settings, words: argparse.Namespace) -> Answering:
    wanted = worklist_words.wanted(settings, words)
    out = None if words.out is None else _new_file(words.out)
    as_json = bool(getattr(words, "json", False))

    def answer(app: App) -> Answer:
        app.linking.judge()
        if out is not None:
            return _to_file(app, wanted, out)
        lines = app.linking.export(wanted)
        if as_json:
            return Answer({"csv": "".join(lines)}, "")
        for line in lines:
            _print(line)
        sys.stdout.flush()
        return Answer(None, "")

    return answer


def _new_file(name: str) -> Path:
    path = Path(name)
    if path.exists():
        raise BadInput(f"--out names {name}, which exists already.", hint="Name another file.")
    if not path.absolute().parent.is_dir():
        raise BadInput(f"--out names {name}, whose folder does not exist.")
    return path


def _to_file(app: App, wanted: WorklistFilter, path: Path) -> Answer:
    """Whole or not at all: a file that is cut off would look like one that is complete."""
    calls = app.linking.count(wanted)
    try:
        _write(path, app.linking.export(wanted))
    except OSError as failure:
        raise BadInput(f"--out names {path}, which cannot be written: {failure.strerror}.") from failure
    return Answer({"file": str(path), "calls": calls}, f"{calls} calls are in {path}.")


def _write(path: Path, lines: Iterator[str]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        try:
            file.writelines(lines)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise


def _print(line: str) -> None:
    """Bytes as a file has them: line ends and signs must not depend on the terminal's settings."""
    raw = getattr(sys.stdout, "buffer", None)
    if raw is None:
        sys.stdout.write(line)
    else:
        raw.write(line.encode())


HANDLERS: Mapping[str, Handler] = {"export": _export}
