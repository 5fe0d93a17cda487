"""What a command answers, and how: first the words are checked without a database, then the app is asked."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from core.app import App
from core.cli import text
from core.model.records import LinkEvent
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Answer:
    """One JSON document, and the same for people."""

    document: Any
    text: str


Answering: TypeAlias = Callable[[App], Answer]
"""The second step of a command. Every read judges first, so that no cause is stale."""
Handler: TypeAlias = Callable[[Settings, argparse.Namespace], Answering]
"""The first step: it raises :class:`core.errors.BadInput` before anything is looked up."""


def did(event: LinkEvent | None, unchanged: str, warnings: Sequence[str] = ()) -> Answer:
    """What a repair did.

    :param unchanged: the sentence for a repair that had nothing to do.
    """
    return _unchanged(unchanged) if event is None else Answer(event.to_json(), text.event(event, warnings))


def would(event: LinkEvent | None, unchanged: str) -> Answer:
    """What a repair would do."""
    return _unchanged(unchanged) if event is None else Answer(event.to_json(), text.preview(event))


def _unchanged(sentence: str) -> Answer:
    return Answer({"changed": False, "message": sentence}, sentence)
