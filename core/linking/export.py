"""Worklists as CSV, row by row, for spreadsheets and for scripts: calls, numbers with unlinked calls, conflicts.

Cells that a spreadsheet would run as a formula (they begin with ``= + - @``, a tab or a line end, also in full width)
get an apostrophe before them, so that they stay text. A cell that is an E.164 number and nothing else, such as
``+14155552671``, is left alone: a plus and digits are no formula that does anything, and the number stays usable for
other programs. Other writings of numbers that begin with ``+`` get the apostrophe.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from core.linking.conflicts import ConflictDetail
from core.linking.results import WorklistPage
from core.linking.views import NumberGroup
from core.model.records import Call

MOST_ROWS = 100_000
ROWS_AT_ONCE = 1_000
BYTE_ORDER_MARK = "\ufeff"
"""Excel reads a CSV file as UTF-8 only when it begins with this."""

COLUMNS: Mapping[str, Callable[[Call], Any]] = {
    "call_sid": lambda call: call.call_sid,
    "started_at": lambda call: call.started_at.isoformat(),
    "state": lambda call: call.state,
    "direction": lambda call: call.direction,
    "counterpart": lambda call: call.counterpart,
    "from_number": lambda call: call.from_number,
    "to_number": lambda call: call.to_number,
    "status": lambda call: call.status,
    "duration_seconds": lambda call: call.duration,
    "transcript_lines": lambda call: call.transcript_count,
    "lead_id": lambda call: call.lead_id,
    "cause": lambda call: call.suspect or call.cause,
    "best_lead_id": lambda call: call.best_lead_id,
    "best_lead_name": lambda call: call.best_lead_name,
    "best_lead_phone": lambda call: call.best_lead_phone,
    "confidence": lambda call: call.best_confidence,
}
SENTENCES = ("detail", "reason")
HEAD = (*COLUMNS, *SENTENCES)

NUMBER_COLUMNS: Mapping[str, Callable[[NumberGroup], Any]] = {
    "counterpart": lambda group: group.counterpart,
    "calls": lambda group: group.calls,
    "inbound": lambda group: group.inbound,
    "newest": lambda group: group.newest.isoformat(),
    "oldest": lambda group: group.oldest.isoformat(),
    "causes": lambda group: "; ".join(f"{cause} {count}" for cause, count in sorted(group.causes.items())),
    "best_lead_id": lambda group: group.best_lead_id,
    "best_lead_name": lambda group: group.best_lead_name,
    "best_lead_phone": lambda group: group.best_lead_phone,
    "confidence": lambda group: group.best_confidence,
}
CONFLICT_COLUMNS: Mapping[str, Callable[[ConflictDetail], Any]] = {
    "kind": lambda item: item.conflict.kind,
    "call_sid": lambda item: item.conflict.call_sid,
    "call_sids": lambda item: "; ".join(item.conflict.call_sids),
    "started_at": lambda item: item.conflict.started_at.isoformat() if item.conflict.started_at else None,
    "lead_ids": lambda item: "; ".join(map(str, item.conflict.lead_ids)),
    "rows": lambda item: item.conflict.row_count,
    "detail": lambda item: item.sentence,
    "remedy": lambda item: item.conflict.remedy,
}

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rows(pages: Iterator[WorklistPage], total: int) -> Iterator[str]:
    """The file's lines: a head, one line for each call, and a note as the last line when calls are left out.

    :param pages: the worklist's pages, fetched as they are asked for.
    :param total: how many calls the worklist has.
    """
    found = (_call(call, page) for page in pages for call in page.items)
    return _file(HEAD, found, f"{total:,} calls are in this file: filter by date for the others.")


def _call(call: Call, page: WorklistPage) -> Sequence[object]:
    said = (page.details.get(call.call_sid), page.reasons.get(call.call_sid))
    return (*(read(call) for read in COLUMNS.values()), *said)


def number_rows(groups: Iterator[NumberGroup], total: int) -> Iterator[str]:
    """The file's lines: a head and one line for each number; see :func:`rows`."""
    found = ([read(group) for read in NUMBER_COLUMNS.values()] for group in groups)
    return _file(tuple(NUMBER_COLUMNS), found, f"{total:,} numbers are in this file: filter by date for the others.")


def conflict_rows(items: Iterator[ConflictDetail], total: int) -> Iterator[str]:
    """The file's lines: a head and one line for each conflict; see :func:`rows`."""
    found = ([read(item) for read in CONFLICT_COLUMNS.values()] for item in items)
    return _file(tuple(CONFLICT_COLUMNS), found, f"{total:,} conflicts are in this file: settle some, then go on.")


def _file(head: Sequence[str], found: Iterator[Sequence[object]], left_out: str) -> Iterator[str]:
    yield BYTE_ORDER_MARK + line(head)
    for written, values in enumerate(found):
        if written == MOST_ROWS:
            yield line((f"Only the first {MOST_ROWS:,} of {left_out}",))
            return
        yield line(values)


def line(values: Sequence[object]) -> str:
    """One line of CSV with its line end."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow([cell(value) for value in values])
    return buffer.getvalue()


def cell(value: object) -> str:
    """A value as text that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    if isinstance(value, int) or _E164.fullmatch(text):
        return text
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) else text
