"""A local Twilio for the worker: stateful, over real HTTP, and it counts what it dialled.

``behave(number, …)`` says what happens to a number; every other one is dialled and answered at once.
"""

import json
import secrets
import threading
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ACCOUNT = "AC" + "0" * 32
TOKEN = "a-token-of-the-tests"
OUR_NUMBER = "+15005550006"


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A worker that was killed has broken its connection: that is what the tests are about."""


class CarrierPeer:
    """The server.

    :ivar dials: every call that was dialled, in order, as Twilio's JSON has it, with ``url`` and ``callback``.
    """

    def __init__(self) -> None:
        self.dials: list[dict[str, str]] = []
        self.asked = 0
        self._ways: dict[str, Callable[[Request], None]] = {}
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                given = {name: values[0] for name, values in form.items()}
                peer.way(given["To"])(Request(peer, self, given))

            def do_GET(self) -> None:
                peer.asked += 1
                parts = urlsplit(self.path)
                name = parts.path.rsplit("/", 1)[1].removesuffix(".json")
                if name == "Calls":
                    peer._list(self, parse_qs(parts.query))
                    return
                found = [call for call in peer.dials if call["sid"] == name]
                answer(self, 200, found[0]) if found else answer(
                    self, 404, {"code": 20404, "message": "gone", "status": 404}
                )

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def way(self, number: str) -> Callable[["Request"], None]:
        return self._ways.get(number, lambda request: request.placed())

    def behave(self, number: str, way: Callable[["Request"], None]) -> None:
        """What happens when this number is dialled."""
        self._ways[number] = way

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _list(self, handler: BaseHTTPRequestHandler, query: dict[str, list[str]]) -> None:
        found = [call for call in self.dials if "To" not in query or call["to"] == query["To"][0]]
        page = {"calls": found, "end": 0, "start": 0, "page": 0, "page_size": 50, "next_page_uri": None,
                "previous_page_uri": None, "first_page_uri": handler.path, "uri": handler.path}  # fmt: skip
        answer(handler, 200, page)


class Request:
    """One request to dial, and what may be done with it."""

    def __init__(self, peer: CarrierPeer, handler: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        self._peer, self._handler, self.form = peer, handler, form

    def dial(self) -> dict[str, str]:
        """The call goes out."""
        sid = "CA" + secrets.token_hex(16)
        call = {"sid": sid, "account_sid": ACCOUNT, "to": self.form["To"], "from": self.form["From"],
                "status": "queued", "direction": "outbound-api", "date_created": formatdate(usegmt=False),
                "url": self.form["Url"], "callback": self.form["StatusCallback"]}  # fmt: skip
        self._peer.dials.append(call)
        return call

    def placed(self) -> None:
        """Dialled, and answered."""
        answer(self._handler, 201, self.dial())

    def refused(self, status: int, code: int, message: str) -> None:
        """Not dialled."""
        answer(self._handler, status, {"code": code, "message": message, "more_info": "", "status": status})

    def dropped(self) -> None:
        """The connection breaks without an answer."""
        self._handler.close_connection = True
        self._handler.connection.close()


def answer(handler: BaseHTTPRequestHandler, status: int, document: object) -> None:
    """Send one JSON document; nobody may be there to read it any more."""
    body = json.dumps(document).encode()
    try:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    except OSError:
        handler.close_connection = True
