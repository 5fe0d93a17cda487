"""``own-numbers``: which numbers are ours, and what a person says of those that the data shows."""

import argparse
from collections.abc import Mapping, Sequence

from core.app import App
from core.cli import text
from core.cli.answers import Answer, Answering, Handler
from core.errors import BadInput
from core.linking import fields
from core.linking.system import OwnNumber
from core.settings import Settings

SAYS: Mapping[str, bool | None] = {"confirm": True, "deny": False, "clear": None}
TOLD: Mapping[bool | None, str] = {True: "is ours", False: "is not ours", None: "is to be confirmed again"}


def _own_numbers(_settings: Settings, words: argparse.Namespace) -> Answering:
    if words.verb is None:
        return _list
    if words.verb == "refresh":
        return _refresh
    if words.verb not in SAYS:
        verbs = ", ".join((*SAYS, "refresh"))
        raise BadInput(f"own-numbers {words.verb[:40]}: expected one of {verbs}, or nothing to list them.")
    if words.number is None:
        raise BadInput(f"own-numbers {words.verb} needs a number: own-numbers {words.verb} NUMBER.")
    number, is_ours = fields.line("number", words.number, 100), SAYS[words.verb]

    def answer(app: App) -> Answer:
        app.linking.judge()
        said = app.linking.confirm_own_number(number, is_ours)
        return Answer(_document(said), f"{said.number} {TOLD[is_ours]}.")

    return answer


def _refresh(app: App) -> Answer:
    """Read them from the Twilio account, then list all."""
    app.telephony.refresh_numbers()
    return _list(app)


def _list(app: App) -> Answer:
    app.linking.judge()
    found = app.linking.own_numbers()
    return Answer([_document(each) for each in found], _table(found))


def _document(each: OwnNumber) -> dict[str, object]:
    return {"number": each.number, "source": each.source, "calls": each.calls, "confirmed": each.confirmed}


def _table(found: Sequence[OwnNumber]) -> str:
    if not found:
        return "None known yet: set TWILIO_PHONE_NUMBER or OWN_NUMBERS, or wait for calls."
    rows = [(each.number, each.source, each.calls, _state(each)) for each in found]
    return text.table(("number", "known from", "calls", "state"), rows, right=(2,))


def _state(each: OwnNumber) -> str:
    if each.source != "data":
        return "ours, by the settings" if each.source == "settings" else "ours, by the Twilio account"
    return {True: "ours, confirmed", False: "not ours", None: "to be confirmed"}[each.confirmed]


HANDLERS: Mapping[str, Handler] = {"own-numbers": _own_numbers}
