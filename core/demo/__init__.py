"""Demo data: an invented business whose calls show every way in which a call is lost and found again."""

from core.demo.filling import STATE_KEY, DemoReport, fill, fill_first_time, require_local
from core.demo.rows import World
from core.demo.world import DEFAULT_CALLS, DEFAULT_SEED, make_world

__all__ = [
    "DEFAULT_CALLS",
    "DEFAULT_SEED",
    "STATE_KEY",
    "DemoReport",
    "World",
    "fill",
    "fill_first_time",
    "make_world",
    "require_local",
]
