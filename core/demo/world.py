"""Composes the demo's world. Pure: the same seed, size and moment give the same world; nothing is written."""

from datetime import UTC, datetime
from typing import Final

from core.demo.rows import World
from core.demo.scenes import SCENES, everyday, fresh_leads, pending
from core.demo.stage import Stage
from core.errors import BadInput

DEFAULT_CALLS: Final = 2_000
DEFAULT_SEED: Final = 7
MOST_CALLS: Final = 100_000
LEAST_CALLS: Final = 100
"""Fewer would not leave a world in which most calls are linked once every cause and conflict has its example."""
PENDING_CALLS: Final = 4


def make_world(calls: int = DEFAULT_CALLS, seed: int = DEFAULT_SEED, now: datetime | None = None) -> World:
    """A world of ``calls`` calls in the 60 days up to ``now`` (the present when None; a naive time is read as UTC).

    :raises BadInput: when ``calls`` is not between 1 and 100,000. Fewer than :data:`LEAST_CALLS` are raised to it.
    """
    if not 1 <= calls <= MOST_CALLS:
        raise BadInput(f"The number of calls is {calls}: expected 1 to {MOST_CALLS:,}.")
    moment = now or datetime.now(UTC)
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    stage = Stage(seed, aware.replace(microsecond=0))
    wanted = max(calls, LEAST_CALLS)
    for scene in SCENES:
        scene.play(stage, scene.size(wanted))
    fresh_leads(stage, wanted)
    pending(stage, PENDING_CALLS)
    everyday(stage, wanted - len(stage.expected))
    return stage.world()
