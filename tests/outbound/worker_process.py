"""``python -m core worker`` with a shorter lock: no test waits half a minute for a job to be given up."""

import functools
import sys

from core import app
from core.cli import main

app.Pace = functools.partial(app.Pace, lock_seconds=float(sys.argv[1]))  # type: ignore[misc]
sys.exit(main(["worker"]))
