"""Where a person is in triage, and what each key does. A key only asks; the next run finds it asked and does it.

The place is in the address (``call``), the pass in :mod:`dashboard.triage_pass`, everything that was changed in the
ledger.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from core.errors import NotFound, PatchbayError, Refused
from core.linking import Command, Linking, Options, Story, Turn, WorklistFilter
from core.model.dialling import DiallingChange
from core.model.records import Call, Candidate, LinkEvent
from dashboard import corrections, identity, links, reads, repair, state, triage_view, viewer
from dashboard import triage_pass as passes
from dashboard.triage_pass import Asked, Pass

FRESH_SECONDS = 20.0
"""A story that was read ahead is shown when it is not older; what it says is compared before anything is written."""
NO_REASON = "Without a reason"
REASONS = (*repair.REASONS, NO_REASON)


class Steps:
    """Where a person is in a worklist, and what each key does; :class:`dashboard.triage.Round` shows it.

    :param confidence: only calls whose best candidate is so sure; None: all.
    """

    def __init__(self, wanted: WorklistFilter, confidence: str | None) -> None:
        self._wanted, self._confidence = wanted, confidence
        self._zone = viewer.zone()
        who = identity.current_actor()
        self._actor, self._may_write = who.name, who.may_write
        self._linking: Linking = identity.linking()
        self._midnight = datetime.now(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        self._key = passes.facts({"filter": wanted, "confidence": confidence})
        self._walk = Pass(self._key)
        self._turn: Turn | None = None
        self._at_the_top = False

    def prepare(self) -> None:
        """Find the place and do what was asked."""
        self._turn = self._place()
        top = self._at_the_top
        self._walk = passes.begin(self._actor, self._key, self._turn.left, self._midnight, at_the_top=top)
        self._walk = replace(self._walk, total=max(self._walk.total, self._turn.left))
        self._absorb_dialog()
        asked = passes.take()
        if asked is not None:
            self._walk = replace(self._walk, notes=(), offer=None, last="", asks_status=False)
            self._carry_out(asked)
        turn = self._turn
        if turn.call is not None:
            following = (turn.call.call_sid, turn.following) if turn.following else None
            self._walk = replace(self._walk, following=following)
        passes.keep(self._actor, self._walk)

    # Where we are ----------------------------------------------------------------------------------------------

    def _place(self) -> Turn:
        """The call that the address names, else the newest."""
        sid = links.param("call")
        if sid == passes.END:
            return Turn(None, None, 0)
        if sid is not None:
            try:
                return self._linking.triage_at(self._wanted, self._linking.call(sid), confidence=self._confidence)
            except NotFound:
                links.set_param("call", None)
        turn = self._linking.triage(self._wanted, confidence=self._confidence)
        self._at_the_top = True
        self._stand_at(turn)
        return turn

    def _stand_at(self, turn: Turn) -> None:
        self._turn = turn
        links.set_param("call", turn.call.call_sid if turn.call else passes.END)

    def _go_to(self, call_sid: str) -> None:
        call = self._linking.call(call_sid)
        self._stand_at(self._linking.triage_at(self._wanted, call, confidence=self._confidence))
        before = self._walk.came_from
        kept = before[: before.index(call_sid)] if call_sid in before else before
        self._walk = replace(self._walk, came_from=kept, shown=0, asks_reason=False, following=None)

    def _advance(self) -> None:
        """To the next call. One that should have come and does not was finished by somebody else: say by whom."""
        turn, walk = self._turn, self._walk
        if turn is None or turn.call is None:
            return
        then = self._linking.triage(self._wanted, confidence=self._confidence, after=turn.call)
        here, expected = walk.following or ("", "")
        notes = walk.notes
        if here == turn.call.call_sid and (then.call is None or then.call.call_sid != expected):
            notes = (*notes, *self._who_finished(expected))
        came_from = (*walk.came_from, turn.call.call_sid)[-passes.MOST_REMEMBERED :]
        self._walk = replace(walk, came_from=came_from, shown=0, asks_reason=False, notes=notes)
        self._stand_at(then)

    def _who_finished(self, call_sid: str) -> tuple[str, ...]:
        found = self._linking.activity(call=call_sid, limit=1)
        return tuple(triage_view.finished(event) for event in found if event.source != "baseline")

    # What was asked --------------------------------------------------------------------------------------------

    def _carry_out(self, asked: Asked) -> None:
        steps: dict[str, Callable[[str | int | None], None]] = {
            "accept": self._accept,
            "keep": lambda lead_id: self._choose_status("keep", lead_id),
            "contacted": lambda lead_id: self._choose_status("contacted", lead_id),
            "cancel": lambda _: None,
            "next": lambda _: self._pass_over(),
            "other": lambda _: self._other(),
            "pick": self._pick,
            "reasons": lambda _: self._toggle_reasons(),
            "aside": self._set_aside,
            "undo": lambda _: self._undo_last(),
            "undo_event": self._undo_one,
            "unskip": self._unskip,
            "back": lambda _: self._back(),
            "work": lambda _: self._toggle_work(),
            "again": lambda _: self._again(),
        }
        try:
            steps[asked.what](asked.value)
        except Refused as refusal:
            self._refused(refusal)
        except PatchbayError as error:
            self._say(" ".join(filter(None, (error.message, error.hint))))

    def _say(self, words: str) -> None:
        self._walk = replace(self._walk, notes=(*self._walk.notes, words))

    def _refused(self, refusal: Refused) -> None:
        """Somebody was faster: pass a finished call over, with a word; else say what is otherwise now."""
        reads.clear()
        passes.look_ahead(None)
        call = self._turn.call if self._turn else None
        now = self._linking.call(call.call_sid) if call else None
        if now is None or not self._finished(now):
            self._say(refusal.message)

    def _finished(self, call: Call) -> bool:
        """Pass a call over that somebody else finished, and say who; False where it is still open."""
        if call.state == "unlinked":
            return False
        for words in self._who_finished(call.call_sid):
            self._say(words)
        self._advance()
        return True

    def _wrote(self, event: LinkEvent | None) -> None:
        reads.clear()
        if event is not None:
            self._walk = replace(passes.done(self._walk, event), last=triage_view.last(event))

    def _accept(self, lead_id: object) -> None:
        told, candidate = self._facing()
        if told is None or candidate is None or candidate.lead_id != lead_id or self._finished(told.call):
            return
        command = Command("link", told.call_sid, candidate.lead_id)
        seen = passes.seen(told.call_sid, candidate.lead_id) or self._linking.preview(command)
        if seen is None:
            self._advance()
            return
        dialled = self._linking.dialling(seen)
        if asked_in_dialog(candidate, dialled):
            state.open_dialog("link", told.call_sid, candidate.lead_id)
            return  # what it sets off is shown in the dialog, and confirmed there
        if dialled and self._walk.status is None:
            self._walk = replace(self._walk, asks_status=True, asks_reason=False)
            return
        marked = tuple(change.lead_id for change in dialled) if self._walk.status == "contacted" else ()
        expect = {**_plain(seen.before), "call_lead": None, "set_aside": False}
        options = Options(
            expect=expect, promise=_plain(seen.after), mark_contacted=marked or False, request_id=str(uuid.uuid4())
        )
        self._wrote(self._linking.link(told.call_sid, candidate.lead_id, options))
        self._offer_number(told, candidate)
        self._advance()

    def _choose_status(self, status: passes.StatusChoice, lead_id: object) -> None:
        """Choose for the rest of the pass; with a lead, whose link waited for it, link too."""
        self._walk = replace(self._walk, status=status)
        if lead_id is not None:
            self._accept(lead_id)

    def _offer_number(self, told: Story, candidate: Candidate) -> None:
        """The lead's phone is another one than the call's: it could be stored, which is offered and never done."""
        number = told.call.counterpart
        if number and corrections.differs(reads.lead(candidate.lead_id), number):
            self._walk = replace(self._walk, offer=(candidate.lead_id, number))

    def _pass_over(self) -> None:
        call = self._turn.call if self._turn else None
        if call is None:
            return
        if call.state == "unlinked":
            at = passes.note_skip(self._actor, call.call_sid)
            self._walk = replace(self._walk, deeds=(*self._walk.deeds, passes.Deed(call.call_sid, None, at)))
        self._advance()

    def _other(self) -> None:
        self._walk = replace(self._walk, shown=self._walk.shown + 1, asks_reason=False)

    def _pick(self, place: object) -> None:
        self._walk = replace(self._walk, shown=int(str(place)), asks_reason=False)

    def _toggle_reasons(self) -> None:
        self._walk = replace(self._walk, asks_reason=not self._walk.asks_reason)

    def _toggle_work(self) -> None:
        self._walk = replace(self._walk, lists_work=not self._walk.lists_work)

    def _set_aside(self, reason: object) -> None:
        call = self._turn.call if self._turn else None
        if call is None or self._finished(call):
            return
        said = None if reason == NO_REASON else str(reason)
        expect = {"call_lead": None, "set_aside": False}
        options = Options(reason=said, expect=expect, request_id=str(uuid.uuid4()))
        self._wrote(self._linking.set_aside(call.call_sid, options))
        self._advance()

    def _back(self) -> None:
        if self._walk.came_from:
            self._go_to(self._walk.came_from[-1])

    def _undo_last(self) -> None:
        deeds = self._walk.deeds or self._earlier_deeds()
        if not deeds:
            return
        last = deeds[-1]
        self._walk = replace(self._walk, deeds=tuple(deed for deed in self._walk.deeds if deed != last))
        if last.event_id is None:
            passes.forget_skip(self._actor, last.call_sid)
        else:
            self._take_back(last.event_id)
        if last.call_sid:
            self._go_to(last.call_sid)

    def _earlier_deeds(self) -> tuple[passes.Deed, ...]:
        """After a reload: today's newest change, or the newest call that was passed over."""
        events = self._linking.work_since(self._midnight).events[:1]
        found = [passes.Deed(e.call_sid or "", e.id, e.at or self._midnight) for e in events]
        skipped = passes.skipped_since(self._actor, self._midnight)[:1]
        found += [passes.Deed(sid, None, at) for sid, at in skipped]
        return tuple(sorted(found, key=lambda deed: deed.at))

    def _undo_one(self, event_id: object) -> None:
        number = int(str(event_id))
        self._take_back(number)
        self._walk = replace(self._walk, deeds=tuple(d for d in self._walk.deeds if d.event_id != number))

    def _take_back(self, event_id: int) -> None:
        event = self._linking.undo(event_id, Options(request_id=str(uuid.uuid4())))
        if event is not None:
            self._walk = replace(self._walk, last=triage_view.last(event))
            for change in self._linking.dialling(event):
                if change.diallable:
                    self._say(change.sentence)
        reads.clear()
        passes.look_ahead(None)

    def _unskip(self, call_sid: object) -> None:
        sid = str(call_sid)
        passes.forget_skip(self._actor, sid)
        self._walk = replace(self._walk, deeds=tuple(d for d in self._walk.deeds if d.event_id or d.call_sid != sid))
        self._go_to(sid)

    def _again(self) -> None:
        passes.begin_anew(self._actor, self._key)
        turn = self._linking.triage(self._wanted, confidence=self._confidence)
        self._walk = Pass(self._key, turn.left)
        self._stand_at(turn)

    def _absorb_dialog(self) -> None:
        """What a dialog did counts as done here: go on, and keep it for Undo."""
        done = state.done()
        if done is None or done.event is None:
            return
        state.dismiss_done()
        passes.look_ahead(None)
        event, here = done.event, self._turn.call if self._turn else None
        if done.is_undo or event.id is None:
            return
        self._walk = replace(passes.done(self._walk, event), notes=(), offer=None, last=triage_view.last(event))
        if here is not None and event.call_sid == here.call_sid:
            told, candidate = self._facing()
            if told is not None and candidate is not None and event.action == "link":
                self._offer_number(told, candidate)
            self._advance()

    # What it is about ------------------------------------------------------------------------------------------

    def _story(self) -> Story | None:
        call = self._turn.call if self._turn else None
        if call is None:
            return None
        kept = passes.ahead(call.call_sid, FRESH_SECONDS)
        if kept is not None and (kept.call.state, kept.call.cause) == (call.state, call.cause):
            return kept
        return self._linking.story(call.call_sid)

    def _facing(self) -> tuple[Story | None, Candidate | None]:
        told = self._story()
        if told is None or not told.candidates:
            return told, None
        return told, told.candidates[self._walk.shown % len(told.candidates)]


def asked_in_dialog(candidate: Candidate, dialled: Sequence[DiallingChange]) -> bool:
    """Whether linking is confirmed in the dialog: on low confidence, and where it could make somebody be dialled."""
    return candidate.confidence == "low" or any(
        change.diallable or change.lead_id != candidate.lead_id for change in dialled
    )


def _plain(facts: object) -> dict[str, object]:
    return {name: value for name, value in dict(facts).items() if name != "rows"}  # type: ignore[call-overload]
