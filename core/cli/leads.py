"""``set-phone`` and ``create-lead``: a lead's number put right, and a lead made from a call that belongs to nobody."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace

from core.app import App
from core.cli import repair_words, text
from core.cli.answers import Answer, Answering, Handler, did
from core.errors import BadInput
from core.linking import fields, lead_book, new_lead
from core.linking.new_lead import Draft, NewLeadPreview
from core.settings import Settings

SAME_PHONE = "Nothing changed: this is the number that is stored."


def _set_phone(settings: Settings, words: argparse.Namespace) -> Answering:
    lead_id = fields.identifier("lead id", words.lead_id)
    number = lead_book.phone_text(words.phone)
    options = repair_words.signed(settings, words)

    def answer(app: App) -> Answer:
        if words.preview:
            app.linking.judge()
            seen = app.linking.preview_phone(lead_id, number)
            return Answer(seen.to_json(), seen.sentence)
        return did(app.linking.set_phone(lead_id, number, options), SAME_PHONE)

    return answer


def _create_lead(settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid = fields.call_sid(words.call_sid)
    columns = _columns(words.columns)
    status = new_lead.STATUS if words.status is None else words.status
    given = Draft(name=words.name, phone=words.phone, status=status, columns=columns)
    new_lead.checked(given, settings.default_region)
    options = repair_words.signed(settings, words)

    def answer(app: App) -> Answer:
        app.linking.judge()  # it says which number is the other party's
        draft = given if given.phone is not None else replace(given, phone=app.linking.call(call_sid).counterpart)
        if words.preview:
            seen = app.linking.preview_new_lead(call_sid, draft)
            return Answer(seen.to_json(), _told(seen))
        event = app.linking.create_lead(call_sid, draft, options)
        return Answer(event.to_json(), text.event(event, ()))

    return answer


def _columns(given: str | None) -> dict[str, str]:
    if given is None:
        return {}
    wrong = BadInput(
        f'--columns is {fields.shown(given)}: expected a JSON object such as {{"email": "a@example.com"}}.'
    )
    try:
        columns = json.loads(given)
    except ValueError:
        raise wrong from None
    if not isinstance(columns, dict) or not all(isinstance(value, str) for value in columns.values()):
        raise wrong
    return columns


def _told(seen: NewLeadPreview) -> str:
    rows = [(name, value) for name, value in seen.columns.items() if value is not None]
    return f"{text.table(('column', 'value'), rows)}\n\n{seen.sentence}\n{seen.dialling}"


HANDLERS: Mapping[str, Handler] = {"set-phone": _set_phone, "create-lead": _create_lead}
