"""Test calls: does the way from dialling to the linked lead work? Placed once per click, watched stage by stage.

A test call goes only to numbers that TEST_CALL_ALLOWLIST names. What it writes to a lead is what every outbound call
writes (current call, 'contacted', a line in the notes); when it is over the lead gets back what it had, and the link
stays as history. It may keep status, time of contact and note, never the call as its current one. The calls are tagged
(``calls.test``) and left out of the figures.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias, get_args

from core.access.identity import Identity, need_writer
from core.errors import BadInput, NotAllowed, NotFound, PatchbayError, Unavailable
from core.linking import fields
from core.model import phone
from core.model.records import parse_time
from core.outbound.carrier import Carrier, DialError, Unknown
from core.outbound.jobs import ScheduleRequest
from core.settings import Settings
from core.store.gateway import Gateway, Order, Row, Where
from core.telephony.simulator import MAGIC
from core.telephony.test_stages import TestStage, has_ended, judged

Via: TypeAlias = Literal["direct", "queue"]
VIAS: tuple[Via, ...] = get_args(Via)
MESSAGE = "This is a test call. Can you hear me?"
DEMO = "demo_filled_at"
"""The row of ``patchbay_state`` that says that the database holds demo data."""
TWILIO_ALLOWED = "Add it to TEST_CALL_ALLOWLIST (comma-separated numbers) and start again."


class Scheduled(Protocol):
    """A job that was put into the queue."""

    @property
    def job_id(self) -> str:
        """Its id."""
        ...


class Queueing(Protocol):
    """The queue (:class:`core.outbound.queue.OutboundQueue`)."""

    def schedule(self, request: ScheduleRequest) -> Scheduled:
        """Put a call into the queue; the same key gives the same job."""
        ...


@dataclass(frozen=True, slots=True)
class TestCall:
    """One test call.

    :ivar key: one click, one call: the same key never dials twice.
    :ivar to: E.164.
    :ivar via: ``direct`` or ``queue`` (through the outbound worker).
    :ivar carrier: ``twilio`` or ``simulator``.
    :ivar state: ``placing``, ``queued``, ``placed``, ``failed`` or ``unknown`` (perhaps dialled).
    :ivar problem: why it failed, a sentence; ``problem_code``: Twilio's error code.
    :ivar keep: the lead keeps status, time of contact and note as the call wrote them.
    :ivar restored_at: when it got back what it had, or with ``keep`` its current call.
    """

    __test__ = False  # not a class of tests

    id: int
    key: str
    at: datetime
    actor: str
    to: str
    lead_id: int | None
    via: Via
    carrier: str
    state: str
    call_sid: str | None = None
    job_id: str | None = None
    dialled_at: datetime | None = None
    problem: str | None = None
    problem_code: int | None = None
    keep: bool = False
    restored_at: datetime | None = None

    @property
    def simulated(self) -> bool:
        """The built-in carrier played it: nothing left the machine."""
        return self.carrier == "simulator"

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "TestCall":
        """A row of ``test_calls``."""
        at = parse_time(row["at"])
        assert at is not None, "test_calls.at is never null"  # noqa: S101
        return cls(
            id=row["id"],
            key=row["key"],
            at=at,
            actor=row["actor"],
            to=row["to_number"],
            lead_id=row["lead_id"],
            via=row["via"],
            carrier=row["carrier"],
            state=row["state"],
            call_sid=row["call_sid"],
            job_id=row["job_id"],
            dialled_at=parse_time(row["dialled_at"]),
            problem=row["error"],
            problem_code=row["error_code"],
            keep=row["keep"],
            restored_at=parse_time(row["restored_at"]),
        )


@dataclass(frozen=True, slots=True)
class Watched:
    """A test call as it is now, with its stages in order.

    :ivar ended: no further word of the carrier is expected.
    """

    call: TestCall
    stages: tuple[TestStage, ...]
    ended: bool

    @property
    def over(self) -> bool:
        """Nothing is waited for any more."""
        return self.ended and not any(stage.state == "waiting" for stage in self.stages)

    @property
    def ok(self) -> bool:
        """Every stage is green, or was not asked for."""
        return all(stage.state in ("green", "skipped") for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape, with more."""
        return {
            "call_sid": self.call.call_sid,
            "job_id": self.call.job_id,
            "id": self.call.id,
            "state": self.call.state,
            "simulated": self.call.simulated,
            "over": self.over,
            "ok": self.ok,
            "stages": [stage.to_json() for stage in self.stages],
        }


class TestCalls:
    """Places and watches test calls. Safe to share between threads.

    :param carrier: gives who dials.
    :param queue: the queue of the way ``queue``, or None where there is none.
    :param identity: the signed-in person who acts; None: this machine's own user.
    """

    __test__ = False  # not a class of tests

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        carrier: Callable[[], Carrier],
        *,
        queue: Queueing | None = None,
        identity: Identity | None = None,
    ) -> None:
        self._gateway, self._settings, self._carrier = gateway, settings, carrier
        self._queue, self._identity = queue, identity

    def acting_as(self, identity: Identity) -> "TestCalls":
        """The same for one signed-in person; a viewer's test calls are refused."""
        return TestCalls(self._gateway, self._settings, self._carrier, queue=self._queue, identity=identity)

    @property
    def simulated(self) -> bool:
        """Calls are played by the built-in carrier: say so on every screen that touches them."""
        return not self._settings.names_twilio

    def allowed(self) -> frozenset[str]:
        """The numbers on TEST_CALL_ALLOWLIST, in E.164."""
        region = self._settings.default_region
        normal = (phone.normalise(number, region).e164 for number in self._settings.test_call_allowlist)
        return frozenset(number for number in normal if number is not None)

    def place(
        self,
        to: str,
        lead_id: int | None = None,
        via: Via = "direct",
        key: str = "",
        *,
        keep: bool = False,
        message: str | None = None,
    ) -> TestCall:
        """Place a test call. The same key again returns the same one, and nothing is dialled twice.

        :param to: the number, in E.164 or as people write it.
        :param lead_id: the lead that the call is linked to; its number has to be allowed too.
        :param key: one click, one key, at most 200 characters.
        :param keep: the lead keeps the status, time of contact and note that the call writes; never the slot.
        :return: the call; a refusal of the carrier's is in ``state`` and ``problem``.
        :raises NotAllowed: when a number is not on the allow list.
        :raises RequestIdReused: when the key stands for another test call.
        """
        need_writer(self._identity)
        number = self._number("to", to)
        lead = None if lead_id is None else fields.identifier("lead id", lead_id)
        fields.choice("via", via, VIAS)
        self._check_allowed(number, lead)
        carrier, queue = self._carrier(), self._queue
        if via == "queue" and queue is None:
            raise Unavailable("There is no queue to put a test call into.", hint="Use the direct way.")
        row = self._claim(number, lead, via, fields.line("key", key, fields.REQUEST_ID_LENGTH), keep)
        call = TestCall.from_row(row)
        if via == "queue" and queue is not None and call.job_id is None:
            return self._enqueue(call, queue, message)
        return self._dial(call, carrier, message) if row["created"] and via == "direct" else call

    def get(self, test_id: int) -> TestCall:
        """One test call.

        :raises NotFound: when there is none with this id.
        """
        wanted = fields.identifier("test call", test_id)
        rows = self._gateway.select("test_calls", where=(Where("id", "eq", wanted),))
        if not rows:
            raise NotFound(f"There is no test call {wanted}.", hint="See the list of test calls.")
        return TestCall.from_row(rows[0])

    def recent(self, limit: int = 20) -> list[TestCall]:
        """Test calls, newest first."""
        size = fields.whole("limit", limit, 1, 500)
        order = (Order("id", descending=True),)
        return [TestCall.from_row(row) for row in self._gateway.select("test_calls", order=order, limit=size)]

    def watch(self, test_id: int) -> Watched:
        """A test call with its stages as they are now. When it is over, its lead gets back what it had."""
        facts = self._facts(test_id)
        watched = Watched(TestCall.from_row(facts["test"]), judged(facts), has_ended(facts))
        if watched.over and self._finish(watched.call):
            watched = replace(watched, call=self.get(test_id))
        return watched

    def stages(self, call: TestCall) -> tuple[TestStage, ...]:
        """The stages of a test call, in order; see :meth:`watch`."""
        return self.watch(call.id).stages

    def keep(self, test_id: int) -> TestCall:
        """The lead keeps what the call wrote to it (not the slot), if it has not been taken back yet.

        :raises NotAllowed: when it has been.
        """
        need_writer(self._identity)
        call = self.get(test_id)
        if call.restored_at is not None and not call.keep:
            raise NotAllowed("The lead has got back what it had.", hint="Change its status and notes by hand.")
        return TestCall.from_row(self._gateway.call("note_test_call", p_id=test_id, p_facts={"keep": True}))

    def finish_all(self) -> int:
        """Give leads back what they had before test calls that are over and that nobody watched; returns how many."""
        where = (
            Where("lead_id", "not_null"),
            Where("restored_at", "is_null"),
            Where("call_sid", "not_null"),
        )
        rows = self._gateway.select("test_calls", where=where, order=(Order("id"),), limit=100)
        finished = 0
        for call in (TestCall.from_row(row) for row in rows):
            with contextlib.suppress(
                PatchbayError
            ):  # one that cannot be is tried again; it must not hold up the others
                finished += call.restored_at is None and self.watch(call.id).call.restored_at is not None
        return finished

    def _number(self, field: str, value: object) -> str:
        given = fields.line(field, value, 100)
        number = phone.normalise(given, self._settings.default_region).e164
        if number is None:
            raise BadInput(f"{field} is {fields.shown(given)}: expected a phone number such as +14155550123.")
        return number

    def _check_allowed(self, number: str, lead_id: int | None) -> None:
        allowed = self.allowed()
        if lead_id is not None:
            theirs = self._lead_number(lead_id)
            if theirs is None:
                raise NotAllowed(f"Lead {lead_id} has no phone number.", hint="Choose a lead whose number is allowed.")
            if not self._is_allowed(theirs, allowed):
                raise NotAllowed(f"The number of lead {lead_id} is not allowed for test calls.", hint=self._how())
        if not self._is_allowed(number, allowed):
            raise NotAllowed(f"{phone.display(number)} is not allowed for test calls.", hint=self._how())

    def plays(self, number: str) -> bool:
        """Whether the simulated carrier may play a call to a number, whoever asks for it."""
        return number in MAGIC or self._is_allowed(number, self.allowed())

    def _is_allowed(self, number: str, allowed: frozenset[str]) -> bool:
        if number in allowed:
            return True
        if self._settings.test_call_allowlist or not self.simulated:
            return False
        return number in MAGIC or self._is_demo_number(number)

    def _is_demo_number(self, number: str) -> bool:
        """Is it a lead's, in a database of demo data? Nothing leaves the machine then."""
        if not self._gateway.select("patchbay_state", columns=("key",), where=(Where("key", "eq", DEMO),)):
            return False
        rows = self._gateway.select("leads_with_keys", args={"p_keys": [number[-7:]]})
        region = self._settings.default_region
        return any(phone.normalise(row["phone"] or "", region).e164 == number for row in rows)

    def _how(self) -> str:
        if self.simulated and not self._settings.test_call_allowlist:
            return "Calls are simulated: use the number of a demo lead, or set TEST_CALL_ALLOWLIST."
        return TWILIO_ALLOWED

    def _lead_number(self, lead_id: int) -> str | None:
        rows = self._gateway.select("leads_by_ids", args={"p_ids": [lead_id]})
        if not rows:
            raise NotFound(f"There is no lead {lead_id}.", hint="It may have been deleted meanwhile.")
        return phone.normalise(rows[0]["phone"] or "", self._settings.default_region).e164

    def _claim(self, number: str, lead_id: int | None, via: Via, key: str, keep: bool) -> Row:
        wanted = {
            "key": key,
            "actor": self._settings.actor if self._identity is None else self._identity.name,
            "to_number": number,
            "lead_id": lead_id,
            "via": via,
            "carrier": "simulator" if self.simulated else "twilio",
            "keep": keep,
        }
        row: Row = self._gateway.call("claim_test_call", p_call=wanted)
        return row

    def _dial(self, call: TestCall, carrier: Carrier, message: str | None) -> TestCall:
        attempt = f"test-{call.id}"
        try:
            dialled = carrier.dial(call.to, attempt_id=attempt, message=message or MESSAGE, metadata={})
        except DialError as error:
            state = "unknown" if isinstance(error, Unknown) else "failed"
            return self._note(call, {"state": state, "error": error.message, "error_code": error.code})
        at = dialled.at.isoformat()
        self._gateway.call("place_test_call", p_id=call.id, p_call_sid=dialled.call_sid, p_at=at)
        return self.get(call.id)

    def _enqueue(self, call: TestCall, queue: Queueing, message: str | None) -> TestCall:
        request = ScheduleRequest(
            to=call.to,
            lead_id=call.lead_id,
            message=message or MESSAGE,
            priority="high",
            metadata={"testCall": call.id},
            key=f"test-call-{call.id}-{call.at.isoformat()}",  # ids start again where the queue outlives the database
        )
        try:
            job = queue.schedule(request)
        except PatchbayError as error:
            self._note(call, {"state": "failed", "error": error.message})
            raise
        return self._note(call, {"state": "queued", "job_id": job.job_id})

    def _note(self, call: TestCall, facts: Mapping[str, Any]) -> TestCall:
        said = {name: value for name, value in facts.items() if value is not None}
        return TestCall.from_row(self._gateway.call("note_test_call", p_id=call.id, p_facts=said))

    def _facts(self, test_id: int) -> Row:
        facts: Row | None = self._gateway.call("test_call_facts", p_id=fields.identifier("test call", test_id))
        if facts is None:
            raise NotFound(f"There is no test call {test_id}.", hint="See the list of test calls.")
        return facts

    def _finish(self, call: TestCall) -> bool:
        if call.lead_id is None or call.call_sid is None or call.restored_at is not None:
            return False
        self._gateway.call("finish_test_call", p_id=call.id, p_options={"actor": self._settings.actor})
        return True
