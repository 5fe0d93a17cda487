"""Links and sessions before the database has our tables.

Somebody has to see the page that says what to paste into the project's SQL editor, so the one-time link and the session
that it opens are kept in this process's memory until then. Only for this machine's user; accounts need the tables.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from core.errors import MigrationNeeded


class Caller(Protocol):
    """The part of :class:`core.store.gateway.Gateway` that keys need."""

    def call(self, function: str, **args: Any) -> Any:
        """Call a SQL function with named arguments."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """A code (``told`` is its purpose) or a session (``told`` is what the database would say of it)."""

    told: Any
    ends: float
    seen: float


class Provisional:
    """Calls go to the database; where it lacks our functions, codes and sessions are kept here, under the same rules.

    :param clock: seconds that only go forward.
    """

    def __init__(self, caller: Caller, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._caller, self._clock = caller, clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._ours: Mapping[str, Callable[[str, dict[str, Any]], Any]] = {
            "patchbay_one_time_issue": self._issue,
            "patchbay_one_time_is_live": lambda key, _args: self._living(key) is not None,
            "patchbay_one_time_redeem": self._redeem,
            "patchbay_session_open": self._open,
            "patchbay_session": self._session,
            "patchbay_session_close": lambda key, _args: self._kept.pop(key, None) and None,
        }

    def call(self, function: str, **args: Any) -> Any:
        """As :meth:`core.store.gateway.Gateway.call`; a key that is kept here is answered from here."""
        key = str(args.get("p_key"))
        if function not in self._ours:
            return self._caller.call(function, **args)
        if key not in self._kept:
            try:
                return self._caller.call(function, **args)
            except MigrationNeeded:
                pass
        with self._lock:
            return self._ours[function](key, args)

    def _issue(self, key: str, args: dict[str, Any]) -> None:
        self._keep(key, args["p_purpose"], args["p_seconds"])

    def _redeem(self, key: str, args: dict[str, Any]) -> bool:
        kept = self._living(key)
        self._kept.pop(key, None)
        return kept is not None and kept.told == args["p_purpose"]

    def _open(self, key: str, args: dict[str, Any]) -> bool:
        if args["p_user_id"] is not None:
            return False
        told = {"name": args["p_name"], "role": args["p_role"], "method": args["p_method"]}
        self._keep(key, told, args["p_seconds"])
        return True

    def _session(self, key: str, args: dict[str, Any]) -> Any:
        kept, now = self._living(key), self._clock()
        if kept is None or not isinstance(kept.told, dict) or now - kept.seen >= args["p_idle_seconds"]:
            return None
        if args["p_touch"]:
            self._kept[key] = replace(kept, seen=now)
        return kept.told

    def _keep(self, key: str, told: Any, seconds: float) -> None:
        now = self._clock()
        self._kept = {known: kept for known, kept in self._kept.items() if kept.ends > now}
        self._kept[key] = _Kept(told, now + seconds, now)

    def _living(self, key: str) -> _Kept | None:
        kept = self._kept.get(key)
        return kept if kept is not None and kept.ends > self._clock() else None
