"""The repairs of one link, ``undo``, and ``activity``, the ledger that they leave."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.app import App
from core.cli import repair_words, text
from core.cli.answers import Answer, Answering, Handler, did
from core.cli.progress import Following
from core.errors import BadInput
from core.linking import Command, activity, commands, fields
from core.linking.commands import Action
from core.settings import Settings

UNCHANGED: Mapping[Action, str] = {
    "link": "Nothing changed: the call is linked to this lead already (--current makes it the current one, "
    "unless it is a test call).",
    "unlink": "Nothing changed: the call is not linked.",
    "relink": "Nothing changed: the call is linked to this lead already.",
    "set_aside": "Nothing changed: the call is set aside already.",
    "restore": "Nothing changed: the call is not set aside.",
    "confirm": "Nothing changed: a person has confirmed this link already.",
    "undo": "Nothing changed: everything is as it was before that event.",
}


def _repair(action: Action) -> Handler:
    def handle(settings: Settings, words: argparse.Namespace) -> Answering:
        call_sid = fields.call_sid(words.call_sid)
        lead_id = fields.identifier("lead id", words.lead_id) if hasattr(words, "lead_id") else None
        seen_lead = _seen_lead(words.expect_lead)
        seen_call = _seen_call(getattr(words, "expect_call", None))
        command = Command(action, call_sid, lead_id, options=repair_words.given(words))
        commands.check(command, actor=settings.actor)

        def answer(app: App) -> Answer:
            expect = _expected(app, command, seen_lead, seen_call)
            return _run(app, replace(command, options=replace(command.options, expect=expect or None)))

        return answer

    return handle


def _seen_lead(word: str | None) -> dict[str, int | None]:
    """``--expect-lead`` as a fact: the call's lead. Empty when nothing was said."""
    if word is None:
        return {}
    return {"call_lead": None if word.lower() == "none" else fields.identifier("--expect-lead", word)}


def _seen_call(word: str | None) -> dict[str, str | None]:
    """``--expect-call`` as a fact: what the lead's slot holds. Empty when nothing was said."""
    if word is None:
        return {}
    return {"slot": None if word.lower() == "none" else fields.call_sid(word, "--expect-call")}


def _expected(app: App, command: Command, lead: dict[str, int | None], call: dict[str, str | None]) -> dict[str, Any]:
    """Both flags as facts of an event's ``before``. ``--expect-call`` is about the lead named, else the call's lead."""
    if not call:
        return dict(lead)
    owner = command.lead_id or (lead["call_lead"] if lead else app.linking.call(command.call_sid or "").lead_id)
    return dict(lead) if owner is None else {**lead, "leads": {str(owner): call["slot"]}}


def _undo(settings: Settings, words: argparse.Namespace) -> Answering:
    if (words.event_id is None) == (words.batch is None):
        raise BadInput("undo needs either an event id or --batch with a batch id.", hint="Find both with: activity")
    if words.preview and words.batch is None:
        raise BadInput("--preview goes with --batch.")
    if words.batch is not None:
        return _undo_batch(settings, words)
    command = Command("undo", event_id=fields.identifier("event id", words.event_id), options=repair_words.given(words))
    commands.check(command, actor=settings.actor)
    return lambda app: _run(app, command)


def _undo_batch(settings: Settings, words: argparse.Namespace) -> Answering:
    batch, options = fields.batch_id(words.batch), repair_words.signed(settings, words)

    def answer(app: App) -> Answer:
        if words.preview:
            seen = app.linking.preview_undo_batch(batch)
            return Answer(seen.to_json(), text.batch_preview(seen))
        outcome = app.linking.undo_in_bulk(batch, options, progress=Following()).outcome
        return Answer(outcome.to_json(), text.batch(outcome))

    return answer


def _run(app: App, command: Command) -> Answer:
    event = app.linking.run(command)
    changes = () if event is None else app.linking.dialling(event)
    return did(event, UNCHANGED[command.action], [change.sentence for change in changes if change.diallable])


def _activity(_settings: Settings, words: argparse.Namespace) -> Answering:
    wanted: dict[str, Any] = {
        "lead": words.lead,
        "call": words.call,
        "actor": words.actor,
        "batch": words.batch,
        "before": words.before,
        "limit": 50 if words.limit is None else words.limit,
    }
    activity.wanted(**wanted)

    def answer(app: App) -> Answer:
        found = app.linking.activity(**wanted)
        return Answer([event.to_json() for event in found], text.events(found))

    return answer


HANDLERS: Mapping[str, Handler] = {
    "link": _repair("link"),
    "unlink": _repair("unlink"),
    "relink": _repair("relink"),
    "set-aside": _repair("set_aside"),
    "restore": _repair("restore"),
    "confirm": _repair("confirm"),
    "undo": _undo,
    "activity": _activity,
}
