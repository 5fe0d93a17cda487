"""CSV that no spreadsheet runs, and that other programs can still read."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from core.linking import export
from core.linking.results import WorklistPage
from core.model.records import Call

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=cmd", "+1 (415) 555-0199", "+14155550199+1",
     "+14155550199;=1", "＝1", "＠x", "-", "+cmd|' /C calc'!A0"],
)  # fmt: skip
def test_what_would_be_a_formula_stays_text(text: str) -> None:
    assert export.cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["+14155550199", "+919876543210", "Ann", "O'Neil", "a=b", "1-2", "", "'=1", "CA0-1"])
def test_what_is_none_stays_as_it_is(text: str) -> None:
    assert export.cell(text) == text


def test_plain_values() -> None:
    assert [export.cell(value) for value in (None, 0, -5, 61)] == ["", "0", "-5", "61"]


def test_quotes_commas_and_line_ends_are_read_back_as_they_were() -> None:
    values = ['a "quoted" word', "one, two", "two\nlines", "naïve ünï 電話"]
    assert next(csv.reader(io.StringIO(export.line(values), newline=""))) == values


def _pages(calls: int, size: int, asked: list[int]) -> Iterator[WorklistPage]:
    for start in range(0, calls, size):
        asked.append(start)
        found = (Call(f"CA{n}", "unlinked", START, from_number="=1") for n in range(start, min(start + size, calls)))
        yield WorklistPage(tuple(found), None, {f"CA{start}": "=SUM(1)"})


def test_rows_come_page_by_page() -> None:
    asked: list[int] = []
    lines = export.rows(_pages(25, 10, asked), 25)
    assert next(lines).startswith(f"{export.BYTE_ORDER_MARK}call_sid,started_at,state,")
    assert asked == []
    first = next(csv.reader([next(lines)]))
    assert asked == [0]
    assert dict(zip(export.HEAD, first, strict=True)) | {"detail": "'=SUM(1)", "from_number": "'=1"} == dict(
        zip(export.HEAD, first, strict=True)
    )
    assert len(list(lines)) == 24


def test_a_file_that_is_cut_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_ROWS", 12)
    asked: list[int] = []
    lines = list(export.rows(_pages(25, 5, asked), 25))
    assert len(lines) == 1 + 12 + 1
    assert (
        lines[-1].strip().strip('"') == "Only the first 12 of 25 calls are in this file: filter by date for the others."
    )
    assert asked == [0, 5, 10], "no page is read that is not written"
    assert len(list(export.rows(_pages(12, 5, []), 12))) == 13, "nothing is left out, nothing is said"
