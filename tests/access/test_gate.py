"""Nobody gets past the door without a session or a token, by whatever way they try."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.access.secret_tokens import new_token
from core.access.sessions import BELIEVED_SECONDS
from core.store.postgres import PostgresGateway
from tests import running
from tests.access.conftest import PASSWORD, PUBLIC, Front, Starting


def stream(front: Front, cookie: str | None = None, path: str = "/_stcore/stream", **headers: str) -> ClientConnection:
    given = {name.replace("_", "-"): value for name, value in headers.items()} | ({"Cookie": cookie} if cookie else {})
    return connect(f"ws://{front.host}{path}", additional_headers=given, open_timeout=10, close_timeout=2)


def refused_stream(front: Front, cookie: str | None = None, **options: str) -> int:
    """The status with which the WebSocket's handshake was refused."""
    with pytest.raises(InvalidStatus) as refusal, stream(front, cookie, **options):
        pass
    return refusal.value.response.status_code


# Without a session


def test_pages_lead_to_the_form_and_programs_get_401(front: Starting) -> None:
    here = front()
    page = here.get("/lookup?q=CA3f", accept="text/html,application/xhtml+xml")
    assert (page.status, page.header("location")) == (303, "/login?next=%2Flookup%3Fq%3DCA3f")
    for answer in (
        here.get("/api/me"),
        here.get("/lookup", accept="application/json"),
        here.get("/transcripts/CA1"),
        here.get("/_stcore/health"),
        here.get("/static/js/x.js", sec_fetch_mode="no-cors"),
        here.ask("POST", "/anything", ""),
        here.ask("DELETE", "/_stcore/upload_file/a/b"),
    ):
        assert answer.status == 401
        assert answer.json == {"success": False, "error": "Sign in, or send a valid API token."}
        assert answer.header("www-authenticate").startswith("Bearer")


def test_a_websocket_without_a_session_is_closed_before_it_opens(front: Starting) -> None:
    here = front()
    assert refused_stream(here) == 403
    assert refused_stream(here, f"patchbay_session_{here.port}={new_token()}") == 403
    assert refused_stream(here, path="/media-stream") == 403


def test_a_websocket_is_closed_with_4401(front: Starting) -> None:

    from core.http.gate import SessionGate
    from core.http.gate_requests import Door
    from core.settings import Settings

    sent: list[Any] = []

    async def run() -> None:
        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        def nobody() -> Any:
            raise AssertionError("a request without a cookie asks nobody")

        gate = SessionGate(None, nobody, Door(Settings.load(env={})))  # type: ignore[arg-type]
        scope = {"type": "websocket", "path": "/_stcore/stream", "headers": [], "scheme": "ws", "http_version": "1.1"}
        await gate({**scope, "query_string": b"", "client": ("127.0.0.1", 1)}, receive, send)

    running.run(run())
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 4401)]


@pytest.mark.parametrize(
    "path",
    [
        "//login", "/login/", "/login/../", "/login/../lookup", "/login/..%2f", "/%2e%2e/login", "/LOGIN", "/Login",
        "/login%00", "/login;a",
        "/./login", "/healthz/", "/healthz/../api/me", "//healthz", "/healthz%2f..%2fapi%2fme", "/readyz/x",
        "/loginx", "/login%20", "/logout/x", "/api/../login", "/HEALTHZ", "/healthz%3f", "/login%23",
        "/call-events", "/media-stream-twiml",
    ],
)  # fmt: skip
def test_open_paths_are_matched_exactly(front: Starting, path: str) -> None:
    answer = front().get(path)
    assert answer.status in (303, 401), answer.body
    assert "the console" not in answer.body


def test_another_spelling_of_an_open_path_is_that_path(front: Starting) -> None:
    answer = front().get("/%6Cogin")
    assert answer.status == 200 and "the console" not in answer.body


def test_open_paths_tell_nothing(front: Starting) -> None:
    here = front()
    assert here.get("/healthz").body == "ok\n"
    assert here.get("/login").status == 200
    assert here.ask("DELETE", "/login").status == 401


# With a session


def test_a_session_opens_pages_api_and_websocket(front: Starting) -> None:
    here = front()
    cookie = here.by_link()
    assert here.get("/lookup", cookie=cookie).body == "the console at /lookup"
    me = here.get("/api/me", cookie=f"a=1; {cookie}").json
    assert me["role"] == "admin" and me["name"]
    assert cookie.partition("=")[2] not in str(me), "the token stays outside"
    with stream(here, cookie) as socket:
        socket.send("hello")
        assert socket.recv(10) == f"hello {me['headers']['x-patchbay-session']}"


def test_claims_of_identity_from_outside_are_stripped(front: Starting) -> None:
    here = front()
    spoofed = {
        "x_patchbay_session": "a" * 64,
        "X_Patchbay_Role": "admin",
        "x_ops_email": "eve",
        "x_auth_request_user": "eve",
    }
    assert here.get("/api/me", **spoofed).status == 401
    assert refused_stream(here, **spoofed) == 403
    cookie = here.by_link()
    told = here.get("/api/me", cookie=cookie, **spoofed).json["headers"]
    assert list(told) == ["x-patchbay-session"] and told["x-patchbay-session"] != "a" * 64


def test_a_cookie_that_was_signed_out_is_worth_nothing(front: Starting) -> None:
    here = front()
    cookie = here.by_link()
    out = here.ask("POST", "/logout", "", cookie=cookie, origin=f"http://{here.host}")
    assert out.status == 303 and "Max-Age=0" in out.header("set-cookie")
    gone = here.get("/lookup", cookie=cookie)
    assert (
        gone.status == 303 and gone.header("location").startswith("/login") and "Max-Age=0" in gone.header("set-cookie")
    )
    assert refused_stream(here, cookie) == 403


@pytest.mark.parametrize("column", ["expires_at = now()", "last_seen_at = now() - interval '13 hours'"])
def test_an_expired_cookie_is_worth_nothing(front: Starting, connection: psycopg.Connection[Any], column: str) -> None:
    here = front()
    cookie = here.by_link()
    connection.execute(f"update public.patchbay_sessions set {column}".encode())
    assert here.get("/api/me", cookie=cookie).status == 401
    assert refused_stream(here, cookie) == 403


def test_a_revoked_session_cuts_an_open_websocket(
    front: Starting, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.gate.LAST_WORDS_SECONDS", 0.5)
    here = front()
    with stream(here, here.by_link()) as socket:
        socket.send("hello")
        assert str(socket.recv(10)).startswith("hello")
        connection.execute("delete from public.patchbay_sessions")
        time.sleep(BELIEVED_SECONDS + 0.2)
        socket.send("the run that says goodbye")
        assert str(socket.recv(10)).startswith("the run")
        time.sleep(0.7)
        with pytest.raises(ConnectionClosed) as closed:
            socket.send("more")
            socket.recv(10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401


# Other sites


def test_other_sites_cannot_use_a_session(front: Starting) -> None:
    here = front()
    cookie = here.by_link()
    port = here.port + 1 if here.port < 65000 else here.port - 1
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{port}", "http://localhost"):
        assert refused_stream(here, cookie, origin=origin) == 403, origin
        assert here.ask("POST", "/api/me", "", cookie=cookie, origin=origin).status == 403, origin
        assert here.ask("POST", "/logout", "", cookie=cookie, origin=origin).status == 403, origin
    assert here.ask("POST", "/api/me", "", cookie=cookie, sec_fetch_site="cross-site").status == 403
    assert here.ask("POST", "/api/me", "", cookie=cookie, origin=f"http://{here.host}").status == 200
    with stream(here, cookie, origin=f"http://{here.host}"):
        pass


def test_a_link_on_another_site_does_not_sign_out(front: Starting) -> None:
    here = front()
    cookie = here.by_link()
    asked = here.get("/logout", cookie=cookie, sec_fetch_site="cross-site")
    assert asked.status == 200 and "<form" in asked.body
    assert here.get("/api/me", cookie=cookie).status == 200
    assert here.get("/logout", cookie=cookie, sec_fetch_site="same-origin").status == 303
    assert here.get("/api/me", cookie=cookie).status == 401


def test_a_foreign_host_is_not_served(front: Starting) -> None:
    here = front()
    cookie = here.by_link()
    assert here.get("/lookup", host="evil.example", cookie=cookie).status == 421
    assert here.get(f"/login?token={new_token()}", host=f"evil.example:{here.port}").status == 421


# The one-time link


def test_the_link_works_once(front: Starting) -> None:
    here = front()
    token = here.token()
    assert here.get(f"/login?token={token}").status == 303
    again = here.get(f"/login?token={token}")
    assert again.status == 403 and "used already" in again.body and not again.all("set-cookie")


def test_of_many_at_once_one_gets_in(front: Starting) -> None:
    here = front()
    token, start = here.token(), threading.Barrier(6)

    def race(_number: int) -> int:
        start.wait(10)
        return here.get(f"/login?token={token}").status

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(race, range(6)))
    assert statuses == [303, 403, 403, 403, 403, 403]


def test_the_link_expires_and_a_new_one_is_printed_to_who_stands_before_the_door(
    front: Starting, connection: psycopg.Connection[Any]
) -> None:
    here = front()
    old = here.token()
    assert here.get("/login").status == 200 and len(here.printed) == 1, "the printed one is still good"
    connection.execute("update public.patchbay_one_time_codes set expires_at = now()")
    assert here.get(f"/login?token={old}").status == 403
    assert len(here.printed) == 2 and here.token() != old
    assert here.by_link()


def test_looking_ahead_does_not_use_the_link_up(front: Starting) -> None:
    here = front()
    link = f"/login?token={here.token()}"
    assert here.get(link, sec_purpose="prefetch;prerender").status == 403
    assert here.ask("HEAD", link).status == 200
    assert here.get(link).status == 303


def test_wrong_tokens_get_nowhere(front: Starting) -> None:
    here = front()
    for token in ("", "x", new_token(), here.token()[:-1], here.token().swapcase(), "%00", "a" * 5000):
        answer = here.get(f"/login?token={token}")
        assert answer.status in (200, 403) and not answer.all("set-cookie")
    assert here.ask("POST", "/login", "name=root&password=rootrootroot").status == 200
    assert here.by_link()


def test_each_start_prints_a_new_link(front: Starting) -> None:
    assert front().token() != front().token()


@pytest.mark.parametrize(
    "way_back", ["//evil.example", "https://evil.example/", "/%5cevil.example", "%09//evil.example"]
)
def test_signing_in_leads_to_no_other_host(front: Starting, way_back: str) -> None:
    here = front()
    assert here.get(f"/login?token={here.token()}&next={way_back}").header("location") == "/"


def test_signing_in_leads_back(front: Starting) -> None:
    here = front()
    answer = here.get(f"/login?token={here.token()}&next=%2Flookup%3Fq%3DCA1")
    assert answer.header("location") == "/lookup?q=CA1"


def test_a_proxy_on_this_machine_does_not_open_the_door(front: Starting) -> None:
    here = front()
    token, cookie = here.token(), here.by_link()
    for name in ("x_forwarded_for", "x_forwarded_proto", "x_forwarded_host", "forwarded", "via", "x_real_ip"):
        for path in (f"/login?token={token}", "/login", "/lookup"):
            answer = here.get(path, cookie=cookie, **{name: "203.0.113.9"})
            assert answer.status == 403 and "PUBLIC_URL" in answer.body, (name, path)
        assert refused_stream(here, cookie, **{name: "203.0.113.9"}) == 403
    assert here.get("/healthz", x_forwarded_for="203.0.113.9").status == 200


# Accounts


def test_accounts_only_where_the_console_is_published(front: Starting) -> None:
    local = front()
    link, cookie = local.token(), local.by_link().partition("=")[2]
    here = front(PUBLIC_URL=PUBLIC)
    here.access.accounts.add("ana", "operator", PASSWORD)
    assert here.get(f"/login?token={link}").status == 200
    assert here.get("/api/me", cookie=f"__Host-patchbay_session={cookie}").status == 401
    answer = here.by_password(origin=PUBLIC)
    assert (answer.status, answer.header("location")) == (303, "/")
    flags = {part.strip() for part in answer.header("set-cookie").split(";")[1:]}
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=604800"} == flags
    assert answer.cookie.startswith("__Host-patchbay_session=")
    assert here.get("/api/me", cookie=answer.cookie).json["name"] == "ana"
    with stream(here, answer.cookie, origin=PUBLIC) as socket:
        socket.send("hello")
        assert socket.recv(10)
    assert here.get("/lookup", cookie=answer.cookie, x_forwarded_for="203.0.113.9").status == 200


def test_nobody_learns_whether_an_account_exists(front: Starting) -> None:
    here = front(PATCHBAY_AUTH="required")
    here.access.accounts.add("ana", "operator", PASSWORD)
    here.access.accounts.add("gone", "operator", PASSWORD)
    here.access.accounts.disable("gone")
    answers = [here.by_password(name, "wrong password") for name in ("ana", "gone", "eve")]
    assert {answer.status for answer in answers} == {401}
    pages = {
        answer.body.replace(f'value="{name}"', "") for answer, name in zip(answers, ("ana", "gone", "eve"), strict=True)
    }
    assert len(pages) == 1 and "Name or password are wrong." in pages.pop()
    assert "wrong+password" not in str(answers) and "wrong password" not in str(answers)


def test_guessing_is_slowed_down_and_says_for_how_long(front: Starting) -> None:
    here = front(PATCHBAY_AUTH="required")
    here.access.accounts.add("ana", "operator", PASSWORD)
    assert [here.by_password(password="guess number 1").status for _ in range(10)] == [401] * 10
    blocked = here.by_password()
    assert blocked.status == 429 and 0 < int(blocked.header("retry-after")) <= 900
    assert "too many attempts" in blocked.body


def test_the_first_account_is_created_with_the_code_from_the_log(front: Starting) -> None:
    here = front(PUBLIC_URL=PUBLIC)
    code = here.token()
    assert PUBLIC in here.printed[0] and "One-time code" in here.get("/login").body
    form = f"name=ana&password={PASSWORD.replace(' ', '+')}&code="
    wrong = here.ask("POST", "/login", form + new_token())
    assert wrong.status == 403 and "wrong, used or expired" in wrong.body
    weak = here.ask("POST", "/login", f"name=ana&password=short&code={code}")
    assert weak.status == 403 and "at least 10" in weak.body
    made = here.ask("POST", "/login", form + code)
    assert made.status == 303
    assert here.get("/api/me", cookie=made.cookie).json == {"name": "ana", "role": "admin"} | {
        "headers": here.get("/api/me", cookie=made.cookie).json["headers"]
    }
    assert "One-time code" not in here.get("/login").body
    assert here.ask("POST", "/login", form.replace("ana", "eve") + code).status == 403


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("name=ana&password=" + "x" * 9000, "application/x-www-form-urlencoded"),
        ('{"name": "ana"}', "application/json"),
        ("--b\r\nContent-Disposition: form-data; name=name\r\n\r\nana\r\n--b--", "multipart/form-data; boundary=b"),
        ("&".join(f"a{n}=1" for n in range(50)), "application/x-www-form-urlencoded"),
        ("name=%ff&password=x", "application/x-www-form-urlencoded"),
    ],
)
def test_other_forms_are_not_read(front: Starting, body: str, kind: str) -> None:
    here = front(PATCHBAY_AUTH="required")
    assert here.ask("POST", "/login", body, content_type=kind).status == 400


def test_what_was_typed_is_shown_as_text(front: Starting) -> None:
    here = front(PATCHBAY_AUTH="required")
    here.access.accounts.add("ana", "operator", PASSWORD)
    answer = here.by_password("%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "x")
    assert answer.status == 401 and "<script" not in answer.body
    assert "<script" not in here.get("/login?next=/%22%3E%3Cscript%3E").body


# Tokens


def test_a_token_opens_the_api_and_nothing_like_it_does(front: Starting) -> None:
    here = front(PUBLIC_URL=PUBLIC)
    token, _ = here.access.tokens.add("ci", "operator")
    assert here.get("/api/me", authorization=f"Bearer {token}").json["name"] == "ci"
    assert here.ask("POST", "/api/me", "", authorization=f"Bearer {token}").status == 200
    for wrong in (f"Bearer {new_token()}", "Bearer", "Bearer ", f"Bearer {token}x", f"Basic {token}"):
        assert here.get("/api/me", authorization=wrong).status == 401, wrong
    assert here.get("/api/me", cookie=f"__Host-patchbay_session={token}").status == 401
    assert refused_stream(here, authorization=f"Bearer {token}") == 403
    here.access.tokens.revoke("ci")
    assert here.get("/api/me", authorization=f"Bearer {token}").status == 401


def test_a_wrong_token_is_not_made_good_by_a_cookie(front: Starting) -> None:
    here = front()
    cookie = here.by_link()
    assert here.get("/api/me", cookie=cookie, authorization="Bearer wrong").status == 401


def test_viewers_read_only(front: Starting) -> None:
    here = front(PATCHBAY_AUTH="required")
    here.access.accounts.add("vera", "viewer", PASSWORD)
    token, _ = here.access.tokens.add("reader", "viewer")
    cookie = here.by_password("vera").cookie
    for way in ({"cookie": cookie}, {"authorization": f"Bearer {token}"}):
        assert here.get("/api/me", **way).json["role"] == "viewer"
        refused = here.ask("POST", "/api/me", "", **way)
        assert refused.status == 403 and "viewer" in refused.json["error"]


# Everything


def test_every_answer_carries_the_headers(front: Starting) -> None:
    here = front(PUBLIC_URL=PUBLIC)
    token, _ = here.access.tokens.add("ci", "operator")
    for answer in (
        here.get("/login"),
        here.get("/lookup"),
        here.get("/api/me"),
        here.get("/lookup", authorization=f"Bearer {token}"),
        here.ask("POST", "/login", "", origin="http://console.example.com"),
    ):
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("x-frame-options") == "DENY"
        assert answer.header("referrer-policy") == "same-origin"
        assert "frame-ancestors 'none'" in answer.header("content-security-policy")
        assert answer.header("strict-transport-security")
        assert len(answer.all("content-security-policy")) == 1
    assert "default-src 'none'" in here.get("/login").header("content-security-policy")


def test_a_database_that_is_away_lets_nobody_in_and_says_so(front: Starting, gateway: PostgresGateway) -> None:
    here = front()
    cookie = here.by_link()
    gateway.close()
    assert here.get("/lookup", cookie=f"patchbay_session_{here.port}={new_token()}").status == 503
    assert here.get("/api/me", cookie=f"patchbay_session_{here.port}={new_token()}").status == 503
    assert refused_stream(here, f"patchbay_session_{here.port}={new_token()}") == 403
    assert here.get("/login").status == 503
    assert here.get("/healthz").status == 200
    assert here.get("/lookup", cookie=cookie).status in (200, 503)
