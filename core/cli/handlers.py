"""What each command does: words in, an answer out. Every read judges first, so that causes are never stale."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from core.app import App
from core.cli import text
from core.errors import BadInput
from core.linking import Command, Matches, Options, WorklistFilter, fields
from core.linking.commands import Action
from core.model.records import LinkEvent

UNCHANGED: Mapping[Action, str] = {
    "link": "Nothing changed: the call is linked to this lead already (--current makes it the current one).",
    "unlink": "Nothing changed: the call is not linked.",
    "relink": "Nothing changed: the call is linked to this lead already.",
    "set_aside": "Nothing changed: the call is set aside already.",
    "restore": "Nothing changed: the call is not set aside.",
    "undo": "Nothing changed: everything is as it was before that event.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One JSON document, and the same for people."""

    document: Any
    text: str


Handler: TypeAlias = Callable[[App, argparse.Namespace], Answer]


def _overview(app: App, _words: argparse.Namespace) -> Answer:
    app.linking.judge()
    figures = app.linking.overview()
    return Answer(figures, text.overview(figures))


def _unlinked(app: App, words: argparse.Namespace) -> Answer:
    wanted = WorklistFilter(
        view="unlinked" if words.view is None else words.view,
        cause=words.cause,
        direction=words.direction,
        status=words.status,
        number=words.number,
        text=words.text,
        since=None if words.since is None else fields.moment("since", words.since),
        until=None if words.until is None else fields.moment("until", words.until),
    )
    limit = 50 if words.limit is None else fields.whole("limit", words.limit, 1, 10_000)
    app.linking.check_worklist(wanted, limit=limit, after=words.after)
    app.linking.judge()
    page = app.linking.worklist(wanted, limit=limit, after=words.after)
    total = app.linking.count(wanted)
    candidates = app.linking.candidates_of(page.items) if words.candidates else None
    return Answer(page.to_json(total, candidates), text.worklist(page, total, candidates))


def _lookup(app: App, words: argparse.Namespace) -> Answer:
    wanted = sys.stdin.read() if words.text == ["-"] else " ".join(words.text)
    lookup_text = fields.lookup_text(wanted)
    app.linking.judge()
    found = app.linking.lookup(lookup_text)
    if isinstance(found, Matches):
        return Answer(found.to_json(), text.matches(found))
    return Answer(found.to_json(), text.story(found))


def _candidates(app: App, words: argparse.Namespace) -> Answer:
    call_sid = fields.call_sid(words.call_sid)
    app.linking.judge()
    found = app.linking.candidates(call_sid)
    return Answer([candidate.to_json() for candidate in found], text.candidates_text(found))


def _repair(action: Action) -> Handler:
    def handle(app: App, words: argparse.Namespace) -> Answer:
        call_sid = fields.call_sid(words.call_sid)
        lead_id = fields.identifier("lead id", words.lead_id) if hasattr(words, "lead_id") else None
        seen_lead = _seen_lead(words.expect_lead)
        seen_call = _seen_call(getattr(words, "expect_call", None))
        options = _options(words)
        app.linking.check(Command(action, call_sid, lead_id, options=options))
        expect = _expected(app, call_sid, lead_id, seen_lead, seen_call)
        return _run(app, Command(action, call_sid, lead_id, options=_options(words, expect)))

    return handle


def _undo(app: App, words: argparse.Namespace) -> Answer:
    if (words.event_id is None) == (words.batch is None):
        raise BadInput("undo needs either an event id or --batch with a batch id.", hint="Find both with: activity")
    options = _options(words)
    if words.batch is None:
        return _run(app, Command("undo", event_id=fields.identifier("event id", words.event_id), options=options))
    outcome = app.linking.undo_batch(fields.batch_id(words.batch), options)
    return Answer(outcome.to_json(), text.batch(outcome))


def _activity(app: App, words: argparse.Namespace) -> Answer:
    found = app.linking.activity(
        lead=None if words.lead is None else fields.identifier("lead", words.lead),
        call=words.call,
        actor=words.actor,
        batch=words.batch,
        before=None if words.before is None else fields.identifier("before", words.before),
        limit=50 if words.limit is None else fields.whole("limit", words.limit, 1, 500),
    )
    return Answer([event.to_json() for event in found], text.events(found))


def _rebuild(app: App, _words: argparse.Namespace) -> Answer:
    done = app.linking.rebuild()
    return Answer(done.to_json(), text.rebuilt(done))


def _doctor(app: App, _words: argparse.Namespace) -> Answer:
    found = app.linking.doctor()
    document = {"ok": all(check.ok for check in found), "checks": [check.to_json() for check in found]}
    return Answer(document, text.checks(found))


def _options(words: argparse.Namespace, expect: Mapping[str, Any] | None = None) -> Options:
    return Options(
        actor=words.actor,
        reason=words.reason,
        request_id=words.request_id,
        current=getattr(words, "current", False),
        mark_contacted=getattr(words, "mark_contacted", False),
        expect=expect,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What somebody saw: an id or SID, or (None) that there was none."""

    value: int | str | None


def _seen_lead(word: str | None) -> _Seen | None:
    if word is None:
        return None
    return _Seen(None if word == "none" else fields.identifier("--expect-lead", word))


def _seen_call(word: str | None) -> _Seen | None:
    if word is None:
        return None
    return _Seen(None if word == "none" else fields.call_sid(word, "--expect-call"))


def _expected(
    app: App, call_sid: str, lead_id: int | None, seen_lead: _Seen | None, seen_call: _Seen | None
) -> dict[str, Any] | None:
    """The flags as facts of an event's ``before``. ``--expect-call`` is about the lead that the command names, else the call's."""
    expect: dict[str, Any] = {} if seen_lead is None else {"call_lead": seen_lead.value}
    if seen_call is not None:
        lead = lead_id
        if lead is None:
            lead = app.linking.story(call_sid).call.lead_id if seen_lead is None else seen_lead.value  # type: ignore[assignment]
        if lead is not None:
            expect["leads"] = {str(lead): seen_call.value}
    return expect or None


def _run(app: App, command: Command) -> Answer:
    event = app.linking.run(command)
    if event is None:
        message = UNCHANGED[command.action]
        return Answer({"changed": False, "message": message}, message)
    return Answer(event.to_json(), text.event(event, _warnings(app, event)))


def _warnings(app: App, event: LinkEvent) -> list[str]:
    return [change.sentence for change in app.linking.dialling(event) if change.diallable]


HANDLERS: Mapping[str, Handler] = {
    "overview": _overview,
    "unlinked": _unlinked,
    "lookup": _lookup,
    "candidates": _candidates,
    "link": _repair("link"),
    "unlink": _repair("unlink"),
    "relink": _repair("relink"),
    "set-aside": _repair("set_aside"),
    "restore": _repair("restore"),
    "undo": _undo,
    "activity": _activity,
    "rebuild": _rebuild,
    "doctor": _doctor,
}
