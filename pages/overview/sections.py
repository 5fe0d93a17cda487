"""The parts of the overview."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd
import streamlit as st

from core.model.records import parse_time
from dashboard import charts, formatting, links, reads, viewer
from dashboard.links import Target

DAYS = 30
FIXABLE = {
    "link_write_failed": "{calls} the lead's own record proves where they belong, the link was never written",
    "missed_match": "{calls} exactly one lead has their number, stored exactly so",
    "format_mismatch": "{calls} exactly one lead has their number, written otherwise",
    "several_leads": "{calls} more than one lead has their number: somebody must choose",
}
"""Causes that a person can clear with evidence at hand, the surest first; ``{calls}`` becomes "For 12 calls"."""
PLOT = {"displayModeBar": False}


def figure_row(figures: Mapping[str, Any]) -> None:
    """The figures, each a link to the calls it counts or to those it lacks."""
    with st.container(horizontal=True, gap="small", key="overview_figures"):
        for name, words, value, target, help_text in _figures(figures):
            with st.container(key=f"figure_{name}", width="content"):
                links.show(f"**{value}** {words}", target, help=help_text)


def _figures(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Target, str]]:
    unlinked, oldest = figures["unlinked"], parse_time(figures["oldest_unlinked_at"])
    shown = f"{unlinked:,}"
    yield "unlinked", "Unlinked", shown, links.worklist(), "Open the unlinked calls"
    if oldest:
        age = formatting.age(oldest)
        day = oldest.astimezone(viewer.zone()).date()
        yield "oldest", "Oldest unlinked", age, links.worklist_of_days(day, day), "Open the unlinked calls of that day"
    settled = figures["calls"] - figures["pending"] - figures["set_aside"]
    linked = formatting.share(figures["linked"], settled)
    yield "linked", "Linked", linked, links.worklist(), "Share of the calls that need a lead; opens those still missing"
    yield "calls", "Calls", f"{figures['calls']:,}", links.worklist(view="all"), "Open all calls, linked ones too"
    split = f"{figures['current']:,} / {figures['history']:,}"
    yield "split", "Current / history", split, links.worklist(view="all"), "Linked calls by kind; opens all calls"
    pending = f"{figures['pending']:,}"
    yield "pending", "Pending", pending, links.worklist(cause="pending"), "Unlinked, and younger than the grace period"
    aside = f"{figures['set_aside']:,}"
    yield "set_aside", "Set aside", aside, links.worklist(view="set_aside"), "Open the calls that were set aside"
    yield from _found(figures)


def _found(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Target, str]]:
    """The figures of rules that look for what is wrong; one without a rule yet is None and is not shown."""
    targets = {
        "conflicts": ("Conflicts", links.conflicts(), "Open the data that contradicts itself about one call"),
        "suspect": ("Suspect links", links.worklist(view="suspect"), "Open the links that do not fit the evidence"),
        "stuck": (
            "Stuck calls",
            links.worklist(view="stuck"),
            "Open the calls that must have ended and did not say so",
        ),
        "dangling": (
            "Dangling links",
            links.worklist(view="dangling"),
            "Open the links to calls that nothing else knows",
        ),
    }
    for name, (words, target, help_text) in targets.items():
        if figures.get(name) is not None:
            yield name, words, f"{figures[name]:,}", target, help_text


def trend() -> None:
    """Calls per day; a click on a day opens its unlinked calls."""
    st.header(f"Calls per day, last {DAYS} days", anchor=False)
    table = charts.day_table(reads.per_day(DAYS, viewer.zone().key))
    figure = charts.per_day(table, viewer.theme())
    picked = st.plotly_chart(
        figure,
        key="overview.days",
        on_select="rerun",
        selection_mode="points",
        config=PLOT,
        alt="Calls per day: current, history and unlinked. The list below has the same days as links.",
    )
    day = _picked(picked, "x")
    if day:
        chosen = date.fromisoformat(str(day)[:10])
        links.go(links.worklist_of_days(chosen, chosen))
    _days_as_list(table)


def _days_as_list(table: pd.DataFrame) -> None:
    days = table[table["unlinked"] > 0].sort_values("day", ascending=False)
    if days.empty:
        st.caption("No unlinked call in these days.")
        return
    with st.expander("Days with unlinked calls, as links"), st.container(horizontal=True, gap="small"):
        for row in days.itertuples():
            words = f"{row.day.day} {row.day:%b}: **{row.unlinked:,}**"
            links.show(words, links.worklist_of_days(row.day, row.day))


def causes(counts: Mapping[str, int]) -> None:
    """Unlinked calls by cause; a click on a bar or on a link opens them."""
    st.header("Unlinked by cause", anchor=False)
    table = charts.cause_table(counts)
    if table.empty:
        st.html('<div class="pb-empty"><b>Every call is tied to a lead</b>Nothing is unlinked.</div>')
        return
    picked = st.plotly_chart(
        charts.by_cause(table, viewer.theme()),
        key="overview.causes",
        on_select="rerun",
        selection_mode="points",
        config=PLOT,
        alt="Unlinked calls by cause. The list below has the same causes as links.",
    )
    chosen = table[table["words"] == _picked(picked, "y")]
    if not chosen.empty:
        links.go(links.worklist(cause=chosen.iloc[0]["cause"]))
    with st.expander("Causes, as links"), st.container(horizontal=True, gap="small"):
        for row in table.itertuples():
            links.show(f"{row.words} **{row.calls:,}**", links.worklist(cause=row.cause))


def _picked(event: Any, axis: str) -> Any:
    points = event.selection.points if event else []
    return points[0].get(axis) if points else None


def attention(figures: Mapping[str, Any]) -> None:
    """The few things worth doing first, one line and one link each."""
    st.header("Needs attention", anchor=False)
    lines = list(_attention(figures))
    if not lines:
        st.html('<p class="pb-line"><span class="pb-ok">✓</span> Nothing waits for a person.</p>')
    for words, label, target in lines:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f":material/error: {words}", width="content")
            links.show(label, target, icon=":material/arrow_forward:")


def _attention(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, Target]]:
    counts = figures["unlinked_by_cause"]
    for cause, words in FIXABLE.items():
        if counts.get(cause):
            calls = f"For **{formatting.count(counts[cause], 'call')}**"
            yield words.format(calls=calls) + ".", f"Open {formatting.words(cause)}", links.worklist(cause=cause)
    oldest: datetime | None = parse_time(figures["oldest_unlinked_at"])
    if oldest:
        day = oldest.astimezone(viewer.zone()).date()
        words = f"The oldest unlinked call has waited for **{formatting.age(oldest)}**."
        yield words, "Open that day", links.worklist_of_days(day, day)


def health() -> None:
    """The database's own checks: one line when all is well, else each failed check with its fix."""
    st.header("Pipeline: database", anchor=False)
    found = reads.checks()
    failed = [check for check in found if not check.ok]
    for check in failed:
        st.warning(f"**{formatting.plain(check.name)}**: {formatting.plain(check.detail)}", icon=":material/warning:")
        if check.fix:
            st.code(check.fix, language=None, wrap_lines=True)
    passed = len(found) - len(failed)
    mark = '<span class="pb-ok">✓</span>' if not failed else '<span class="pb-wait">!</span>'
    words = f"{passed} of {formatting.count(len(found), 'check')} passed."
    st.html(f'<p class="pb-line">{mark} {words}</p>')
    if failed:
        st.button("Check again", key="overview.check", icon=":material/refresh:", on_click=reads.clear)
    with st.container(key="overview_ways", horizontal=True, gap="small"):
        links.show("The queue", links.queue(), icon=":material/queue:")
        links.show("Place a test call", links.test_calls(), icon=":material/call:")


def nothing_yet() -> None:
    """An empty database: how to start."""
    st.html(
        '<div class="pb-empty"><b>No calls yet</b>'
        "The database is reachable and migrated, and holds no call. Calls appear here as soon as the voice backend "
        "writes its first row.<br>To look around with believable data, run <code>python -m core demo</code> "
        "on an empty local database.<br>To connect a backend, set <code>DATABASE_URL</code> "
        "(or put it in <code>.env</code>), run <code>python -m core migrate</code> and start again.</div>"
    )
    st.button("Look again", key="overview.again", icon=":material/refresh:", on_click=reads.clear)
