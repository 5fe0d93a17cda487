"""Migration files as they lie on disk: names, checksums, statements, and the indexes they want on others' tables."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import Unavailable

FOLDER = Path(__file__).resolve().parents[2] / "migrations"

_NAME = re.compile(r"^(\d{14})_([a-z0-9_]+)\.sql$")
SUPERUSERS_ONLY = " set patchbay.writer = 'ours'"
"""A function's clause that PostgreSQL takes from superusers only, which owners of hosted databases are not. Earlier
files have it; it is left out when they are read, and a later file makes these functions say it in their bodies."""

_TOKEN = re.compile(
    r"""--[^\n]*            # comment to the end of the line
    | /\*.*?\*/             # comment
    | [eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | \$(\w*)\$.*?\$\1\$    # dollar-quoted text
    | ;""",
    re.VERBOSE | re.DOTALL,
)
_CUSTOMER_INDEX = re.compile(
    r"^create\s+(unique\s+)?index\s+if\s+not\s+exists\s+(?P<name>\w+)\s+"
    r"on\s+public\.(?P<table>leads|call_events|conversation_transcripts|call_recordings)\b(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement.

    :ivar text: the statement, without comments before it and without the closing semicolon.
    :ivar line: number of the line in the file on which it begins, from 1.
    """

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class CustomerIndex:
    """An index that a file wants on a table which is not ours: built without blocking that table's writers."""

    name: str
    concurrently: str


@dataclass(frozen=True, slots=True)
class Script:
    """One migration file.

    :ivar version: its 14 digits.
    :ivar text: what is executed or pasted, see :data:`SUPERUSERS_ONLY`.
    :ivar checksum: SHA-256 of the file's text, line ends counted as one character.
    """

    version: str
    name: str
    text: str
    checksum: str

    @property
    def file_name(self) -> str:
        return f"{self.version}_{self.name}.sql"

    @property
    def statements(self) -> list[Statement]:
        return list(split(self.text))

    @property
    def customer_indexes(self) -> list[CustomerIndex]:
        return [index for statement in self.statements if (index := _customer_index(statement.text))]


def load(folder: Path = FOLDER) -> list[Script]:
    """All migration files in order.

    :raises core.errors.Unavailable: when a name does not fit ``<14 digits>_<name>.sql`` or a version comes twice.
    """
    scripts = [_read(path) for path in sorted(folder.glob("*.sql"))]
    versions = [script.version for script in scripts]
    twice = sorted({version for version in versions if versions.count(version) > 1})
    if twice:
        raise Unavailable(f"Two migration files have the version {', '.join(twice)}.")
    if not scripts:
        raise Unavailable(f"There are no migration files in {folder}.")
    return scripts


def split(text: str) -> Iterator[Statement]:
    """The statements of a script; semicolons in quotes, bodies and comments do not end one."""
    start = 0
    for token in _TOKEN.finditer(text):
        if token.group() == ";":
            yield from _statement(text, start, token.start())
            start = token.end()
    yield from _statement(text, start, len(text))


def _read(path: Path) -> Script:
    match = _NAME.match(path.name)
    if not match:
        raise Unavailable(f"The migration file {path.name} has no name like 20260131120000_what_it_does.sql.")
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return Script(match[1], match[2], text.replace(SUPERUSERS_ONLY, ""), checksum)


def _statement(text: str, start: int, end: int) -> Iterator[Statement]:
    whole = text[start:end]
    body = whole.lstrip()
    while body.startswith(("--", "/*")):
        comment = _TOKEN.match(body)
        body = body[comment.end() :].lstrip() if comment else ""
    if body:
        yield Statement(body.rstrip(), text.count("\n", 0, start + len(whole) - len(body)) + 1)


def _customer_index(statement: str) -> CustomerIndex | None:
    match = _CUSTOMER_INDEX.match(statement)
    if not match:
        return None
    unique = "unique " if match[1] else ""
    concurrently = (
        f"create {unique}index concurrently if not exists {match['name']} on public.{match['table']}{match['rest']}"
    )
    return CustomerIndex(match["name"], concurrently)
