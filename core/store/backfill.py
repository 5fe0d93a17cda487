"""The first filling of our tables through the gateway, where no migration runner can do it: in steps that stay short.

Hosted projects stop a statement after some seconds, so a step that was stopped is taken again in smaller portions.
"""

import time
from collections.abc import Callable

from core.errors import TimedOut
from core.store.gateway import Gateway, Where

FIRST_PORTION = 500
LARGEST_PORTION = 4000
SMALLEST_PORTION = 10
QUICK_SECONDS = 0.7
"""A step below this is followed by one twice as large."""
SLOW_SECONDS = 2.5
"""A step above this is followed by one half as large."""
PHASES = ["install", "lead_keys"]
"""What has to be done: everything once, and the keys of leads that were read before there were keys of names."""


def is_filled(gateway: Gateway) -> bool:
    """Whether every call and lead that was there has been taken in.

    :raises core.errors.MigrationNeeded: when the schema is missing.
    """
    rows = gateway.select("patchbay_state", columns=("key", "value"), where=(Where("key", "in", PHASES),))
    return len(rows) == len(PHASES) and all(row["value"].get("phase") == "done" for row in rows)


def fill(gateway: Gateway, progress: Callable[[str], None] = lambda line: None) -> bool:
    """Take in what is there, if that has not been done; several at once, and stopping half-way, do no harm.

    :param progress: told a line for people before the first step and now and then.
    :returns: whether there was something to do.
    :raises core.errors.TimedOut: when even the smallest portion takes too long.
    """
    if is_filled(gateway):
        return False
    progress("reading the calls that are there already")
    portion, seen, told = FIRST_PORTION, 0, 0
    while True:
        began = time.monotonic()
        try:
            looked_at = gateway.call("patchbay_install_step", p_batch=portion)
        except TimedOut:
            if portion <= SMALLEST_PORTION:
                raise
            portion = max(SMALLEST_PORTION, portion // 4)
            continue
        if not looked_at:
            return True
        seen += looked_at
        portion = _next_portion(portion, time.monotonic() - began)
        if seen - told >= 20_000:
            told = seen
            progress(f"{seen} rows read")


def _next_portion(portion: int, seconds: float) -> int:
    if seconds < QUICK_SECONDS:
        return min(LARGEST_PORTION, portion * 2)
    return max(SMALLEST_PORTION, portion // 2) if seconds > SLOW_SECONDS else portion
