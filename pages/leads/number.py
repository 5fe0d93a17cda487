"""One telephone number: what people ruled about it, the leads that have it however they write it, and all its calls."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.errors import BadInput
from core.linking.number_rules import NumberLead, NumberStory
from core.model import number_rules
from core.model.number_rules import NEVER_LINKED, VERDICTS, NumberRule
from core.model.records import Call
from dashboard import charts, formatting, grid, identity, links, reads, ruling, state, story, viewer
from pages.leads import calls
from pages.leads.card import LIKENESS

SPACE = "number_calls"
COLUMNS = {
    **{name: calls.COLUMNS[name] for name in ("state", "when", "direction", "length", "status")},
    "lead": st.column_config.LinkColumn("Linked to", width=90, display_text="#(.+)$", help="Opens the lead"),
    **{name: calls.COLUMNS[name] for name in ("sid", "time", "note")},
}
STANDING = {
    "own": ("pb-act", "one of our own numbers"),
    "no_lead": ("pb-wait", "no lead has it"),
    "one_lead": ("pb-ok", "one lead has it"),
    "several_leads": ("pb-wait", "several leads have it"),
}
OURS = {
    "rule": "A person ruled so.",
    "settings": "The settings name it (TWILIO_PHONE_NUMBER, OWN_NUMBERS).",
    "data": "It stands on our side of calls; the System page lets you confirm or deny that.",
}
MOST_PAST = 6
SERIES = (("linked", "Linked", "current"), ("unlinked", "Unlinked", "unlinked"), ("set_aside", "Set aside", "history"))
"""Column of a month, its words, and the name of its colour."""


def show(asked: str) -> None:
    """The page of the number that the address names."""
    try:
        told = reads.number(asked, links.param("after"))
    except BadInput as error:
        st.title("Number", anchor=False)
        st.warning(formatting.plain(error.message), icon=":material/search_off:")
        links.show("All leads", links.leads(), icon=":material/arrow_back:")
        return
    _heading(told)
    left, right = st.columns([60, 40], gap="medium")
    with left:
        _calls(told)
        _chart(told)
    with right, st.container(key="panel_number"):
        _facts(told)
        _leads(told)
        _rule(told)
        _past(told.past)


def _heading(told: NumberStory) -> None:
    with st.container(
        key="number_heading", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            st.title(formatting.plain(formatting.phone(told.number)), anchor=False, width="content")
            st.html(_chip(told), width="content")
        links.show("All leads", links.leads(), icon=":material/arrow_back:")


def _chip(told: NumberStory) -> str:
    if told.rule is not None:
        look = "pb-act" if told.rule.verdict in ("person", "own") else "pb-wait"
        return f'<span class="pb-chip {look}">{escape(number_rules.WORDS[told.rule.verdict])}</span>'
    look, words = STANDING[told.standing]
    return f'<span class="pb-chip {look}">{escape(words)}</span>'


# Its calls ------------------------------------------------------------------------------------------------------------


def _calls(told: NumberStory) -> None:
    st.header(f"Calls with this number · {told.figures.calls:,}", anchor=False)
    page = told.page
    if not page.items:
        grid.empty("No call has this number", "Neither side of any call is this number, in any writing.")
        return
    ids = [call.call_sid for call in page.items]
    shown = pd.DataFrame([_row(call, told) for call in page.items], columns=list(COLUMNS))
    picked = grid.pick(SPACE, ids, shown, COLUMNS, param="call", alt="Calls with this number", only_listed=True)
    _actions(page.items[ids.index(picked)])
    grid.paging(SPACE, "after", following=page.next, shown=len(ids), noun="call", param="call")


def _row(call: Call, told: NumberStory) -> dict[str, str]:
    row = calls.rows([call], told.page.details, viewer.zone(), datetime.now(UTC)).iloc[0].to_dict()
    lead = f"{links.lead(call.lead_id).url}#Lead {call.lead_id}" if call.lead_id else ""
    return {**{name: row[name] for name in COLUMNS if name != "lead"}, "lead": lead}


def _actions(call: Call) -> None:
    with st.container(key="number_actions", horizontal=True, vertical_alignment="center", gap="small"):
        best = call.best_lead_id
        if call.state == "unlinked" and best is not None:
            _ask(f"Link to lead {best}…", "link", call, ":material/link:", best)
        if call.state == "unlinked":
            _ask("Set aside…", "set_aside", call, ":material/block:")
        if call.state == "set_aside":
            _ask("Restore…", "restore", call, ":material/undo:")
        if call.lead_id is not None:
            _ask("Unlink…", "unlink", call, ":material/link_off:")
        links.show_call(call.call_sid, f"Open {formatting.short_sid(call.call_sid)} in Call lookup")


def _ask(label: str, action: state.Action, call: Call, icon: str, lead_id: int | None = None) -> None:
    args = (action, call.call_sid, lead_id)
    st.button(label, key=f"number.{action}", icon=icon, on_click=state.open_dialog, args=args)


def _chart(told: NumberStory) -> None:
    months = told.figures.months
    if len(months) < 2:
        return
    st.header("Calls per month", anchor=False)
    colours = charts.COLOURS[viewer.theme()]
    figure = go.Figure()
    for column, words, colour in SERIES:
        if any(month[column] for month in months):
            figure.add_bar(
                x=[f"{month['month']}-01" for month in months],
                y=[month[column] for month in months],
                name=words,
                marker={"color": colours[colour], "line": {"width": 0}},
                hovertemplate="%{y:,} " + words.lower() + "<extra></extra>",
            )
    axis = {"fixedrange": True, "tickfont_color": colours["text"]}
    figure.update_layout(barmode="stack", hovermode="x unified", bargap=0.3, **charts.layout(colours, height=190))
    figure.update_xaxes(showgrid=False, tickformat="%b %Y", dtick="M1" if len(months) < 9 else None, **axis)
    figure.update_yaxes(gridcolor=colours["grid"], tickformat=",d", rangemode="tozero", automargin=True, **axis)
    st.plotly_chart(figure, key="number.months", theme=None, config={"displayModeBar": False})


# What is known of it --------------------------------------------------------------------------------------------------


def _facts(told: NumberStory) -> None:
    figures, zone = told.figures, viewer.zone()
    states = {name: figures.states.get(name, 0) for name in calls.MARKS}
    rows = [
        ("Number", told.number),
        ("Calls", f"{figures.calls:,}, {figures.inbound:,} of them to us"),
        ("Their links", ", ".join(f"{number:,} {formatting.words(n, {})}" for n, number in states.items() if number)),
        ("First", formatting.exact(figures.first_at, zone)),
        ("Newest", formatting.exact(figures.last_at, zone)),
    ]
    if told.ours_by:
        rows.append(("One of ours", OURS[told.ours_by]))
    st.html(story.facts_html([(name, value or formatting.NONE) for name, value in rows]))
    unlinked = states["unlinked"]
    if unlinked and not told.ours:
        words = f"Its {formatting.count(unlinked, 'unlinked call')} in the worklist"
        links.show(words, links.worklist(number=told.number), icon=":material/list:")


def _leads(told: NumberStory) -> None:
    every = (*told.leads, *told.alike)
    st.header(f"Leads with this number · {len(told.leads)}", anchor=False)
    if not told.leads:
        st.html('<p class="pb-line pb-muted">No lead has it, however it is written.</p>')
    for each in every:
        _lead(each)


def _lead(each: NumberLead) -> None:
    lead = each.lead
    with st.container(key=f"ledger_having_{lead.id}", horizontal=True, vertical_alignment="center", gap="small"):
        links.show_lead(lead.id, formatting.lead_label(lead.id, lead.name))
        how = "exactly so" if each.exact else LIKENESS.get(each.likeness, each.likeness)
        written = formatting.clip(lead.phone or "", 40)
        st.html(f'<span class="pb-line pb-muted">{escape(written)}: {escape(how)}</span>', width="content")


# The rule -------------------------------------------------------------------------------------------------------------


def _rule(told: NumberStory) -> None:
    st.header("Rule", anchor=False)
    rule = told.rule
    if rule is None:
        st.html('<p class="pb-line pb-muted">Nobody has ruled about this number.</p>')
    else:
        st.html(_rule_html(rule))
        st.button(
            "End this rule…", key="number.end", icon=":material/close:", on_click=ruling.ask_to_end, args=(rule,),
            disabled=not identity.may_write(),
        )  # fmt: skip
    _form(told)


def _rule_html(rule: NumberRule) -> str:
    zone = viewer.zone()
    made = f"{escape(rule.author)}, {escape(formatting.exact(rule.created_at, zone))}"
    why = f'<p class="pb-line">“{escape(formatting.clip(rule.reason, 300))}”</p>' if rule.reason else ""
    words = escape(formatting.sentence(ruling.words(rule)))
    return f'<p class="pb-line"><b>{words}</b></p>{why}<p class="pb-line pb-muted">{made}</p>'


def _form(told: NumberStory) -> None:
    rule, tomorrow = told.rule, datetime.now(viewer.zone()).date() + timedelta(days=1)
    with st.container(key="number_rule", horizontal=True, vertical_alignment="bottom", gap="small"):
        verdict = st.selectbox(
            "Whose number is it?", VERDICTS, index=VERDICTS.index(rule.verdict) if rule else None,
            key=f"number.verdict.{told.number}.{rule.id if rule else 0}", placeholder="Choose a verdict", width=230,
            format_func=lambda word: formatting.sentence(number_rules.WORDS[word]),
        )  # fmt: skip
        day = st.date_input(
            "Until (optional)", value=None, key=f"number.until.{told.number}", min_value=tomorrow, format="YYYY-MM-DD",
            width=150,
        )  # fmt: skip
    forced = verdict in NEVER_LINKED
    chosen = st.checkbox(
        "Never link by it automatically",
        value=forced or bool(rule and rule.never_link and rule.verdict == verdict),
        key=f"number.never.{told.number}.{verdict}",
        disabled=forced or verdict is None or verdict == "own",
    )
    if verdict:
        st.html(f'<p class="pb-line pb-muted">{escape(ruling.EFFECTS[verdict])}</p>')
    seen = rule.id if rule else None
    wanted = ruling.Wanted(told.number, verdict, forced or bool(chosen), ruling.end_of_day(day), seen)
    label = "Set this rule…" if rule is None else "Change the rule…"
    st.button(
        label, key="number.rule", icon=":material/gavel:", on_click=ruling.ask_to_set, args=(wanted,),
        disabled=verdict is None or not identity.may_write(),
    )  # fmt: skip


def _past(past: Sequence[NumberRule]) -> None:
    if not past:
        return
    st.header(f"Earlier rules · {len(past)}", anchor=False)
    zone = viewer.zone()
    lines = ""
    for rule in past[:MOST_PAST]:
        ended = "expired" if rule.ended_by is None else f"ended by {rule.ended_by}"
        when = f"{formatting.exact(rule.created_at, zone)}, {ended} {formatting.exact(rule.ended_at, zone)}"
        why = f" “{formatting.clip(rule.reason, 120)}”" if rule.reason else ""
        words = escape(formatting.sentence(ruling.words(rule)))
        lines += f'<li>{words}{escape(why)}<br><span class="pb-muted">{escape(rule.author)}, {escape(when)}</span></li>'
    st.html(f'<ul class="pb-checks">{lines}</ul>')
