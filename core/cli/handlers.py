"""What each command does, in two steps: check the words without touching a database, then answer with the app.

Every read judges first, so that no cause is stale.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Any, TypeAlias

from core.app import App
from core.cli import (
    exports,
    finding,
    jobs,
    new_lead,
    number_rules,
    own_numbers,
    people,
    reconcile,
    repair,
    test_call,
    text,
    worker,
    worklist_words,
)
from core.cli.answers import Answer
from core.errors import BadInput, Unavailable
from core.inbound import readiness
from core.linking import (
    Command,
    Matches,
    Options,
    WorklistFilter,
    activity,
    commands,
    conflicts,
    fields,
    lead_book,
    lookup,
    views,
    worklist,
)
from core.linking.commands import Action
from core.model.records import LinkEvent
from core.settings import Settings

Answering: TypeAlias = Callable[[App], Answer]
Handler: TypeAlias = Callable[[Settings, argparse.Namespace], Answering]

LONGEST_PASTE = 10_000_000
"""Characters of a log that are read from stdin."""
UNCHANGED: Mapping[Action, str] = {
    "link": "Nothing changed: the call is linked to this lead already (--current makes it the current one).",
    "unlink": "Nothing changed: the call is not linked.",
    "relink": "Nothing changed: the call is linked to this lead already.",
    "set_aside": "Nothing changed: the call is set aside already.",
    "restore": "Nothing changed: the call is not set aside.",
    "confirm": "Nothing changed: a person has confirmed this link already.",
    "undo": "Nothing changed: everything is as it was before that event.",
}


UNMERGED = "Nothing changed: the call has one event row."
SAME_PHONE = "Nothing changed: this is the number that is stored."


def _demo(settings: Settings, words: argparse.Namespace) -> Answering:
    from core import demo  # a world of words that no other command needs

    calls = demo.DEFAULT_CALLS if words.calls is None else fields.whole("--calls", words.calls, 1, 100_000)
    seed = demo.DEFAULT_SEED if words.seed is None else fields.whole("--seed", words.seed, 0, 2**31 - 1)
    if words.if_empty and words.force:
        raise BadInput("--if-empty and --force exclude each other.")
    if not words.if_empty:
        demo.require_local(settings)

    def answer(app: App) -> Answer:
        if words.if_empty:
            report = demo.fill_first_time(app, calls=calls, seed=seed)
        else:
            report = demo.fill(app, calls=calls, seed=seed, force=words.force)
        return Answer(None, "") if report is None else Answer(report.to_json(), text.demo(report))

    return answer


def _overview(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def answer(app: App) -> Answer:
        app.linking.judge()
        figures = app.linking.overview()
        return Answer(figures, text.overview(figures))

    return answer


def _unlinked(settings: Settings, words: argparse.Namespace) -> Answering:
    wanted = worklist_words.wanted(settings, words)
    if words.by_number:
        return _by_number(settings, words, wanted)
    limit = 50 if words.limit is None else fields.whole("--limit", words.limit, 1, worklist.LARGEST_PAGE)
    worklist.check_page(limit, words.after)

    def answer(app: App) -> Answer:
        app.linking.judge()
        page = app.linking.worklist(wanted, limit=limit, after=words.after)
        total = app.linking.count(wanted)
        candidates = app.linking.candidates_of(page.items) if words.candidates else None
        return Answer(page.to_json(total, candidates), text.worklist(page, total, candidates))

    return answer


def _by_number(settings: Settings, words: argparse.Namespace, wanted: WorklistFilter) -> Answering:
    limit = 50 if words.limit is None else fields.whole("--limit", words.limit, 1, views.LARGEST_PAGE)
    region = settings.default_region
    views.query(wanted, now=datetime.now(UTC), grace_seconds=0, region=region, limit=limit, after=words.after)

    def answer(app: App) -> Answer:
        app.linking.judge()
        page = app.linking.by_number(wanted, limit=limit, after=words.after)
        return Answer(page.to_json(), text.numbers(page))

    return answer


def _conflicts(_settings: Settings, words: argparse.Namespace) -> Answering:
    limit = 50 if words.limit is None else words.limit
    conflicts.query(kind=words.kind, limit=limit, after=words.after)

    def answer(app: App) -> Answer:
        page = app.linking.conflicts(words.kind, limit=fields.whole("limit", limit, 1, 10_000), after=words.after)
        return Answer(page.to_json(), text.conflicts_text(page))

    return answer


def _merge(settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid, options = fields.call_sid(words.call_sid), _options(words)
    keep = None if words.keep is None else fields.line("--keep", words.keep, 50)
    commands.sql_options(options, actor=settings.actor)

    def answer(app: App) -> Answer:
        if words.preview:
            return _would(app.linking.preview_merge(call_sid, keep).event, UNMERGED)
        return _did(app.linking.merge_rows(call_sid, keep, options), UNMERGED)

    return answer


def _normalise(settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid, options = fields.call_sid(words.call_sid), _options(words)
    commands.sql_options(options, actor=settings.actor)

    def answer(app: App) -> Answer:
        if words.preview:
            seen = app.linking.preview_normalise(call_sid)
            return Answer(seen.to_json(), text.normalised(seen))
        events = app.linking.normalise(call_sid, options)
        return Answer([event.to_json() for event in events], text.batch_of(events))

    return answer


def _add_constraint(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def answer(app: App) -> Answer:
        app.linking.add_constraint()
        return Answer({"exists": True}, "leads.call_sid is UNIQUE.")

    return answer


def _set_phone(settings: Settings, words: argparse.Namespace) -> Answering:
    lead_id, options = fields.identifier("lead id", words.lead_id), _options(words)
    number = lead_book.phone_text(words.phone)
    commands.sql_options(options, actor=settings.actor)

    def answer(app: App) -> Answer:
        if words.preview:
            app.linking.judge()
            seen = app.linking.preview_phone(lead_id, number)
            return Answer(seen.to_json(), seen.sentence)
        return _did(app.linking.set_phone(lead_id, number, options), SAME_PHONE)

    return answer


def _did(event: LinkEvent | None, unchanged: str) -> Answer:
    if event is None:
        return Answer({"changed": False, "message": unchanged}, unchanged)
    return Answer(event.to_json(), text.event(event, ()))


def _would(event: LinkEvent | None, unchanged: str) -> Answer:
    if event is None:
        return Answer({"changed": False, "message": unchanged}, unchanged)
    return Answer(event.to_json(), text.preview(event))


def _lookup(_settings: Settings, words: argparse.Namespace) -> Answering:
    pasted = _from_stdin() if words.text == ["-"] else " ".join(words.text)
    lookup.understood(pasted)

    def answer(app: App) -> Answer:
        app.linking.judge()
        found = app.linking.lookup(pasted)
        told = text.matches(found) if isinstance(found, Matches) else text.story(found)
        return Answer(found.to_json(), told)

    return answer


def _from_stdin() -> str:
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # a log file may hold anything
    return sys.stdin.read(LONGEST_PASTE)


def _candidates(_settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid = fields.call_sid(words.call_sid)

    def answer(app: App) -> Answer:
        app.linking.judge()
        found = app.linking.candidates(call_sid)
        return Answer([candidate.to_json() for candidate in found], text.candidates_text(found))

    return answer


def _repair(action: Action) -> Handler:
    def handle(settings: Settings, words: argparse.Namespace) -> Answering:
        call_sid = fields.call_sid(words.call_sid)
        lead_id = fields.identifier("lead id", words.lead_id) if hasattr(words, "lead_id") else None
        seen_lead = _seen_lead(words.expect_lead)
        seen_call = _seen_call(getattr(words, "expect_call", None))
        command = Command(action, call_sid, lead_id, options=_options(words))
        commands.check(command, actor=settings.actor)

        def answer(app: App) -> Answer:
            expect = _expected(app, command, seen_lead, seen_call)
            return _run(app, replace(command, options=replace(command.options, expect=expect or None)))

        return answer

    return handle


def _undo(settings: Settings, words: argparse.Namespace) -> Answering:
    if (words.event_id is None) == (words.batch is None):
        raise BadInput("undo needs either an event id or --batch with a batch id.", hint="Find both with: activity")
    if words.preview and words.batch is None:
        raise BadInput("--preview goes with --batch.")
    if words.batch is not None:
        return _undo_batch(settings, words)
    command = Command("undo", event_id=fields.identifier("event id", words.event_id), options=_options(words))
    commands.check(command, actor=settings.actor)
    return lambda app: _run(app, command)


def _undo_batch(settings: Settings, words: argparse.Namespace) -> Answering:
    batch, options = fields.batch_id(words.batch), _options(words)
    commands.sql_options(options, actor=settings.actor)

    def answer(app: App) -> Answer:
        if words.preview:
            seen = app.linking.preview_undo_batch(batch)
            return Answer(seen.to_json(), text.batch_preview(seen))
        outcome = app.linking.undo_batch(batch, options)
        return Answer(outcome.to_json(), text.batch(outcome))

    return answer


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


def _rebuild(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def answer(app: App) -> Answer:
        done = app.linking.rebuild()
        return Answer(done.to_json(), text.rebuilt(done))

    return answer


def _doctor(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def answer(app: App) -> Answer:
        with contextlib.suppress(Unavailable):
            app.telephony.refresh_numbers()  # what came of it is the check's line
        found = [*app.linking.doctor(), app.telephony.check(), readiness.check(app.settings)]
        document = {"ok": all(check.ok for check in found), "checks": [check.to_json() for check in found]}
        return Answer(document, text.checks(found))

    return answer


def _options(words: argparse.Namespace) -> Options:
    return Options(
        actor=words.actor,
        reason=words.reason,
        request_id=words.request_id,
        current=getattr(words, "current", False),
        mark_contacted=getattr(words, "mark_contacted", False),
    )


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


def _run(app: App, command: Command) -> Answer:
    event = app.linking.run(command)
    if event is None:
        message = UNCHANGED[command.action]
        return Answer({"changed": False, "message": message}, message)
    warnings = [change.sentence for change in app.linking.dialling(event) if change.diallable]
    return Answer(event.to_json(), text.event(event, warnings))


HANDLERS: Mapping[str, Handler] = {
    "demo": _demo,
    "overview": _overview,
    "unlinked": _unlinked,
    "lookup": _lookup,
    "candidates": _candidates,
    "link": _repair("link"),
    "unlink": _repair("unlink"),
    "relink": _repair("relink"),
    "set-aside": _repair("set_aside"),
    "restore": _repair("restore"),
    "confirm": _repair("confirm"),
    **number_rules.HANDLERS,
    "conflicts": _conflicts,
    "merge": _merge,
    "normalise": _normalise,
    "add-constraint": _add_constraint,
    "set-phone": _set_phone,
    "undo": _undo,
    "activity": _activity,
    "reconcile": reconcile.handle,
    "rebuild": _rebuild,
    "doctor": _doctor,
    **exports.HANDLERS,
    **finding.HANDLERS,
    **own_numbers.HANDLERS,
    **people.HANDLERS,
    **jobs.HANDLERS,
    **new_lead.HANDLERS,
    **repair.HANDLERS,
    **test_call.HANDLERS,
    **worker.HANDLERS,
}
