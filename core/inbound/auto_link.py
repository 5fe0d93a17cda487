"""Automatic linking of calls that came in through us: the guide's step after a saved transcript, by the evidence rules.

Tried after a call's first line, at its end, and again when its lead appears later. Only certain or high candidates, and
never over anything that is there: a lead's filled slot stays, the call joins its history. A lead is never invented.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from core.access import Identity
from core.errors import NotFound, PatchbayError, Unavailable
from core.linking import Linking
from core.linking.bulk_work import NotLinked
from core.model.records import LinkEvent
from core.store.gateway import Gateway

ACTOR = "Automatic linking"
REASON = "Linked when its words were saved."
PAUSE_SECONDS = 3.0
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Twilio's final states."""
REMEMBERED = 10_000
SETTLED = frozenset({"already_linked", "set_aside", "unlinked_by_hand", "test"})
"""Reasons that no later lead changes."""

log = logging.getLogger(__name__)


class AutoLink(threading.Thread):
    """Links calls beside whoever saves them, until it is stopped.

    :param ways: gives the links and the way into the database; may raise errors of :mod:`core.errors`.
    :param pause: seconds between looks for leads that appeared later.
    """

    def __init__(self, ways: Callable[[], tuple[Linking, Gateway]], pause: float = PAUSE_SECONDS) -> None:
        super().__init__(name="auto-link", daemon=True)
        self._ways, self._pause = ways, pause
        self._wanted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._heard: dict[str, None] = {}
        self._waiting: set[str] = set()
        self._said: str | None = None
        self._ending = threading.Event()

    def saved(self, kind: str, item: Mapping[str, Any]) -> None:
        """Something of a call was saved (:class:`core.inbound.inbox.Inbox` says so): is it time to link it?"""
        call_sid = item["call_sid"]
        if kind == "line" and call_sid in self._heard:
            return
        if kind == "line":
            self._heard[call_sid] = None
            while len(self._heard) > REMEMBERED:
                self._heard.pop(next(iter(self._heard)))
        elif item.get("status") not in FINAL:
            return
        self._wanted.put(call_sid)

    def run(self) -> None:
        """The thread's body."""
        while not self._ending.is_set():
            try:
                wanted = self._wanted.get(timeout=self._pause)
            except queue.Empty:
                self._guarded(self._look_again)
                continue
            if wanted is not None:
                self._waiting.add(wanted)
            self._guarded(self._try_waiting)

    def stop(self, seconds: float = 5.0) -> None:
        """Ask it to end and wait for the call that is under way."""
        self._ending.set()
        self._wanted.put(None)
        if self.is_alive():
            self.join(seconds)

    def _try_waiting(self) -> None:
        linking, gateway = self._acting()
        for call_sid in list(self._waiting):
            gateway.call("want_auto_link", p_call_sid=call_sid)
            self._try(linking, gateway, call_sid)
            self._waiting.discard(call_sid)

    def _look_again(self) -> None:
        if self._waiting:
            self._try_waiting()
        linking, gateway = self._acting()
        for call_sid in gateway.call("auto_links_due"):
            self._try(linking, gateway, call_sid)

    def _try(self, linking: Linking, gateway: Gateway, call_sid: str) -> None:
        outcome, done = attempt(linking, call_sid)
        gateway.call("note_auto_link", p_call_sid=call_sid, p_outcome=outcome, p_done=done)

    def _acting(self) -> tuple[Linking, Gateway]:
        linking, gateway = self._ways()
        return linking.acting_as(Identity(ACTOR, "operator", "token")), gateway

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._said = None
        except PatchbayError as error:
            if error.code != self._said:  # a database that is away for an hour is one line, not a thousand
                log.warning("automatic linking waits: %s", error.code)
            self._said = error.code
            self._ending.wait(self._pause)
        except Exception as error:  # a thread that died would link nothing any more, unseen
            log.error("automatic linking failed: %s", type(error).__name__)
            self._ending.wait(self._pause)


def attempt(linking: Linking, call_sid: str) -> tuple[str, bool]:
    """Try to link one call, and say it in the guide's words in the log.

    :return: what came of it, and whether that is the end of it.
    :raises core.errors.Unavailable: when the database does not answer; it is tried again.
    """
    try:
        said = linking.link_automatically(call_sid, REASON)
    except Unavailable:
        raise
    except NotFound:
        return "no_such_call", False
    except PatchbayError as error:  # this one cannot be linked as things are; the others can
        log.warning("⚠️  Could not update lead with call_sid %s: %s", call_sid, error.code)
        return error.code, False
    if isinstance(said, NotLinked):
        if said.reason != "already_linked":
            log.warning("⚠️  Could not update lead with call_sid %s: %s", call_sid, said.reason)
        return said.reason, said.reason in SETTLED
    _log_link(said)
    return "linked", True


def _log_link(event: LinkEvent) -> None:
    slots = event.after.get("leads", {})
    if slots.get(str(event.lead_id)) == event.call_sid:
        log.info("Lead %s has call_sid %s now", event.lead_id, event.call_sid)
    else:
        log.info("✅ Lead %s already has call_sid set; %s joins its history", event.lead_id, event.call_sid)
