"""``python -m core worker`` with a shorter lock: no test waits half a minute for a job to be given up."""

import functools
import sys

from core.cli import main, worker

worker.Pace = functools.partial(worker.Pace, lock_seconds=float(sys.argv[1]))  # type: ignore[misc]
sys.exit(main(["worker"]))
