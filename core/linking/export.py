"""A worklist as CSV, row by row, for spreadsheets and for scripts.

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

from core.linking.results import WorklistPage
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

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rows(pages: Iterator[WorklistPage], total: int) -> Iterator[str]:
    """The file's lines: a head, one line for each call, and a note as the last line when calls are left out.

    :param pages: the worklist's pages, fetched as they are asked for.
    :param total: how many calls the worklist has.
    """
    yield BYTE_ORDER_MARK + line(HEAD)
    written = 0
    for page in pages:
        for call in page.items:
            if written == MOST_ROWS:
                note = (
                    f"Only the first {MOST_ROWS:,} of {total:,} calls are in this file: filter by date for the others."
                )
                yield line((note,))
                return
            said = (page.details.get(call.call_sid), page.reasons.get(call.call_sid))
            yield line((*(read(call) for read in COLUMNS.values()), *said))
            written += 1


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
