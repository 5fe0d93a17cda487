"""The words that every repair takes: who does it, why, and a name for doing it once."""

import argparse

from core.linking import Options, commands
from core.settings import Settings


def signed(settings: Settings, words: argparse.Namespace) -> Options:
    """``--actor``, ``--reason`` and the others as options, checked; nothing is looked up.

    :raises core.errors.BadInput: for a value that cannot be meant.
    """
    options = given(words)
    commands.sql_options(options, actor=settings.actor)
    return options


def given(words: argparse.Namespace) -> Options:
    """The same for a command that is checked as a whole (:func:`core.linking.commands.check`)."""
    return Options(
        actor=words.actor,
        reason=words.reason,
        request_id=getattr(words, "request_id", None),
        current=getattr(words, "current", False),
        mark_contacted=getattr(words, "mark_contacted", False),
    )
