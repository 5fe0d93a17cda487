"""A local Twilio: stateful, strict, and faulty on demand. Nothing here leaves the machine.

It keeps the calls of one account, checks what a request says as Twilio does, and sends status callbacks that are signed
like Twilio's. Whether its answers look like Twilio's is not for it to say: tests put a proxy in front that checks every
request and every answer against Twilio's own description (``prism_proxy.py``).
"""

import base64
import json
import re
import secrets
import socket
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from twilio.request_validator import RequestValidator

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "fedcba9876543210" * 2
OURS = "+14155550000"
EVENTS = ("initiated", "ringing", "answered", "completed")
EVENT_OF = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}
FINAL = ("completed", "busy", "failed", "no-answer", "canceled")
FIELDS = {
    "To", "From", "Url", "Method", "StatusCallback", "StatusCallbackEvent", "StatusCallbackMethod", "Record",
    "RecordingChannels", "RecordingStatusCallback", "Timeout",
}  # fmt: skip
MAGIC = {
    "+15005550001": (21217, "Phone Number does not appear to be valid."),
    "+15005550002": (21214, "'To' phone number cannot be reached."),
    "+15005550003": (21215, "Account not authorized to call this number."),
    "+15005550004": (21216, "Account not allowed to call this number."),
}
FaultKind = Literal["429", "500", "502", "slow", "drop", "drop_after", "lost", "nonsense"]
"""``drop``: the connection breaks before anything is done; ``drop_after``: after it was done; ``lost``: it is done and
no answer comes; ``nonsense``: it is done and the answer is no JSON."""


@dataclass
class Fault:
    kind: FaultKind
    seconds: float = 0.0


@dataclass
class Callback:
    """A status callback as it was sent."""

    url: str
    form: dict[str, str]
    signature: str
    status: int | None = None


@dataclass
class State:
    """One account."""

    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=lambda: [OURS])
    faults: deque[Fault] = field(default_factory=deque)
    requests: list[tuple[str, str]] = field(default_factory=list)
    created: list[dict[str, list[str]]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    callbacks: list[Callback] = field(default_factory=list)
    sequence: dict[str, int] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


class LocalTwilio:
    """The server. ``url`` is where it listens; ``public_url`` is what a client in front of it believes."""

    def __init__(self) -> None:
        self.state = State()
        self._server = _Server(("127.0.0.1", 0), _handler(self.state))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """An account without calls again."""
        fresh = State()
        for name in vars(fresh):
            if name != "lock":
                setattr(self.state, name, getattr(fresh, name))

    def fault(self, kind: FaultKind, *, times: int = 1, seconds: float = 0.0) -> None:
        """The next ``times`` requests go wrong."""
        self.state.faults.extend(Fault(kind, seconds) for _ in range(times))

    def knows(self, calls: Iterable[Mapping[str, Any]]) -> None:
        """Calls that the account has already: sid, direction, from, to, status, date_created, …, duration."""
        for call in calls:
            moments = {name: _rfc(call.get(name)) for name in ("date_created", "start_time", "end_time")}
            plain = {name: call.get(name) for name in ("direction", "from", "to", "status", "duration")}
            self.state.calls[call["sid"]] = _record(call["sid"], plain["from"], plain["to"]) | plain | moments

    def say(
        self, sid: str, status: str, *, duration: int = 0, extra: Mapping[str, str] | None = None
    ) -> Callback | None:
        """The call reaches a status; the callback that was asked for is sent, signed. Returns it."""
        now = datetime.now(UTC)
        with self.state.lock:
            call, options = self.state.calls[sid], self.state.options.get(sid, {})
            call["status"], call["date_updated"] = status, format_datetime(now)
            if status == "in-progress":
                call["start_time"] = format_datetime(now)
            if status in FINAL:
                call["end_time"], call["duration"] = format_datetime(now), str(duration)
            sequence = self.state.sequence[sid] = self.state.sequence.get(sid, -1) + 1
        target = options.get("StatusCallback", [""])[0]
        wanted = options.get("StatusCallbackEvent", ["completed"])
        if not target or EVENT_OF.get(status, "completed") not in wanted:
            return None
        form = {
            "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "CallSid": sid, "CallStatus": status,
            "CallbackSource": "call-progress-events", "Direction": call["direction"], "From": call["from"],
            "To": call["to"], "SequenceNumber": str(sequence), "Timestamp": format_datetime(now),
        }  # fmt: skip
        if status in FINAL:
            form |= {"CallDuration": str(duration), "Duration": str(-(-duration // 60))}
        sent = Callback(target, {**form, **(extra or {})}, "")
        sent.signature = RequestValidator(TOKEN).compute_signature(target, sent.form)
        self.state.callbacks.append(sent)
        sent.status = _post(sent)
        return sent


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that a fault broke is no error."""


def _post(callback: Callback) -> int | None:
    request = urllib.request.Request(  # noqa: S310 - an address on this machine
        callback.url,
        data=urlencode(callback.form).encode(),
        headers={"X-Twilio-Signature": callback.signature, "Content-Type": "application/x-www-form-urlencoded"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return int(answer.status)
    except OSError:
        return None


def _rfc(text: str | None) -> str | None:
    return format_datetime(datetime.fromisoformat(text)) if text else None


def _record(sid: str, caller: str | None, called: str | None) -> dict[str, Any]:
    now = format_datetime(datetime.now(UTC))
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}"
    return {
        "sid": sid, "account_sid": ACCOUNT, "annotation": None, "answered_by": None, "api_version": "2010-04-01",
        "caller_name": None, "date_created": now, "date_updated": now, "direction": "outbound-api", "duration": None,
        "start_time": None, "end_time": None, "forwarded_from": None, "from": caller, "from_formatted": caller,
        "to": called, "to_formatted": called, "group_sid": None, "parent_call_sid": None,
        "phone_number_sid": "PN" + "a" * 32, "price": None, "price_unit": "USD", "queue_time": "0", "status": "queued",
        "trunk_sid": None, "uri": f"{path}.json", "subresource_uris": {"recordings": f"{path}/Recordings.json"},
    }  # fmt: skip


def _number(number: str) -> dict[str, Any]:
    sid = "PN" + f"{abs(hash(number)):032x}"[:32]
    return {
        "sid": sid, "account_sid": ACCOUNT, "friendly_name": number, "phone_number": number,
        "api_version": "2010-04-01",
        "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False}, "beta": False, "origin": "twilio",
        "date_created": format_datetime(datetime.now(UTC)), "date_updated": format_datetime(datetime.now(UTC)),
        "voice_url": "", "voice_method": "POST", "sms_url": "", "sms_method": "POST", "status": "in-use",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{sid}.json",
    }  # fmt: skip


def _handler(state: State) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            path = urlsplit(self.path)
            state.requests.append((self.command, path.path))
            state.times.append(time.monotonic())
            fault = state.faults.popleft() if state.faults else None
            if fault is not None and not self.goes_on(fault):
                return
            status, answer = self.answered(path.path, path.query, body)
            self.finish_with(fault, status, answer)

        def goes_on(self, fault: Fault) -> bool:
            """Does the request reach the account in spite of the fault?"""
            if fault.kind == "429":
                self.send(429, _error(429, 20429, "Too Many Requests"), {"Retry-After": str(fault.seconds or 1)})
            elif fault.kind == "500":
                self.send(500, {"unexpected": True})
            elif fault.kind == "502":
                self.send(502, "<html>Bad gateway</html>")
            elif fault.kind == "drop":
                self.break_off()
            elif fault.kind == "slow":
                time.sleep(fault.seconds)
                return True
            else:
                return True
            return False

        def finish_with(self, fault: Fault | None, status: int, answer: Any) -> None:
            if fault is not None and fault.kind == "drop_after":
                self.break_off()
            elif fault is not None and fault.kind == "lost":
                time.sleep(fault.seconds)
                self.break_off()
            elif fault is not None and fault.kind == "nonsense":
                self.send(status, "yes")
            else:
                self.send(status, answer)

        def answered(self, path: str, query: str, body: str) -> tuple[int, Any]:
            if self.headers.get("Authorization") != _basic():
                return 401, _error(401, 20003, "Authenticate")
            found = re.fullmatch(r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/(.+)\.json", path)
            if not found or found[1] != ACCOUNT:
                return 404, _error(404, 20404, f"The requested resource {path} was not found")
            with state.lock:
                return self.resource(found[2], dict(parse_qsl(query)), body)

        def resource(self, name: str, query: dict[str, str], body: str) -> tuple[int, Any]:
            if name == "Calls" and self.command == "POST":
                return _create(state, parse_qs(body, keep_blank_values=True, strict_parsing=True))
            if name == "Calls":
                return 200, self.page("calls", _listed(state, query), query)
            if name == "IncomingPhoneNumbers":
                return 200, self.page("incoming_phone_numbers", [_number(number) for number in state.numbers], query)
            sid = name.removeprefix("Calls/")
            if name.startswith("Calls/") and sid in state.calls:
                if self.command == "POST":
                    return _update(state, sid, parse_qs(body))
                return 200, state.calls[sid]
            return 404, _error(404, 20404, f"The requested resource {self.path} was not found")

        def page(self, name: str, items: list[Any], query: dict[str, str]) -> dict[str, Any]:
            size, page = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
            base = urlsplit(self.path).path
            shown, more = items[page * size : (page + 1) * size], len(items) > (page + 1) * size
            here = f"{base}?{urlencode({**query, 'PageSize': size, 'Page': page})}"
            return {
                name: shown, "page": page, "page_size": size, "start": page * size,
                "end": page * size + max(len(shown) - 1, 0), "uri": here,
                "first_page_uri": f"{base}?{urlencode({**query, 'PageSize': size, 'Page': 0})}",
                "previous_page_uri": None,
                "next_page_uri": f"{base}?{urlencode({**query, 'PageSize': size, 'Page': page + 1})}" if more else None,
            }  # fmt: skip

        def send(self, status: int, answer: Any, headers: Mapping[str, str] | None = None) -> None:
            content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def break_off(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = handle_one

    return Handler


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()


def _error(status: int, code: int, message: str) -> dict[str, Any]:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": message, "more_info": more, "status": status}


def _create(state: State, form: dict[str, list[str]]) -> tuple[int, Any]:
    state.created.append(form)
    refusal = _refusal(state, form)
    if refusal is not None:
        return 400, _error(400, *refusal)
    sid = "CA" + secrets.token_hex(16)
    state.calls[sid], state.options[sid] = _record(sid, form["From"][0], form["To"][0]), form
    return 201, state.calls[sid]


def _refusal(state: State, form: dict[str, list[str]]) -> tuple[int, str] | None:
    """What Twilio would refuse, and what a careful reader of its documentation would not send."""
    to, caller = form.get("To", [""])[0], form.get("From", [""])[0]
    url, timeout = form.get("Url", [""])[0], form.get("Timeout", ["60"])[0]
    if set(form) - FIELDS:
        return 20001, f"Unknown parameters: {sorted(set(form) - FIELDS)}"
    if not to:
        return 21201, "No 'To' number is specified"
    if to in MAGIC:
        return MAGIC[to]
    if not re.fullmatch(r"\+[1-9]\d{6,14}", to):
        return 21211, f"The 'To' number {to} is not a valid phone number."
    if caller not in state.numbers:
        return 21210, f"The source phone number provided, {caller}, is not yet verified for your account."
    if not re.fullmatch(r"https?://[^/?#]+/\S*", url) or len(url) > 4000:
        return 21205, "Url parameter is not valid."
    if not timeout.isdigit() or not 5 <= int(timeout) <= 600:
        return 20001, "Timeout is not valid."
    if set(form.get("StatusCallbackEvent", [])) - set(EVENTS):
        return 21626, "Status callback event is not valid."
    if form.get("RecordingChannels", ["mono"])[0] not in ("mono", "dual"):
        return 20001, "RecordingChannels is not valid."
    return None


def _listed(state: State, query: dict[str, str]) -> list[dict[str, Any]]:
    wanted = {"to": query.get("To"), "from": query.get("From"), "status": query.get("Status")}
    return [
        call for call in reversed(state.calls.values())
        if all(value is None or call[name] == value for name, value in wanted.items())
    ]  # fmt: skip


def _update(state: State, sid: str, form: dict[str, list[str]]) -> tuple[int, Any]:
    call = state.calls[sid]
    if call["status"] in FINAL:
        return 400, _error(400, 21220, "Call is not in-progress. Cannot redirect.")
    call["status"] = form.get("Status", [call["status"]])[0]
    return 200, call
