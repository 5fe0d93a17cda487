"""``user`` and ``token``: who may come in. Two steps like every command: check the words, then answer with the app."""

import argparse
import getpass
import sys
from collections.abc import Callable, Mapping
from typing import Any

from core.access import names, passwords
from core.access.identity import role
from core.app import App
from core.cli import text
from core.cli.answers import Answer, Answering, Handler
from core.errors import BadInput
from core.settings import Settings

LONGEST_LINE = 4096


def _user(_settings: Settings, words: argparse.Namespace) -> Answering:
    verb = _verb("user", words.verb, ("add", "list", "role", "disable", "passwd"))
    _only(words, verb, {"--role": ("add", "role"), "--password-stdin": ("add", "passwd")})
    if verb == "list":
        return _listing("user", words, lambda app: app.access.accounts.all(), _users)
    name = _name("user", verb, words.name)
    if verb == "disable":
        return lambda app: _person(app.access.accounts.disable(name), "is disabled, its sessions have ended")
    granted = role(_needed(f"user {verb}", "--role", words.role)) if verb in ("add", "role") else ""
    if verb == "role":
        return lambda app: _person(
            app.access.accounts.set_role(name, granted), f"is {granted} now, in open sessions too"
        )
    password = _password(name, from_stdin=words.password_stdin)
    if verb == "passwd":
        return lambda app: _person(
            app.access.accounts.set_password(name, password), "has a new password, its sessions have ended"
        )
    return lambda app: _person(app.access.accounts.add(name, granted, password), f"can sign in as {granted}")


def _token(_settings: Settings, words: argparse.Namespace) -> Answering:
    verb = _verb("token", words.verb, ("add", "list", "revoke"))
    _only(words, verb, {"--role": ("add",)})
    if verb == "list":
        return _listing("token", words, lambda app: app.access.tokens.all(), _tokens)
    name = _name("token", verb, words.name)
    if verb == "revoke":

        def revoke(app: App) -> Answer:
            row = app.access.tokens.revoke(name)
            return Answer(row, f"Token {row['name']} is revoked.")

        return revoke
    granted = role(_needed("token add", "--role", words.role))

    def add(app: App) -> Answer:
        token, row = app.access.tokens.add(name, granted)
        return Answer({"token": token, **row}, f"{token}\nIt is shown this once. Send it as: Authorization: Bearer …")

    return add


def _verb(command: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise BadInput(f"{command} {given[:40]}: expected one of {', '.join(known)}.")
    return given


def _only(words: argparse.Namespace, verb: str, allowed: Mapping[str, tuple[str, ...]]) -> None:
    for flag, verbs in allowed.items():
        if getattr(words, flag.removeprefix("--").replace("-", "_"), None) and verb not in verbs:
            raise BadInput(f"{flag} does not go with {words.command} {verb}.")


def _name(command: str, verb: str, given: str | None) -> str:
    if given is None:
        raise BadInput(f"{command} {verb} needs a name: {command} {verb} NAME.")
    return names.checked("name", given)


def _needed(command: str, flag: str, given: str | None) -> str:
    if given is None:
        raise BadInput(f"{command} needs {flag}: viewer, operator or admin.")
    return given


def _password(name: str, *, from_stdin: bool) -> str:
    """Ask for it twice without showing it, or read one line."""
    if from_stdin:
        given = sys.stdin.readline(LONGEST_LINE).rstrip("\r\n")
    elif sys.stdin.isatty():
        given = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != given:
            raise BadInput("The two passwords differ.")
    else:
        raise BadInput("There is no terminal to ask for the password: give it with --password-stdin.")
    passwords.check_rules(given, name)
    return given


def _listing(
    command: str, words: argparse.Namespace, read: Callable[[App], list[dict[str, Any]]], told: Callable[[Any], str]
) -> Answering:
    if words.name is not None:
        raise BadInput(f"{command} list takes no name.")

    def answer(app: App) -> Answer:
        rows = read(app)
        return Answer(rows, told(rows))

    return answer


def _person(row: dict[str, Any], what: str) -> Answer:
    return Answer(row, f"{row['name']} {what}.")


def _users(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "No accounts. Create one with: user add NAME --role admin"
    head = ("name", "role", "state", "last sign-in (UTC)")
    return text.table(head, [(r["name"], r["role"], _state(r, "disabled"), _when(r["last_sign_in_at"])) for r in rows])


def _tokens(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "No tokens. Create one with: token add NAME --role operator"
    head = ("name", "role", "state", "last used (UTC)")
    return text.table(head, [(r["name"], r["role"], _state(r, "revoked"), _when(r["last_used_at"])) for r in rows])


def _state(row: dict[str, Any], ended: str) -> str:
    return ended if row[f"{ended}_at"] else "active"


def _when(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else "never"


HANDLERS: Mapping[str, Handler] = {"user": _user, "token": _token}
