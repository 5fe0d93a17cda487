"""Measuring several ways of doing things turn about, so that all of them meet the same machine at the same time."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing done through Patchbay (``ours``) and without it (``bare``), at most ``rounds`` times."""

    name: str
    ours: Work
    bare: Work
    rounds: int
    warm: int = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """What a case took: medians in milliseconds."""

    name: str
    ours: float
    bare: float
    rounds: int

    @property
    def ratio(self) -> float:
        """How many times longer ours takes."""
        return self.ours / self.bare

    def to_json(self) -> dict[str, object]:
        """For the JSON report."""
        return {
            "name": self.name,
            "ms": round(self.ours, 3),
            "bare_ms": round(self.bare, 3),
            "ratio": round(self.ratio, 2),
            "rounds": self.rounds,
        }


def milliseconds(work: Work) -> float:
    """How long it takes once."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def measure(cases: Sequence[Case], seconds: float = 5.0) -> list[Pair]:
    """The same case on databases of several sizes: medians of all their rounds, stopping after ``seconds``."""
    for case in cases:
        for _ in range(case.warm):
            case.ours()
            case.bare()
    works = [work for case in cases for work in (case.ours, case.bare)]
    times: list[list[float]] = [[] for _ in works]
    end = time.perf_counter() + seconds
    for turn in range(min(case.rounds for case in cases)):
        if turn >= 5 and time.perf_counter() > end:
            break
        order = range(len(works)) if turn % 2 else reversed(range(len(works)))
        for place in order:
            times[place].append(milliseconds(works[place]))
    middles = [statistics.median(taken) for taken in times]
    return [
        Pair(case.name, middles[2 * place], middles[2 * place + 1], len(times[2 * place]))
        for place, case in enumerate(cases)
    ]
