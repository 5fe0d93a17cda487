"""What the Queue page reads: who works, how many jobs there are, jobs as lists. Kept for seconds only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import streamlit as st

from core import app as console
from core.errors import PatchbayError, Unavailable
from core.http.outbound import dialling_here
from core.outbound.board import FINISHED, Board, BoardPage, Entry
from core.outbound.queue import STATES, Workers
from dashboard import identity

PAGE_SIZE = 50
LIVE_SECONDS = 3.0
MANY = 50_000
"""Kept jobs; counting more of them takes too long to be done every few seconds."""
MANY_SECONDS = 60.0
MOST_AT_ONCE = 1000
"""Jobs that one bulk action may touch."""

VIEWS: tuple[str, ...] = ("all", *STATES, "recurring", "unlinked")
"""The lists of the page: every job that is known, the states, what recurs, jobs whose call is unlinked.

What is finished is listed and counted as it is kept; what is not, as the queue has it.
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the queue cannot be used, and what to do."""

    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the queue is.

    :ivar counts: jobs that the queue has, by state, with ``recurring``; empty where it does not answer.
    :ivar known: jobs that were kept: ``all``, and those of each finished state.
    :ivar here: this very process takes jobs.
    :ivar workers: who is connected to take jobs, or None where that cannot be told.
    :ivar last_taken: when a worker last took a job, as far as that was kept.
    """

    where: str | None
    counts: dict[str, int]
    here: bool
    workers: Workers | None
    last_taken: datetime | None
    problem: Problem | None = None
    known: Mapping[str, int] = field(default_factory=dict)

    def number(self, view: str) -> int | None:
        """How many jobs a list has; None where that is not known, and for the list that is never counted."""
        return self.known.get(view) if view == "all" or view in FINISHED else self.counts.get(view)

    @property
    def is_worked(self) -> bool | None:
        """Whether anybody takes jobs; None where that cannot be told."""
        if self.here:
            return True
        return None if self.workers is None else self.workers.ours or self.workers.theirs


@dataclass(frozen=True, slots=True)
class Recurring:
    """A call that is dialled again and again.

    :ivar every: milliseconds between two calls; ``pattern``: a cron expression (UTC). One of them.
    :ivar next: milliseconds since 1970.
    """

    key: str
    name: str
    every: int | None
    pattern: str | None
    next: int | None


def board() -> Board:
    """The queue for the signed-in person."""
    shared = console.shared()
    return Board(shared.queue, shared.gateway, shared.settings.default_region, identity.current_actor())


def simulated() -> bool:
    """Whether calls are played by the built-in carrier."""
    return console.shared().telephony.simulated


def shares_a_redis() -> bool:
    """Whether the queue lies in a Redis: then others work it, and this server does not."""
    return console.shared().settings.redis_url is not None


@st.cache_data(ttl=LIVE_SECONDS, max_entries=4, show_spinner=False)
def pulse() -> Pulse:
    """How the queue is now. A queue that is away is no error: the rest of the page goes on without it."""
    queue, seen = console.shared().queue, _reader()
    where = None
    try:
        where = queue.connection.where
        counts = {**queue.counts(), "recurring": len(queue.recurring())}
        return Pulse(where, counts, dialling_here(), queue.workers(), seen.last_taken(), known=_known(seen))
    except Unavailable as error:
        problem = Problem(error.message, error.hint)
        return Pulse(where, {}, dialling_here(), None, _last_taken(seen), problem, _known(seen))


@st.cache_data(ttl=LIVE_SECONDS, max_entries=32, show_spinner=False)
def page(view: str, after: str | None) -> BoardPage:
    """One page of a list.

    :param view: one of :data:`VIEWS` but ``recurring``.
    """
    if view in FINISHED:
        return _reader().finished(view, after, PAGE_SIZE)
    if view in STATES:
        offset = int(after) if after and after.isascii() and after.isdigit() and len(after) < 8 else 0
        return _reader().page(view, offset, PAGE_SIZE)
    return _reader().kept(after, PAGE_SIZE, unlinked=view == "unlinked")


@st.cache_data(ttl=LIVE_SECONDS, max_entries=32, show_spinner=False)
def found(text: str) -> BoardPage:
    """The jobs that a text names."""
    return _reader().find(text)


@st.cache_data(ttl=LIVE_SECONDS, max_entries=32, show_spinner=False)
def entry(key: str) -> Entry:
    """One job."""
    return _reader().entry(key)


@st.cache_data(ttl=LIVE_SECONDS, max_entries=4, show_spinner=False)
def recurring() -> list[Recurring]:
    """What is dialled again and again, the next first."""
    known = [Recurring(str(row["key"]), str(row["name"] or ""), row["every"], row["pattern"], row["next"])
             for row in console.shared().queue.recurring()]  # fmt: skip
    return sorted(known, key=lambda each: each.next or 0)


def clear() -> None:
    """Forget what was read: something was done with a job. Serves as ``on_click``."""
    for cached in (pulse, page, found, entry, recurring):
        cached.clear()


def _reader() -> Board:
    shared = console.shared()
    return Board(shared.queue, shared.gateway, shared.settings.default_region)


def agree(view: str) -> None:
    """Count again where a list that fits one page has another number of jobs than was counted a moment before."""
    if view == "unlinked" or pulse().problem is not None:
        return
    if view == "recurring":
        listed: int | None = len(recurring())
    else:
        read = page(view, None)
        listed = read.total if read.total is not None else None if read.following else len(read.entries)
    if listed is not None and listed != pulse().number(view):
        pulse.clear()
        _counted.clear()


def _known(seen: Board) -> dict[str, int]:
    try:
        counted = _counted()
        return counted if counted["all"] > MANY else seen.known()
    except PatchbayError:
        return {}


@st.cache_data(ttl=MANY_SECONDS, max_entries=2, show_spinner=False)
def _counted() -> dict[str, int]:
    return _reader().known()


def _last_taken(seen: Board) -> datetime | None:
    try:
        return seen.last_taken()
    except PatchbayError:
        return None
