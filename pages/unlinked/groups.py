"""Unlinked calls grouped by the other party's number: one number, one decision."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.linking import WorklistFilter
from core.linking.views import NumberGroup, NumberPage
from dashboard import candidates, formatting, grid, links, reads, story, viewer
from pages.unlinked import table

NO_NUMBER = "none"
WITHOUT_NUMBER = frozenset({"no_numbers", "withheld_caller", "own_numbers_only"})
"""Causes that only calls without a number of the other party have: the worklist of each holds just these."""
COLUMNS = {
    "number": st.column_config.TextColumn("Other party", width=160),
    "calls": st.column_config.NumberColumn("Calls", width=64, format="localized"),
    "way": st.column_config.TextColumn("⇄", width=110, help="← to us, → from us"),
    "newest": st.column_config.TextColumn("Newest", width=92),
    "oldest": st.column_config.TextColumn("Oldest", width=92),
    "causes": st.column_config.TextColumn("Causes", width=260),
    "best": st.column_config.LinkColumn("Best candidate", width=138, display_text="#(.+)$", help="Opens the lead"),
    "name": st.column_config.TextColumn("Name", width=180),
}


def show(wanted: WorklistFilter, heading: DeltaGenerator) -> None:
    """The groups, the busiest number first, and the selected one beside them."""
    page = reads.by_number(wanted, links.param("after"))
    with heading, st.container(horizontal=True, vertical_alignment="center", width="content"):
        _count(page)
        if page.items:
            holds = "Every number that these filters leave, not only this page; at most 100,000"
            grid.export("unlinked_groups", "by_number", lambda: reads.export_numbers(wanted), holds=holds)
    if not page.items:
        table.nothing(wanted)
        return
    ids = [group.counterpart or NO_NUMBER for group in page.items]
    left, right = st.columns([67, 33], gap="medium")
    with left:
        shown = rows(page.items, datetime.now(UTC))
        alt = "Numbers with unlinked calls, the busiest first"
        picked = grid.pick("unlinked_groups", ids, shown, COLUMNS, param="group", alt=alt, only_listed=True)
        grid.paging("unlinked", "after", following=page.next, shown=len(ids), noun="number", param="group")
    with right, st.container(key="panel_group"):
        _group(page.items[ids.index(picked)])


def _count(page: NumberPage) -> None:
    words = f"<b>{formatting.count(page.total, 'number')}</b>"
    calls = f'<span class="pb-muted">with {formatting.count(page.calls, "unlinked call")}</span>'
    st.html(f'<span class="pb-line">{words} {calls}</span>', width="content")


def rows(groups: Sequence[NumberGroup], now: datetime) -> pd.DataFrame:
    """Groups as a table, one row each."""
    return pd.DataFrame([_row(group, now) for group in groups], columns=list(COLUMNS))


def _row(group: NumberGroup, now: datetime) -> dict[str, object]:
    lead = group.best_lead_id
    best = candidates.summary(lead, group.best_confidence)
    return {
        "number": formatting.phone(group.counterpart) if group.counterpart else "no number",
        "calls": group.calls,
        "way": f"← {group.inbound:,}  → {group.calls - group.inbound:,}",
        "newest": formatting.relative(group.newest, now=now),
        "oldest": formatting.relative(group.oldest, now=now),
        "causes": _causes(group),
        "best": f"{links.lead(lead).url}#{best}" if lead else "",
        "name": group.best_lead_name or "",
    }


def _causes(group: NumberGroup) -> str:
    most = sorted(group.causes.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{formatting.words(cause)} {number:,}" for cause, number in most)


def _group(group: NumberGroup) -> None:
    number = formatting.phone(group.counterpart) if group.counterpart else "Calls without a number"
    st.html(f'<p class="pb-line"><b>{escape(number)}</b></p>')
    if group.counterpart:
        words = f"Show its {formatting.count(group.calls, 'call')}"
        links.show(words, links.worklist(number=group.counterpart), icon=":material/list:")
        links.show("About this number", links.number(group.counterpart), icon=":material/dialpad:")
        links.show("Leads with this number", links.leads(group.counterpart), icon=":material/group:")
    else:
        _without_number(group)
    if group.best_lead_id:
        links.show_lead(group.best_lead_id, formatting.lead_label(group.best_lead_id, group.best_lead_name))
    zone = viewer.zone()
    facts = [
        ("Calls", f"{group.calls:,}, {group.inbound:,} of them to us"),
        ("Causes", _causes(group)),
        ("Newest", formatting.exact(group.newest, zone)),
        ("Oldest", formatting.exact(group.oldest, zone)),
    ]
    if group.counterpart:
        facts += [
            ("Best candidate", candidates.summary(group.best_lead_id, group.best_confidence)),
            ("Its phone", group.best_lead_phone or formatting.NONE),
        ]
    st.html(story.facts_html(facts))


def _without_number(group: NumberGroup) -> None:
    """Nothing joins these calls, so their way on is by cause."""
    st.html('<p class="pb-line pb-muted">These calls have nothing in common: each is decided by itself.</p>')
    for cause, number in sorted(group.causes.items(), key=lambda item: (-item[1], item[0])):
        if cause in WITHOUT_NUMBER:
            words = f"{formatting.sentence(formatting.words(cause))} · {number:,}"
            links.show(words, links.worklist(cause=cause), icon=":material/list:")
