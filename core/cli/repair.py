"""The command ``repair``: fill what is missing of a call, or of all of a kind, with what Twilio answers."""

import argparse
import sys
from collections.abc import Mapping
from typing import cast

from core.app import App
from core.cli import repair_words, text
from core.cli.answers import Answer, Answering, Handler, did
from core.errors import BadInput
from core.linking import Options, fields
from core.settings import Settings
from core.telephony import BulkRepair, RepairPreview
from core.telephony.repair import FIELDS, Field, Which
from core.wording import count

COMPLETE = "Nothing changed: Twilio knows no more of this call than is stored."
HOW = "Name a call, or a kind of calls: repair CALL_SID, repair --cause no_numbers, repair --view stuck"


def _repair(settings: Settings, words: argparse.Namespace) -> Answering:
    given = [words.sid, words.cause, words.view]
    if sum(each is not None for each in given) != 1:
        raise BadInput("repair needs one of CALL_SID, --cause and --view.", hint=HOW)
    options = repair_words.signed(settings, words)
    if words.sid is not None:
        return _one(words, options)
    if words.request_id is not None or words.overwrite is not None:
        raise BadInput("--request-id and --overwrite go with a single call.", hint=HOW)
    which = _which(words)
    limit = None if words.limit is None else fields.whole("--limit", words.limit, 1, 1_000_000)
    batch = None if words.batch is None else fields.batch_id(words.batch)
    if words.preview:
        return lambda app: _waiting(app, which, limit)

    def answer(app: App) -> Answer:
        done = app.repair.repair_all(which, limit=limit, batch_id=batch, options=options, progress=_progress)
        return Answer(done.to_json(), _bulk(done))

    return answer


def _one(words: argparse.Namespace, options: Options) -> Answering:
    if words.limit is not None or words.batch is not None:
        raise BadInput("--limit and --batch go with --cause and --view.", hint=HOW)
    call_sid = fields.call_sid(words.sid)
    overwrite = [
        cast(Field, fields.choice("--overwrite", name.strip(), FIELDS)) for name in (words.overwrite or "").split(",")
        if name.strip()
    ]  # fmt: skip

    def answer(app: App) -> Answer:
        if words.preview:
            seen = app.repair.preview(call_sid, overwrite)
            return Answer(seen.to_json(), _seen(seen))
        return did(app.repair.apply(call_sid, options, overwrite), COMPLETE)

    return answer


def _which(words: argparse.Namespace) -> Which:
    if words.cause is not None:
        fields.choice("--cause", words.cause, ("no_numbers",))
        return "no_numbers"
    fields.choice("--view", words.view, ("stuck",))
    return "stuck"


def _waiting(app: App, which: Which, limit: int | None) -> Answer:
    sids = app.repair.waiting(which, limit)
    said = f"Twilio would be asked about {count(len(sids), 'call')}. Nothing was written."
    return Answer({"total": len(sids), "call_sids": sids}, said)


def _progress(done: int, total: int) -> None:
    if total and (done == total or done % 25 == 0):
        print(f"{done} of {count(total, 'call')}", file=sys.stderr, flush=True)


def _seen(seen: RepairPreview) -> str:
    if not seen.differences:
        return COMPLETE
    rows = [
        (each.field, "nothing" if each.ours is None else each.ours, each.theirs, "is filled" if each.fills else "stays")
        for each in seen.differences
    ]
    stays = any(not each.fills for each in seen.differences)
    lines = [text.table(("column", "stored", "Twilio", ""), rows), "", "Nothing was written."]
    return "\n".join([*lines, *(["To take Twilio's value: --overwrite COLUMN[,COLUMN]"] if stays else [])])


def _bulk(done: BulkRepair) -> str:
    lines = [
        f"{len(done.repaired)} of {count(done.total, 'call')} filled, {len(done.unchanged)} as they were, "
        f"{len(done.unknown)} unknown to Twilio, {len(done.failed)} failed."
    ]
    lines += [f"  {sid}: {why}" for sid, why in done.failed.items()]
    lines += [f"It ended early: {done.stopped} Run it again to go on."] if done.stopped else []
    lines += [f"To take it back: python -m core undo --batch {done.batch_id}"] if done.repaired else []
    return "\n".join(lines)


HANDLERS: Mapping[str, Handler] = {"repair": _repair}
