"""What the log says of an exception: where it was and of which type, never its text.

Texts of exceptions quote what they stumbled over: PostgreSQL names the failing row, a parser its input. Rows hold phone
numbers and what people said.
"""

import logging
import traceback
from typing import Any


def leave_texts_out() -> None:
    """From now on, whoever logs an exception in this process: its stack, its type and its code are written."""
    if isinstance(logging.getLogRecordFactory(), _WithoutTexts):
        return
    logging.setLogRecordFactory(_WithoutTexts(logging.getLogRecordFactory()))


def stack(error: BaseException) -> str:
    """The stacks of an exception and of those that led to it, the oldest first, without their texts."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = [] if earlier is None else [stack(earlier), "which led to"]
    parts += [stack(one) for one in getattr(error, "exceptions", ())]
    frames = "".join(traceback.format_tb(error.__traceback__))
    parts.append(f"Traceback (most recent call last):\n{frames}{_kind(error)}")
    return "\n".join(parts)


class _WithoutTexts:
    """Makes records whose exception is written already: formatters keep to that (``LogRecord.exc_text``)."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = stack(record.exc_info[1])
        return record


def _kind(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    code = getattr(error, "sqlstate", None) or getattr(error, "code", None)
    return f"{name} ({code})" if isinstance(code, str | int) else name
