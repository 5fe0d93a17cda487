"""``export``: a worklist, its numbers or the conflicts as CSV, free of formulas (:mod:`core.linking.export`)."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.app import App
from core.cli import worklist_words
from core.cli.answers import Answer, Answering, Handler
from core.errors import BadInput
from core.linking import Linking, WorklistFilter
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is written: ``lines`` begins the file anew at each call, ``count`` says how many ``things`` it holds."""

    things: str
    count: Callable[[], int]
    lines: Callable[[], Iterator[str]]


def _export(settings: Settings, words: argparse.Namespace) -> Answering:
    wanted = _wanted(settings, words)
    out = None if words.out is None else _new_file(words.out)
    as_json = bool(getattr(words, "json", False))

    def answer(app: App) -> Answer:
        app.linking.judge()
        sheet = _sheet(app.linking, wanted, words)
        if out is not None:
            return _to_file(sheet, out)
        lines = sheet.lines()
        if as_json:
            return Answer({"csv": "".join(lines)}, "")
        for line in lines:
            _print(line)
        sys.stdout.flush()
        return Answer(None, "")

    return answer


def _wanted(settings: Settings, words: argparse.Namespace) -> WorklistFilter:
    wanted = worklist_words.wanted(settings, words)
    if words.conflicts and (words.by_number or wanted != WorklistFilter()):
        raise BadInput("--conflicts takes no filter and no --by-number.", hint="Leave the others out.")
    if words.by_number and wanted.view != "unlinked":
        raise BadInput(f"--view is {wanted.view}: only unlinked calls are grouped by number.")
    return wanted


def _sheet(linking: Linking, wanted: WorklistFilter, words: argparse.Namespace) -> Sheet:
    if words.conflicts:
        return Sheet("conflicts", lambda: linking.conflicts(limit=1).total, linking.export_conflicts)
    if words.by_number:
        return Sheet(
            "numbers", lambda: linking.by_number(wanted, limit=1).total, lambda: linking.export_numbers(wanted)
        )
    return Sheet("calls", lambda: linking.count(wanted), lambda: linking.export(wanted))


def _new_file(name: str) -> Path:
    path = Path(name)
    if path.exists():
        raise BadInput(f"--out names {name}, which exists already.", hint="Name another file.")
    if not path.absolute().parent.is_dir():
        raise BadInput(f"--out names {name}, whose folder does not exist.")
    return path


def _to_file(sheet: Sheet, path: Path) -> Answer:
    """Whole or not at all: a file that is cut off would look like one that is complete."""
    count = sheet.count()
    try:
        _write(path, sheet.lines())
    except OSError as failure:
        raise BadInput(f"--out names {path}, which cannot be written: {failure.strerror}.") from failure
    return Answer({"file": str(path), sheet.things: count}, f"{count} {sheet.things} are in {path}.")


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
