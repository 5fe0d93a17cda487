"""Triage: the unlinked calls one at a time, by keyboard. A fragment, so that a key costs one call's worth of reading.

A key or button only asks; the fragment's next run does it (:mod:`dashboard.triage_steps`) and shows what comes next.
"""

from datetime import datetime
from pathlib import Path

import streamlit as st

from core.access.identity import VIEWERS_READ
from core.errors import PatchbayError
from core.linking import Command, Story, Turn, WorklistFilter
from core.model.dialling import DiallingChange
from core.model.records import Candidate, LinkEvent
from dashboard import corrections, formatting, guard, links, reads, state, story, triage_view
from dashboard import triage_pass as passes
from dashboard.guard import guarded
from dashboard.triage_steps import FRESH_SECONDS, REASONS, Steps, asked_in_dialog

STYLE = Path(__file__).with_name("triage.css")
TALL = 430
MOST_OTHERS = 4
MOST_LISTED = 20


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


class Round(Steps):
    """One run of the fragment: carry out what was asked, then show one call."""

    def run(self) -> None:
        """The whole round."""
        self.prepare()
        self._show()

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
        dialled = self._linking.dialling(seen)
        if not asked_in_dialog(candidate, dialled):
            for change in dialled:
                self._status_of_lead(change)
            return
        for change in dialled:
            st.html(f'<p class="pb-line pb-wait"><b>!</b> {story.text(change.sentence)} Asked before it is done.</p>')
        if candidate.confidence == "low":
            st.html('<p class="pb-line pb-wait"><b>!</b> Low confidence: asked before it is done.</p>')

    def _status_of_lead(self, change: DiallingChange) -> None:
        """What becomes of the lead's status: chosen once in a pass, shown on every card that it is about."""
        chosen, asks = self._walk.status, self._walk.asks_status
        name = "open" if chosen is None else "chosen"
        with st.container(key=f"triage_status_{name}", gap="xsmall"):
            st.html(triage_view.status_choice(change, chosen, asks=asks))
            lead_id = change.lead_id if asks else None
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                for choice, key in triage_view.STATUS_KEYS.items():
                    if choice != chosen:
                        words = triage_view.status_button(choice, chosen, asks=asks)
                        self._button(words, f"status.{choice}", choice, lead_id, shortcut=key)
                if asks:
                    self._button("Cancel", "status.cancel", "cancel", shortcut="Esc", reads_only=True)

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
        st.text_input("Another lead", key=field, placeholder="Lead id", width=120)
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
