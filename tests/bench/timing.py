"""Measuring two ways of doing the same thing, turn about, so that both meet the same machine."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Pair:
    """Medians in milliseconds: ``ours`` through Patchbay, ``bare`` without it."""

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


def compare(name: str, ours: Work, bare: Work, *, rounds: int, seconds: float = 6.0, warm: int = 5) -> Pair:
    """Medians of up to ``rounds`` turns each, stopping after ``seconds``; ``warm`` turns go unmeasured."""
    for _ in range(warm):
        ours()
        bare()
    end = time.perf_counter() + seconds
    mine: list[float] = []
    others: list[float] = []
    while len(mine) < rounds and (len(mine) < 5 or time.perf_counter() < end):
        for times, work in ((mine, ours), (others, bare)) if len(mine) % 2 else ((others, bare), (mine, ours)):
            times.append(milliseconds(work))
    return Pair(name, statistics.median(mine), statistics.median(others), len(mine))
