"""What the log says of an exception."""

import io
import logging
from collections.abc import Iterator

import psycopg
import pytest

from core.errors import Refused
from core.log_records import leave_texts_out, stack

PHONE = "+14155550101"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a stock handler writes while texts are left out."""
    before, stream = logging.getLogRecordFactory(), io.StringIO()
    handler, log = logging.StreamHandler(stream), logging.getLogger("patchbay.test")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
    logging.setLogRecordFactory(logging.LogRecord)
    leave_texts_out()
    yield stream
    logging.setLogRecordFactory(before)
    log.removeHandler(handler)


def _fail() -> None:
    try:
        raise psycopg.errors.UniqueViolation(f"Key (phone)=({PHONE}) already exists.")
    except psycopg.Error as error:
        raise Refused(f"{PHONE} is another lead's.") from error


def test_an_exception_is_logged_by_place_type_and_code_without_its_text(written: io.StringIO) -> None:
    try:
        _fail()
    except Refused:
        logging.getLogger("patchbay.test").exception("reference 1a2b")
    lines = written.getvalue()
    assert PHONE not in lines
    assert lines.startswith("ERROR reference 1a2b\nTraceback (most recent call last):")
    assert "psycopg.errors.UniqueViolation (23505)" in lines
    assert f"core.errors.Refused ({Refused('x').code})" in lines
    assert lines.index("UniqueViolation (23505)") < lines.index("which led to") < lines.index("core.errors.Refused (")
    assert "in _fail" in lines


def test_what_somebody_hides_or_groups_is_told_alike() -> None:
    try:
        try:
            raise ValueError(PHONE)
        except ValueError:
            raise KeyError(PHONE) from None
    except KeyError as error:
        assert "ValueError" not in stack(error)
    told = stack(ExceptionGroup(PHONE, [ValueError(PHONE), OSError(5, PHONE)]))
    assert PHONE not in told
    assert "ValueError" in told
    assert "OSError" in told


def test_records_without_an_exception_stay_as_they_are_and_twice_is_once(written: io.StringIO) -> None:
    factory = logging.getLogRecordFactory()
    leave_texts_out()
    assert logging.getLogRecordFactory() is factory
    logging.getLogger("patchbay.test").warning("%s calls", 3)
    assert written.getvalue() == "WARNING 3 calls\n"
