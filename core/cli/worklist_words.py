"""The words that choose a worklist, shared by the commands that list, export and link them."""

import argparse
from dataclasses import replace
from datetime import UTC, datetime

from core.linking import WorklistFilter, fields, worklist
from core.settings import Settings


def wanted(settings: Settings, words: argparse.Namespace) -> WorklistFilter:
    """The filter that ``--view``, ``--cause`` and the others add up to, checked; nothing is looked up.

    :raises core.errors.BadInput: for a value that cannot be meant.
    """
    found = replace(chosen(words), view="unlinked" if words.view is None else words.view)
    worklist.query(found, now=datetime.now(UTC), grace_seconds=0, region=settings.default_region)
    return found


def chosen(words: argparse.Namespace) -> WorklistFilter:
    """What ``--cause``, ``--direction`` and the others choose among the unlinked calls; only the times are checked."""
    return WorklistFilter(
        cause=words.cause,
        direction=words.direction,
        status=words.status,
        number=words.number,
        text=words.text,
        since=None if words.since is None else fields.moment("--since", words.since),
        until=None if words.until is None else fields.moment("--until", words.until),
    )
