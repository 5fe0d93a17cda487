"""The selected conflict: the sides that contradict each other, and the buttons that settle it."""

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from core.linking.claims import Claim, Reading
from core.linking.conflicts import ConflictDetail, Side
from core.model.conflicts import to_normalise
from core.model.records import Candidate
from dashboard import candidates, formatting, links, reads, remedies, state, story

MOST_OFFENDERS = 20
MOST_ROWS = 8


def show(item: ConflictDetail) -> None:
    """One conflict."""
    words = formatting.words(item.conflict.kind, formatting.CONFLICT_WORDS)
    st.html(f'<p class="pb-line"><span class="pb-chip pb-wait">! {words}</span> {escape(item.sentence)}</p>')
    {
        "merge_rows": _merge,
        "choose_row": _choose_row,
        "normalise_sid": _normalise,
        "choose_lead": _choose_lead,
        "add_constraint": _add_constraint,
    }[item.conflict.remedy](item)


def _call(side: Side) -> None:
    st.code(side.call_sid, language=None, wrap_lines=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if side.call:
            st.html(story.chip(side.call, side.call.cause), width="content")
        links.show("Open in Call lookup", links.call(side.call_sid), icon=":material/open_in_full:")


def _rows(item: ConflictDetail) -> None:
    rows = item.sides[0].events
    st.html(remedies.rows_table(rows, also=item.differing))
    left = item.conflict.row_count - len(rows)
    differing = ", ".join(item.differing)
    more = f" {left} more rows are not shown; the merge takes them too." if left > 0 else ""
    if differing or more:
        st.html(f'<p class="pb-line pb-muted">They differ in {escape(differing or "nothing")}.{more}</p>')


def _merge(item: ConflictDetail) -> None:
    _call(item.sides[0])
    _rows(item)
    label = f"Merge {formatting.count(item.conflict.row_count, 'row')}…"
    _ask(label, "conflicts.merge", ("merge_rows", item.sides[0].call_sid), ":material/merge:")


def _choose_row(item: ConflictDetail) -> None:
    side = item.sides[0]
    _call(side)
    for number, reading in enumerate(item.readings):
        with st.container(key=f"candidate_reading_{number}", gap="xsmall"):
            _reading(reading)
    _rows(item)
    rows = {str(row["id"]): row for row in side.events}
    holds = st.radio(
        "The row whose numbers and direction hold",
        list(rows),
        index=None,
        key=f"conflicts.row.{side.call_sid}",
        format_func=lambda number: _row_words(rows[number]),
    )
    _ask(
        f"Merge, and let row {holds} hold…" if holds else "Merge… (choose the row first)",
        "conflicts.choose_row",
        ("merge_rows", side.call_sid, None, None, holds),
        ":material/merge:",
        disabled=holds is None,
    )


def _reading(reading: Reading) -> None:
    """One of the sides of rows that contradict each other, with what speaks for it."""
    rows = ", ".join(reading.rows[:MOST_ROWS]) + (" …" if len(reading.rows) > MOST_ROWS else "")
    parts = (formatting.direction_words(reading.direction), _from_to(reading.from_number, reading.to_number))
    head = f'<b>{escape(", ".join(parts))}</b> <span class="pb-muted">row {escape(rows)}</span>'
    against = tuple(each for each in reading.evidence if each.kind == "no_lead")
    speaking = tuple(each for each in reading.evidence if each not in against)
    told = Candidate(0, None, None, "low", speaking, against)
    st.html(f'<p class="pb-line">{head}</p>' + candidates.reasons(told))


def _from_to(from_number: str | None, to_number: str | None) -> str:
    return f"{formatting.phone(from_number)} to {formatting.phone(to_number)}"


def _row_words(row: Mapping[str, Any]) -> str:
    numbers = _from_to(row.get("from_number"), row.get("to_number"))
    return formatting.plain(f"Row {row['id']}: {formatting.direction_words(row.get('direction'))}, {numbers}")


def _normalise(item: ConflictDetail) -> None:
    for number, side in enumerate(item.sides):
        with st.container(key=f"ledger_variant_{number}", gap="xsmall"):
            _variant(side, number, wrong=side.call_sid in to_normalise(item.conflict))


def _variant(side: Side, number: int, *, wrong: bool) -> None:
    call = side.call
    rows = formatting.count(call.event_count if call else len(side.events), "event row")
    turns = formatting.count(call.transcript_count if call else 0, "transcript line")
    mark = (
        '<span class="pb-chip pb-wait">! variant</span>' if wrong else '<span class="pb-chip pb-ok">✓ standard</span>'
    )
    st.html(f'<p class="pb-line">{mark} <code>{escape(formatting.visible(side.call_sid))}</code></p>')
    recordings = formatting.count(side.recordings, "recording")
    state_words = story.chip(call, call.cause) if call else ""
    st.html(f'<p class="pb-line pb-muted">{rows}, {turns}, {recordings} {state_words}</p>')
    with st.container(horizontal=True, gap="small"):
        if wrong:
            key = f"conflicts.normalise.{number}"
            _ask("Write it as Twilio does…", key, ("normalise_sid", side.call_sid), ":material/spellcheck:")
        links.show("Open in Call lookup", links.call(side.call_sid))


def _choose_lead(item: ConflictDetail) -> None:
    side = item.sides[0]
    _call(side)
    known = {candidate.lead_id: candidate for candidate in _candidates(side)}
    for claim in side.claims:
        with st.container(key=f"candidate_claim_{claim.lead_id}", gap="xsmall"):
            _claim(side, claim, known.get(claim.lead_id))
    if side.call and side.call.lead_id:
        key = "conflicts.choose.none"
        _ask("None of them…", key, ("choose_lead", side.call_sid, None), ":material/link_off:", strong=False)


def _candidates(side: Side) -> tuple[Candidate, ...]:
    return reads.story(side.call_sid).candidates if side.call else ()


def _claim(side: Side, claim: Claim, candidate: Candidate | None) -> None:
    number = f' <span class="pb-muted">{escape(formatting.clip(claim.phone, 40))}</span>' if claim.phone else ""
    name = escape(formatting.lead_label(claim.lead_id, claim.name))
    now = ' <span class="pb-chip pb-ok">✓ linked now</span>' if claim.linked else ""
    st.html(f'<p class="pb-line"><b>{name}</b>{number}{now}</p>' + candidates.reasons(_weighed(claim, candidate)))
    with st.container(horizontal=True, gap="small"):
        key = f"conflicts.choose.{claim.lead_id}"
        label = f"It belongs to lead {claim.lead_id}…"
        _ask(label, key, ("choose_lead", side.call_sid, claim.lead_id), ":material/link:", strong=False)
        links.show_lead(claim.lead_id, "Open the lead")


def _weighed(claim: Claim, candidate: Candidate | None) -> Candidate:
    """The claim's evidence, and what else speaks for and against the lead."""
    told = {each.kind for each in claim.evidence}
    further = tuple(each for each in candidate.evidence if each.kind not in told) if candidate else ()
    against = candidate.against if candidate else ()
    return Candidate(claim.lead_id, claim.name, claim.phone, "low", (*claim.evidence, *further), against)


def _add_constraint(_: ConflictDetail) -> None:
    found = reads.constraint()
    st.html(
        '<p class="pb-line">The guide asks for a UNIQUE constraint on <code>leads.call_sid</code>: without it two '
        "leads can carry one call, and nobody is told.</p>"
    )
    if found.total:
        st.html(
            f'<p class="pb-line"><b>{formatting.count(found.total, "SID")}</b> in the way; choose the lead of each:</p>'
        )
        for offender in found.offenders[:MOST_OFFENDERS]:
            _offender(offender)
        if found.total > MOST_OFFENDERS:
            st.html(f'<p class="pb-line pb-muted">and {found.total - MOST_OFFENDERS:,} more</p>')
        return
    st.html('<p class="pb-line"><span class="pb-ok">✓</span> Nothing stands in the way.</p>')
    _ask("Add the constraint…", "conflicts.constraint", ("add_constraint", ""), ":material/lock:")


def _offender(offender: ConflictDetail) -> None:
    found = offender.conflict
    leads = ", ".join(map(str, found.lead_ids))
    with st.container(key=f"ledger_offender_{found.call_sid}", horizontal=True, vertical_alignment="center"):
        target = links.conflicts(kind=found.kind, conflict=f"{found.kind} {found.call_sid}")
        links.show(f"`{formatting.short_sid(found.call_sid or '').replace('`', '')}`", target)
        st.html(f'<span class="pb-line">in leads {escape(leads)}</span>', width="content")


def _ask(
    label: str, key: str, args: tuple[object, ...], icon: str, *, disabled: bool = False, strong: bool = True
) -> None:
    kind = "primary" if strong else "secondary"
    st.button(label, key=key, icon=icon, on_click=state.open_dialog, args=args, disabled=disabled, type=kind)
