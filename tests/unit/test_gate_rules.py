"""Who may do what, what a password may be, and what the gate reads from a request. No server, no database."""

from pathlib import Path
from typing import Any

import pytest

from core.access import names, passwords
from core.access.identity import Identity, need_writer, role
from core.access.throttle import network
from core.errors import BadInput, NotAllowed
from core.http import gate_requests as requests
from core.http.gate_headers import console_policy
from core.http.gate_requests import Door
from core.settings import Settings


def scope(path: str = "/", *, kind: str = "http", **options: Any) -> dict[str, Any]:
    headers = [(name.encode(), value.encode()) for name, value in options.pop("headers", [])]
    found = {"type": kind, "method": "GET", "path": path, "query_string": b"", "headers": headers, "scheme": "http"}
    return {**found, "http_version": "1.1", "client": ("127.0.0.1", 5000), **options}


def test_viewers_cannot_write() -> None:
    with pytest.raises(NotAllowed, match="viewer"):
        need_writer(Identity("ana", "viewer"))
    need_writer(Identity("ana", "operator"))
    need_writer(Identity("ana", "admin"))
    need_writer(None)
    with pytest.raises(BadInput, match="viewer, operator, admin"):
        role("root")


@pytest.mark.parametrize(
    "password",
    ["", "123456789", "aaaaaaaaaaaaaa", "x" * 1025, "ana.maria.ortiz", "moc.elpmaxe@zitro.airam.ana", "ＡＮＡ"],
)
def test_passwords_that_are_refused(password: str) -> None:
    with pytest.raises(BadInput) as refusal:
        passwords.check_rules(password, "Ana.Maria.Ortiz@example.com" if "." in password else "ana")
    assert not password or password not in str(refusal.value)


def test_a_password_is_right_however_it_is_composed() -> None:
    stored = passwords.make_hash("pa\u0301sswo\u0308rt 12")
    assert stored.startswith("$argon2id$")
    assert passwords.is_right(stored, "p\u00e1ssw\u00f6rt 12")
    assert not passwords.is_right(stored, "passwort 12")
    assert not passwords.is_right(None, "p\u00e1ssw\u00f6rt 12")
    assert not passwords.is_right("not a hash", "x")


def test_nobodys_hash_costs_as_much_as_a_real_one() -> None:
    assert not passwords._hasher.check_needs_rehash(passwords.NOBODY)


@pytest.mark.parametrize("name", ["", "  ", "a" * 101, "an\na", "a\x00b", 5])
def test_names_that_are_refused(name: object) -> None:
    with pytest.raises(BadInput, match="name"):
        names.checked("name", name)


def test_names_are_the_same_whatever_case_and_composition() -> None:
    assert names.key(" Jos\u00e9 ") == names.key("JOSE\u0301") == names.key("ｊｏｓé")


def test_an_ipv6_subscriber_is_one_address() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1") != network("2001:db8:0:1::1")
    assert network("::ffff:192.0.2.1") == network("192.0.2.1") == "192.0.2.1"
    assert network("unknown") == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/ /evil",
        "///evil.example",
        "/\r\nSet-Cookie: a=b",
        "evil",
        "",
        "/login?next=/login",
        "/logout",
        "/" + "a" * 3000,
        "http:/evil.example",
        "/\x00",
    ],
)
def test_nothing_leads_to_another_host(text: str) -> None:
    assert requests.safe_next(text) == "/"


@pytest.mark.parametrize(
    "text", ["/lookup?q=CA3f", "/unlinked?cause=no_numbers&number=%2B1415", "/", "/x//y", "/a?u=//b"]
)
def test_own_paths_are_kept(text: str) -> None:
    assert requests.safe_next(text) == text


def test_the_way_to_the_form_carries_the_way_back() -> None:
    assert requests.login_address(scope("/lookup", query_string=b"q=%2B1")) == "/login?next=%2Flookup%3Fq%3D%252B1"
    assert requests.login_address(scope("/")) == "/login"
    assert requests.login_address(scope("//evil.example")) == "/login"
    assert requests.login_address(scope("/\\evil")) == "/login?next=%2F%255Cevil"


def test_inbound_identity_is_stripped_whatever_its_spelling() -> None:
    given = [(b"X-Patchbay-Session", b"1"), (b"x_patchbay_session", b"2"), (b"x-ops-email", b"3"), (b"accept", b"4")]
    assert requests.without_identity(given) == [(b"accept", b"4")]


def test_the_sessions_cookie_stays_outside() -> None:
    given = [(b"cookie", b"a=1; patchbay_session=secret; b=2"), (b"cookie", b"patchbay_session=other")]
    assert requests.without_cookie(given, "patchbay_session") == [(b"cookie", b"a=1; b=2")]


def test_two_different_cookies_of_one_name_are_none() -> None:
    twice = scope(headers=[("cookie", "s=1; s=2")])
    assert requests.cookie(twice, "s") is None
    assert requests.cookie(scope(headers=[("cookie", "x=1; s=2")]), "s") == "2"


def test_a_bearer_token_is_read_once_or_not_at_all() -> None:
    assert requests.bearer(scope(headers=[("authorization", "bEaReR abc ")])) == "abc"
    assert requests.bearer(scope(headers=[("authorization", "Basic abc")])) is None
    assert requests.bearer(scope(headers=[("authorization", "Bearer a"), ("authorization", "Bearer b")])) == ""


def test_the_cookie_is_tied_to_the_host_where_there_is_https() -> None:
    secure = Door(Settings.load(env={"PUBLIC_URL": "https://console.example.com"}))
    plain = Door(Settings.load(env={}))
    local = scope(headers=[("host", "localhost:8501")])
    assert secure.is_secure(local) and secure.cookie_name(local) == "__Host-patchbay_session"
    assert not plain.is_secure(local) and plain.cookie_name(local) == "patchbay_session_8501"
    assert plain.cookie_name({**local, "scheme": "https"}) == "__Host-patchbay_session"
    value = requests.set_cookie("__Host-patchbay_session", "t", secure=True, seconds=5)
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=5"} <= {part.strip() for part in value.split(";")}
    assert "Domain" not in value


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ([("origin", "http://localhost:8501")], False),
        ([("origin", "https://console.example.com")], False),
        ([("origin", "https://CONSOLE.example.com:443")], False),
        ([], False),
        ([("origin", "http://localhost:3000")], True),
        ([("origin", "http://localhost")], True),
        ([("origin", "null")], True),
        ([("origin", "https://console.example.com.evil.example")], True),
        ([("origin", "http://console.example.com")], True),
        ([("origin", "http://localhost:8501"), ("origin", "https://evil.example")], True),
        ([("sec-fetch-site", "cross-site")], True),
        ([("sec-fetch-site", "same-site")], True),
        ([("sec-fetch-site", "same-origin")], False),
    ],
)
def test_another_port_is_another_site(headers: list[tuple[str, str]], foreign: bool) -> None:
    door = Door(Settings.load(env={"PUBLIC_URL": "https://console.example.com"}))
    assert door.is_foreign(scope(headers=[("host", "localhost:8501"), *headers])) is foreign


def test_signs_of_a_proxy() -> None:
    assert not requests.came_through_proxy(scope(headers=[("host", "localhost:8501")]))
    for name in ("x-forwarded-for", "x-forwarded-proto", "forwarded", "via", "x-real-ip"):
        assert requests.came_through_proxy(scope(headers=[(name, "x")])), name
    assert requests.came_through_proxy(scope(http_version="1.0"))


def test_only_a_proxy_on_this_machine_is_believed_about_addresses() -> None:
    told = [("x-forwarded-for", "203.0.113.9, 198.51.100.7")]
    assert requests.address(scope(headers=told)) == "198.51.100.7"
    assert requests.address(scope(headers=told, client=("192.0.2.1", 1))) == "192.0.2.1"
    assert requests.address(scope(client=None)) == "unknown"


def test_settings_say_who_signs_in_how() -> None:
    assert not Settings.load(env={}).sign_in_required
    assert Settings.load(env={"PATCHBAY_AUTH": "required"}).sign_in_required
    assert Settings.load(env={"PUBLIC_URL": "https://a.example", "PATCHBAY_AUTH": "auto"}).sign_in_required
    with pytest.raises(BadInput, match="PATCHBAY_AUTH"):
        Settings.load(env={"PATCHBAY_AUTH": "off"})
    assert "s3cret" not in repr(Settings.load(env={"SUPABASE_ANON_KEY": "s3cret"}))
    assert Settings.load(env={"PATCHBAY_OPEN_BROWSER": "1", "DISPLAY": ":0"}).opens_browser
    assert not Settings.load(env={"DISPLAY": ":0"}).opens_browser


def test_only_the_scripts_of_the_consoles_own_page_may_run(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("<p><script>a()</script><script type='module' src='x.js'></script><script>\n b()\n</script>")
    policy = console_policy(page)
    assert policy.count("'sha256-") == 2 and "unsafe-inline" not in policy.partition("style-src")[0]
    assert "sha256" not in console_policy(tmp_path / "absent.html") and "sha256" not in console_policy()
    own = tmp_path / "own.html"
    own.write_text("<script>c()</script>")
    assert console_policy(page, own).count("'sha256-") == 3
