"""Triage: the unlinked calls one at a time, by keyboard. A fragment, so that a key costs one call's worth of reading.

A key or button only asks; the fragment's next run does it, then shows the call that comes next. The place is in the
address (``call``), the pass in :mod:`dashboard.triage_pass`, everything that was changed in the ledger.
"""

import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import streamlit as st

from core.access.identity import VIEWERS_READ
from core.errors import NotFound, PatchbayError, Refused
from core.linking import Command, Linking, Options, Story, Turn, WorklistFilter
from core.model.records import Call, Candidate, LinkEvent
from dashboard import corrections, formatting, guard, identity, links, reads, repair, state, story, triage_view, viewer
from dashboard import triage_pass as passes
from dashboard.guard import guarded
from dashboard.triage_pass import Asked, Pass

STYLE = Path(__file__).with_name("triage.css")
FRESH_SECONDS = 20.0
"""A story that was read ahead is shown when it is not older; what it says is compared before anything is written."""
TALL = 430
MOST_OTHERS = 4
MOST_LISTED = 20
NO_REASON = "Without a reason"
REASONS = (*repair.REASONS, NO_REASON)


def show(wanted: WorklistFilter, confidence: str | None, words: str, start: links.Target) -> None:
    """Triage of a worklist.

    :param confidence: only calls whose best candidate is so sure; None: all.
    :param words: the filters in words.
    :param start: the worklist with these filters, to go back to.
    """
    st.html(STYLE)
    with st.container(
        key="triage_heading", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        st.title("Triage", anchor=False, width="content")
        st.html(f'<span class="pb-line pb-muted">{story.text(words)}</span>', width="stretch")
        links.show("Back to the list", start, icon=":material/list:")
    _part(wanted, confidence)


@st.fragment
@guarded
def _part(wanted: WorklistFilter, confidence: str | None) -> None:
    Round(wanted, confidence).run()


class Round:
    """One run of the fragment: carry out what was asked, then show one call."""

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

    def run(self) -> None:
        """The whole round."""
        self._turn = self._place()
        top = self._at_the_top
        self._walk = passes.begin(self._actor, self._key, self._turn.left, self._midnight, at_the_top=top)
        self._walk = replace(self._walk, total=max(self._walk.total, self._turn.left))
        self._absorb_dialog()
        asked = passes.take()
        if asked is not None:
            self._walk = replace(self._walk, notes=(), offer=None, last="")
            self._carry_out(asked)
        turn = self._turn
        if turn.call is not None:
            following = (turn.call.call_sid, turn.following) if turn.following else None
            self._walk = replace(self._walk, following=following)
        passes.keep(self._actor, self._walk)
        self._show()

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
        steps = {
            "accept": self._accept,
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
        if candidate.confidence == "low" or self._linking.dialling(seen):
            state.open_dialog("link", told.call_sid, candidate.lead_id)
            return  # what it sets off is shown in the dialog, and confirmed there
        expect = {**_plain(seen.before), "call_lead": None, "set_aside": False}
        options = Options(expect=expect, promise=_plain(seen.after), request_id=str(uuid.uuid4()))
        self._wrote(self._linking.link(told.call_sid, candidate.lead_id, options))
        self._offer_number(told, candidate)
        self._advance()

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

    # What is shown ---------------------------------------------------------------------------------------------

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

    def _show(self) -> None:
        if state.intent() is not None and passes_dialog_is_new():
            st.rerun()  # the dialog is the page's, not the fragment's
        turn = self._turn or Turn(None, None, 0)
        self._head(turn)
        told, candidate = self._facing()
        if told is None:
            self._end()
            if self._walk.lists_work:
                self._list()
        else:
            self._one(told, candidate)
        self._look_ahead(turn)

    def _head(self, turn: Turn) -> None:
        with st.container(
            key="triage_count", horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"
        ):
            st.html(triage_view.count(turn.left, self._walk.total, self._walk.last), width="content")
            self._today()
        st.html(triage_view.bar(turn.left, self._walk.total))
        if self._walk.notes:
            st.html(triage_view.notes(self._walk.notes))
        if self._walk.offer:
            corrections.offer(*self._walk.offer)

    def _one(self, told: Story, candidate: Candidate | None) -> None:
        self._keys(told, candidate)
        if self._walk.asks_reason:
            self._reasons()
        left, right = st.columns([47, 53], gap="large")
        with left:
            st.html(triage_view.who(told.call, self._zone) + triage_view.why(told))
            self._said(told)
        with right:
            self._right(told, candidate)

    def _said(self, told: Story) -> None:
        if not told.transcripts:
            st.html('<p class="pb-line pb-muted">Nothing was transcribed.</p>')
            return
        with st.container(height=TALL if len(told.transcripts) > 6 else "content", border=False, key="triage_talk"):
            st.html(story.conversation(told.transcripts, self._zone))

    def _right(self, told: Story, candidate: Candidate | None) -> None:
        if candidate is None:
            st.html('<p class="pb-why">No lead fits this call by number, notes or an earlier link.</p>')
        else:
            with st.container(key="triage_candidate", gap="xsmall"):
                calls, found = reads.calls_of_lead(candidate.lead_id), reads.lead(candidate.lead_id)
                st.html(triage_view.lead(candidate, found, calls.total, self._zone))
                self._effect(told, candidate)
        self._others(told, candidate)
        corrections.show(told, key="triage", firm=False)
        with st.container(key="triage_more", horizontal=True, vertical_alignment="bottom", gap="small"):
            self._typed_lead(told)
            links.show("Open in Call lookup", links.call(told.call_sid), icon=":material/open_in_full:")
        if self._walk.lists_work:
            self._list()

    def _effect(self, told: Story, candidate: Candidate) -> None:
        if told.call.state != "unlinked":
            return
        try:
            seen = self._linking.preview(Command("link", told.call_sid, candidate.lead_id))
        except PatchbayError as error:
            guard.show(error, "effect")
            return
        if seen is None:
            return
        passes.note_seen(passes.Seen(told.call_sid, candidate.lead_id, seen))
        found = reads.lead(candidate.lead_id)
        st.html(f'<p class="pb-effect">{story.text(triage_view.effect(seen, found))}</p>')
        for change in self._linking.dialling(seen):
            st.html(f'<p class="pb-line pb-wait"><b>!</b> {story.text(change.sentence)} Asked before it is done.</p>')
        if candidate.confidence == "low":
            st.html('<p class="pb-line pb-wait"><b>!</b> Low confidence: asked before it is done.</p>')

    def _others(self, told: Story, candidate: Candidate | None) -> None:
        rest = [(place, each) for place, each in enumerate(told.candidates) if each is not candidate]
        if not rest:
            return
        words = formatting.count(len(rest), "other candidate")
        st.html(f'<p class="pb-line pb-muted">{words}</p>')
        for place, each in rest[:MOST_OTHERS]:
            with st.container(
                key=f"triage_other_{each.lead_id}", horizontal=True, vertical_alignment="center", gap="small"
            ):
                st.html(triage_view.other(each), width="stretch")
                key = None if self._walk.asks_reason else str(place + 1)
                self._button("Show", f"pick.{each.lead_id}", "pick", place, shortcut=key, reads_only=True)

    def _typed_lead(self, told: Story) -> None:
        if told.call.state != "unlinked":
            return
        field = "triage.lead"
        st.text_input("Another lead", key=field, max_chars=30, placeholder="Lead id", width=120)
        args = ("link", told.call_sid, field)
        off = not self._may_write
        on_click = state.open_dialog_for_typed_lead
        st.button("Link…", key="triage.typed", icon=":material/link:", on_click=on_click, args=args, disabled=off)
        problem = state.problem_of(field)
        if problem:
            st.warning(formatting.plain(problem), icon=":material/edit:")

    def _keys(self, told: Story, candidate: Candidate | None) -> None:
        open_call = told.call.state == "unlinked"
        with st.container(key="triage_keys", horizontal=True, vertical_alignment="center", gap="small"):
            if candidate is not None:
                label = f"Link to lead {candidate.lead_id}"
                self._button(label, "accept", "accept", candidate.lead_id, shortcut="A", primary=True, on=open_call)
            else:
                self._new_lead(told, primary=True, on=open_call)
            self._button("Next", "next", "next", shortcut="N", icon="arrow_forward", reads_only=True)
            self._button("Set aside", "aside", "reasons", shortcut="S", icon="block", on=open_call)
            self._button("Undo", "undo", "undo", shortcut="U", icon="undo")
            back = bool(self._walk.came_from)
            self._button("Back", "back", "back", shortcut="B", icon="arrow_back", on=back, reads_only=True)
            if len(told.candidates) > 1:
                place = self._walk.shown % len(told.candidates) + 1
                words = f"Other candidate · {place} of {len(told.candidates)}"
                self._button(words, "other", "other", shortcut="O", icon="swap_horiz", reads_only=True)
            if candidate is not None:
                self._new_lead(told, primary=False, on=open_call)
        if not self._may_write:
            st.info(VIEWERS_READ, icon=":material/visibility:")

    def _new_lead(self, told: Story, *, primary: bool, on: bool) -> None:
        if told.cause == "no_matching_lead" or primary:
            barred = not on or not self._may_write or state.intent() is not None
            st.button(
                "Create a lead from this call…",
                key="triage.new_lead",
                type="primary" if primary else "secondary",
                icon=":material/person_add:",
                shortcut="L",
                disabled=barred,
                on_click=state.open_dialog,
                args=("create_lead", told.call_sid),
            )

    def _reasons(self) -> None:
        with st.container(key="triage_reasons", horizontal=True, vertical_alignment="center", gap="small"):
            st.html('<span class="pb-line"><b>Why is it about no lead?</b></span>', width="content")
            for place, reason in enumerate(REASONS, 1):
                self._button(reason, f"aside.{place}", "aside", reason, shortcut=str(place))
            self._button("Cancel", "aside.cancel", "reasons", shortcut="Esc", reads_only=True)

    def _button(
        self,
        label: str,
        key: str,
        what: str,
        value: str | int | None = None,
        *,
        shortcut: str | None = None,
        icon: str | None = None,
        primary: bool = False,
        on: bool = True,
        reads_only: bool = False,
    ) -> None:
        off = not on or state.intent() is not None or not (reads_only or self._may_write)
        st.button(
            label,
            key=f"triage.{key}",
            type="primary" if primary else "secondary",
            icon=f":material/{icon}:" if icon else None,
            shortcut=shortcut,
            disabled=off,
            on_click=passes.ask,
            args=(what, value),
        )

    def _end(self) -> None:
        work = self._linking.work_since(self._midnight)
        skipped = passes.skipped_since(self._actor, self._midnight)
        left = self._linking.triage(self._wanted, confidence=self._confidence).left
        st.html(triage_view.done(self._walk.total, work.linked, work.set_aside, len(skipped) if left else 0))
        with st.container(key="triage_end", horizontal=True, horizontal_alignment="center", gap="small"):
            self._button("Undo", "undo", "undo", shortcut="U", icon="undo")
            back = bool(self._walk.came_from)
            self._button("Back", "back", "back", shortcut="B", icon="arrow_back", on=back, reads_only=True)
            if left:
                words = f"Go through the {left:,} that are left" if left > 1 else "Go to the one that is left"
                self._button(words, "again", "again", shortcut="N", icon="replay", primary=True, reads_only=True)

    def _today(self) -> None:
        work = self._linking.work_since(self._midnight)
        skipped = passes.skipped_since(self._actor, self._midnight)
        with st.container(
            key="triage_today", horizontal=True, vertical_alignment="center", gap="small", width="content"
        ):
            st.html(triage_view.today(work.linked, work.set_aside, len(skipped)), width="content")
            words = "Hide" if self._walk.lists_work else "Show"
            some = bool(work.events or skipped)
            self._button(words, "work", "work", shortcut="T", on=some, reads_only=True)

    def _list(self) -> None:
        """Today's work, each step with its Undo."""
        events = self._linking.work_since(self._midnight).events
        skipped = passes.skipped_since(self._actor, self._midnight)
        rows: list[tuple[datetime, LinkEvent | None, str]] = [(e.at or self._midnight, e, "") for e in events]
        rows += [(at, None, sid) for sid, at in skipped]
        st.header("Done today", anchor=False)
        for at, event, sid in sorted(rows, key=lambda row: row[0], reverse=True)[:MOST_LISTED]:
            key = f"triage_work_{event.id if event else sid}"
            with st.container(key=key, horizontal=True, vertical_alignment="center", gap="small"):
                links.show_call(sid if event is None else event.call_sid or "")
                if event is None:
                    st.html(triage_view.skipped(at), width="stretch")
                    self._button("Take it up", f"unskip.{sid}", "unskip", sid, reads_only=True)
                else:
                    st.html(triage_view.deed(event, self._zone), width="stretch")
                    self._button("Undo", f"undo.{event.id}", "undo_event", event.id)

    def _look_ahead(self, turn: Turn) -> None:
        if turn.following is None or passes.ahead(turn.following, FRESH_SECONDS / 2) is not None:
            return
        try:
            passes.look_ahead(self._linking.story(turn.following))
        except PatchbayError:
            passes.look_ahead(None)  # it is read when it is its turn


def passes_dialog_is_new() -> bool:
    """Whether a dialog was asked for by this fragment and is not open yet."""
    asked = state.intent()
    opened = state.value("triage.dialog")
    mark = asked.request_id if asked else None
    state.set_value("triage.dialog", mark)
    return mark is not None and mark != opened


def _plain(facts: object) -> dict[str, object]:
    return {name: value for name, value in dict(facts).items() if name != "rows"}  # type: ignore[call-overload]
