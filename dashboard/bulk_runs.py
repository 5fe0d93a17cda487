"""Bulk links that this server works on, each in a thread of its own: closing the browser does not stop one.

What a batch has done is in the database, not here, so every window of every server sees it. A server that stops leaves
its batches as they are; anybody may carry them on.
"""

import logging
import threading

from core.errors import PatchbayError
from core.linking import Linking

log = logging.getLogger("patchbay.bulk")

_working: set[str] = set()
_lock = threading.Lock()


def start(linking: Linking, batch_id: str) -> None:
    """Work on a batch until it is done, unless this server does already.

    :param linking: acts as the person who started it, also after they have left.
    """
    with _lock:
        if batch_id in _working:
            return
        _working.add(batch_id)
    threading.Thread(target=_work, args=(linking, batch_id), name=f"bulk-{batch_id}", daemon=True).start()


def works_on(batch_id: str) -> bool:
    """Whether this server works on a batch."""
    return batch_id in _working


def _work(linking: Linking, batch_id: str) -> None:
    try:
        linking.carry_out(batch_id)
    except PatchbayError as error:
        log.warning("bulk link %s stopped: %s", batch_id, error.code)
    except Exception:
        log.exception("bulk link %s stopped unexpectedly", batch_id)
    finally:
        with _lock:
            _working.discard(batch_id)
