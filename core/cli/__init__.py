"""``python -m core``: the command line (contract: commands, JSON, exit codes).

Exit codes: 0 done, 2 bad input, 3 not found, 4 refused, 5 a service is unavailable; 1 is a fault of ours, 130 Ctrl-C.
An error is one line ``error: …`` on stderr, with ``--json`` also a document on stdout; never a traceback, unless
PATCHBAY_DEBUG asks for one.
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from core.errors import PatchbayError
from core.log_records import leave_texts_out
from core.settings import Settings, wants_tracebacks

INTERRUPTED = 130
LONG = frozenset({"demo", "doctor", "rebuild", "repair"})
"""Commands that read everything; nobody waits for them in front of a page."""
LONG_SECONDS = 3600.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    :param argv: the words after ``python -m core``; None: those of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = False
    leave_texts_out()
    try:
        from core.cli.parser import parse, wants_json

        as_json = wants_json(words)
        answer = _answer(parse(words))
        if as_json or answer.text:
            _print(json.dumps(answer.document, ensure_ascii=False, indent=2) if as_json else _plain(answer.text))
        return 0
    except SystemExit as leaving:  # argparse's --help
        return leaving.code if isinstance(leaving.code, int) else 0
    except PatchbayError as error:
        return _report(error, as_json)
    except BrokenPipeError:
        _silence_stdout()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # the last line of defence: people get a sentence, not a stack
        return _report(_unexpected(error), as_json)


def _answer(words: Any) -> Any:
    from core.cli import upkeep

    settings = Settings.load()
    if words.command in upkeep.HANDLERS:
        return upkeep.HANDLERS[words.command](settings, words)

    from core.app import build
    from core.cli.handlers import HANDLERS
    from core.store.postgres import STATEMENT_TIMEOUT

    answering = HANDLERS[words.command](settings, words)
    timeout = LONG_SECONDS if words.command in LONG else STATEMENT_TIMEOUT
    app = build(settings, statement_timeout=timeout)
    try:
        app.require_schema()
        app.finish_installation(lambda line: print(line, file=sys.stderr))
        return answering(app)
    finally:
        app.close()


def _report(error: PatchbayError, as_json: bool) -> int:
    hint = f" {error.hint}" if error.hint else ""
    line = " ".join(f"{error.message}{hint}".split())
    if as_json:
        told = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        try:
            _print(json.dumps(told, ensure_ascii=False, indent=2))
        except BrokenPipeError:
            _silence_stdout()
    print(f"error: {_plain(line)}", file=sys.stderr)
    return error.exit_code


def _unexpected(error: Exception) -> PatchbayError:
    if wants_tracebacks():
        traceback.print_exception(error)
    said = " ".join(str(error).split())[:300]
    return PatchbayError(
        f"Something that Patchbay did not expect happened ({type(error).__name__}{f': {said}' if said else ''}).",
        hint="Run it again with PATCHBAY_DEBUG=1 to see where.",
    )


def _print(text: str) -> None:
    """Write to stdout whatever its encoding can hold, and notice a closed pipe now rather than at exit."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _plain(text: str) -> str:
    """Without control characters: a name from the database must not steer a terminal."""
    return "".join(c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _silence_stdout() -> None:
    """Python flushes stdout at exit; that must not complain about the closed pipe a second time."""
    with contextlib.suppress(OSError, ValueError):  # in tests stdout is no file, and nothing is flushed to a pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
