"""The built-in carrier: without Twilio credentials it plays calls, so that the whole chain can be seen to work.

Nothing leaves the machine. A call lives a few seconds: queued, initiated, ringing, answered, some lines of both sides,
completed with a duration and a recording; each step is saved by the very functions that Twilio's callbacks go through
(:mod:`core.inbound`). With credentials set it cannot even be constructed.

What happens depends on the number alone (the first four are Twilio's own magic numbers, the others ours):

================  =====================================================================
``+15005550001``  refused: no valid number (21217)
``+15005550002``  refused: cannot be reached (21214)
``+15005550003``  refused: the account may not call this country (21215)
``+15005550004``  refused: calls to this number are not allowed (21216)
``+15005550007``  busy
``+15005550008``  nobody answers
``+15005550009``  the call fails
``+15005550010``  answered, and nobody says anything
``+15005550011``  too many requests: nothing is dialled
``+15005550012``  the answer to dialling is lost, the call goes on
others            answered, with a conversation
================  =====================================================================
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from core.errors import NotAllowed, PatchbayError
from core.inbound import StatusCallback, save_callback, save_line
from core.inbound.transcripts import Role
from core.model import phone
from core.outbound.carrier import Dialled, Rejected, Unknown
from core.settings import Settings
from core.store.gateway import Gateway
from core.telephony.codes import explain
from core.telephony.errors import Throttled
from core.telephony.known_call import FINAL, KnownCall

OURS = "+15005550006"
"""The number that simulated calls come from when none is set: Twilio's magic caller."""
REFUSED: Mapping[str, int] = {
    "+15005550001": 21217,
    "+15005550002": 21214,
    "+15005550003": 21215,
    "+15005550004": 21216,
}
ENDINGS: Mapping[str, str] = {"+15005550007": "busy", "+15005550008": "no-answer", "+15005550009": "failed"}
SILENT = "+15005550010"
THROTTLED = "+15005550011"
LOST = "+15005550012"
MAGIC = frozenset({*REFUSED, *ENDINGS, SILENT, THROTTLED, LOST})
"""Numbers that belong to nobody and decide what happens."""

GREETING = "Hello, this is a test call. Can you hear me?"
CONVERSATION: tuple[tuple[Role, str], ...] = (
    ("user", "Yes, I can hear you well."),
    ("assistant", "Good. I only wanted to see that this call reaches the right place."),
    ("user", "Then it seems to work. Goodbye."),
)
ANSWERED_AT = 0.35
"""The part of a call's life that passes until somebody answers."""
TRIES = 3
NOT_PLAYED = (
    "No Twilio account is set, and simulated calls go only to numbers on TEST_CALL_ALLOWLIST, or to leads of demo data."
)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Life:
    """One call that is being played."""

    call: KnownCall
    attempt_id: str
    greeting: str


class SimulatedCarrier:
    """Implements :class:`core.outbound.carrier.Carrier` without a telephone network.

    It knows the calls of its own process only, as long as that lives.

    :param gateway: where callbacks and lines are saved.
    :param seconds: how long a call lasts; None: as the settings say.
    :param plays: whether a call to a number may be played: a simulated call to a customer's lead would say that the
        lead was contacted, and nobody was.
    :raises NotAllowed: when a Twilio account is set, if only by half.
    """

    simulated = True

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        *,
        seconds: float | None = None,
        plays: Callable[[str], bool] = lambda number: True,
    ) -> None:
        if settings.names_twilio:
            raise NotAllowed(
                "Calls are not simulated while a Twilio account is set.",
                hint="Take TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN out to simulate calls.",
            )
        self._gateway, self._plays = gateway, plays
        self._seconds = settings.simulated_seconds if seconds is None else seconds
        ours = phone.normalise(settings.twilio_phone_number or "", settings.default_region).e164
        self._ours = ours or OURS
        self._calls: dict[str, KnownCall] = {}
        self._lives: list[threading.Thread] = []
        self._lock = threading.Lock()

    def dial(self, to: str, *, attempt_id: str, message: str | None, metadata: Mapping[str, Any]) -> Dialled:
        """Begin to play a call; see :meth:`core.outbound.carrier.Carrier.dial`."""
        if to in REFUSED:
            raise Rejected(explain(REFUSED[to]).sentence, code=REFUSED[to])
        if to == THROTTLED:
            raise Throttled(explain(20429).sentence, code=20429, retry_after=1.0)
        if not self._plays(to):
            raise Rejected(NOT_PLAYED)
        now = datetime.now(UTC)
        call = KnownCall(
            call_sid="CA" + secrets.token_hex(16),
            to=to,
            status="queued",
            direction="outbound-api",
            created_at=now,
            from_number=self._ours,
        )
        self._begin(_Life(call, attempt_id, message or GREETING))
        if to == LOST:
            raise Unknown("The answer to dialling was lost; a callback will tell what came of it.")
        return Dialled(call.call_sid, call.status, now)

    def fetch(self, call_sid: str) -> KnownCall | None:
        """A call that this process has played or is playing, else None."""
        with self._lock:
            return self._calls.get(call_sid)

    def calls_to(self, number: str, since: datetime) -> list[KnownCall]:
        """This process's calls to a number since a time, newest first."""
        with self._lock:
            found = [call for call in self._calls.values() if call.to == number]
        return [call for call in reversed(found) if call.created_at is None or call.created_at >= since]

    def numbers(self) -> frozenset[str]:
        """None: it is no account."""
        return frozenset()

    def wait(self, seconds: float) -> bool:
        """Wait until every call that is being played has ended; says whether it has."""
        end = time.monotonic() + seconds
        with self._lock:
            lives = list(self._lives)
        for life in lives:
            life.join(max(0.0, end - time.monotonic()))
        return not any(life.is_alive() for life in lives)

    def _begin(self, life: _Life) -> None:
        thread = threading.Thread(target=self._play, args=(life,), name="simulated-call", daemon=True)
        with self._lock:
            self._calls[life.call.call_sid] = life.call
            self._lives = [*(other for other in self._lives if other.is_alive()), thread]
        thread.start()

    def _play(self, life: _Life) -> None:
        try:
            self._ring(life)
            ending = ENDINGS.get(life.call.to)
            if ending is None:
                self._talk(life)
            self._say(life, 3, ending or "completed", answered=ending is None)
        except PatchbayError as error:
            log.warning("a simulated call ended early: %s", error.code)  # the code only: messages may hold more

    def _ring(self, life: _Life) -> None:
        self._pause(0.05)
        self._say(life, 0, "initiated")
        self._pause(0.1)
        self._say(life, 1, "ringing")
        self._pause(ANSWERED_AT - 0.15)

    def _talk(self, life: _Life) -> None:
        self._say(life, 2, "in-progress")
        lines: tuple[tuple[Role, str], ...] = (("assistant", life.greeting), *CONVERSATION)
        said = () if life.call.to == SILENT else lines
        for number, (role, words) in enumerate(said):
            self._pause(0.5 / len(lines))
            self._saved(partial(self._speak, life.call.call_sid, role, words, datetime.now(UTC), f"simulated-{number}"))
        self._pause(1 - ANSWERED_AT - 0.5 * len(said) / len(lines))

    def _speak(self, call_sid: str, role: Role, words: str, at: datetime, message_id: str) -> None:
        save_line(self._gateway, call_sid, role, words, at, message_id)

    def _say(self, life: _Life, sequence: int, status: str, *, answered: bool = False) -> None:
        now, sid = datetime.now(UTC), life.call.call_sid
        with self._lock:
            known = replace(self._calls[sid], status=status)
            if status == "in-progress":
                known = replace(known, started_at=now)
            if status in FINAL:
                lasted = (now - known.started_at).total_seconds() if known.started_at else 0.0
                known = replace(known, ended_at=now, duration=max(round(lasted), 1) if answered else 0)
            self._calls[sid] = known
        callback = StatusCallback(
            call_sid=sid,
            status=status,
            direction=known.direction,
            from_number=known.from_number,
            to_number=known.to,
            minutes=None if known.duration is None else -(-known.duration // 60),
            seconds=known.duration,
            recording_sid="RE" + sid[2:] if answered else None,
            recording_url=f"simulated:RE{sid[2:]}" if answered else None,
            at=now,
            sequence=sequence,
            attempt_id=life.attempt_id,
        )
        self._saved(partial(save_callback, self._gateway, callback))

    def _saved(self, save: Callable[[], object]) -> None:
        """Like Twilio, which sends a callback again when it was not taken."""
        for attempt in range(1, TRIES + 1):
            try:
                save()
                return
            except PatchbayError:
                if attempt == TRIES:
                    raise
                time.sleep(0.5 * attempt)

    def _pause(self, part: float) -> None:
        time.sleep(max(0.0, part) * self._seconds)
