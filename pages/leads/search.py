"""Finding a lead: the search box and what it finds."""

from datetime import UTC, datetime
from html import escape

import pandas as pd
import streamlit as st

from core.linking import fields
from core.linking.lead_book import LeadHit, LeadPage
from dashboard import formatting, grid, links, reads, state, typed

SPACE = "leads"
COLUMNS = {
    "lead": st.column_config.LinkColumn("Lead", width=90, display_text="#(.+)$", help="Opens the lead in a new tab"),
    "name": st.column_config.TextColumn("Name", width=200),
    "phone": st.column_config.TextColumn("Phone", width=160, help="As it is stored"),
    "email": st.column_config.TextColumn("E-mail", width=220),
    "company": st.column_config.TextColumn("Company", width=170),
    "status": st.column_config.TextColumn("Status", width=100),
    "calls": st.column_config.NumberColumn("Calls", width=64, format="localized"),
    "current": st.column_config.LinkColumn("Current call", width=104, display_text="#(.+)$"),
    "contact": st.column_config.TextColumn("Last contact", width=104),
    "created": st.column_config.TextColumn("Created", width=104),
}


def show() -> None:
    """The search box, and the leads that it finds; without a text all, the last contacted first."""
    st.title("Leads", anchor=False)
    text = _box()
    if not typed.fits("The text", text, fields.TEXT_LENGTH):
        return
    page = reads.leads(text, _offset())
    if not page.items:
        _nothing(text)
        return
    ids = [str(lead.id) for lead in page.items]
    alt = "Leads, the last contacted first; selecting one opens it"
    grid.open_list(SPACE, ids, rows(page.items, datetime.now(UTC)), COLUMNS, on_open=_open, alt=alt)
    _more(page)


def _box() -> str:
    asked = links.param("q") or ""
    if state.follow_address(SPACE, {"q": asked}, {"q": asked}):
        links.restate_params()
    text = st.text_input(
        "Id, part of a name, e-mail or company, or digits of a number",
        key=f"{SPACE}.q",
        type="search",
        placeholder="212 · Whitfield · 555 2671 · @example.com",
        on_change=_ask,
    )
    return (text or "").strip()


def _ask() -> None:
    text = typed.for_address((state.value(f"{SPACE}.q") or "").strip())
    links.write_params({"q": text} if text else {})
    state.note_address(SPACE, {"q": text})


def _open(lead_id: str) -> None:
    links.set_param("lead", lead_id)


def _offset() -> int:
    given = links.param("from") or "0"
    return min(int(given), 10_000) if given.isascii() and given.isdigit() and len(given) < 9 else 0


def rows(leads: tuple[LeadHit, ...], now: datetime) -> pd.DataFrame:
    """Leads as a table, one row each."""
    return pd.DataFrame([_row(lead, now) for lead in leads], columns=list(COLUMNS))


def _row(lead: LeadHit, now: datetime) -> dict[str, object]:
    sid = lead.call_sid
    return {
        "lead": f"{links.lead(lead.id).url}#Lead {lead.id}",
        "name": formatting.clip(lead.name or "", 80),
        "phone": formatting.clip(lead.phone or "", 60),
        "email": formatting.clip(lead.email or "", 80),
        "company": formatting.clip(lead.company or "", 60),
        "status": lead.lead_status or "",
        "calls": lead.calls,
        "current": f"{links.call(sid).url}#{formatting.short_sid(sid)}" if sid and sid.strip() else "",
        "contact": formatting.relative(lead.last_contacted_at, now=now),
        "created": formatting.relative(lead.created_at, now=now),
    }


def _more(page: LeadPage) -> None:
    start, text = _offset(), links.param("q")
    with st.container(key="leads_paging", horizontal=True, gap="small", vertical_alignment="center"):
        if start:
            st.button(
                "First page", key="leads.first", icon=":material/chevron_left:", on_click=_turn, args=(text, None)
            )
        if page.next:
            st.button("More", key="leads.more", icon=":material/chevron_right:", on_click=_turn, args=(text, page.next))
        first = f"from {start + 1:,}" if start else "on this page"
        st.html(f'<span class="pb-line pb-muted">{formatting.count(len(page.items), "lead")} {first}</span>')


def _turn(text: str | None, offset: int | None) -> None:
    wanted = {"q": text, "from": str(offset) if offset else None}
    links.write_params({name: value for name, value in wanted.items() if value})


def _nothing(text: str) -> None:
    if text:
        found = f"Nothing is named or numbered <code>{escape(formatting.clip(text, 60))}</code>."
        grid.empty("No lead found", f"{found} Names are found by any part, numbers by at least 3 of their digits.")
    else:
        grid.empty("No leads yet", "Leads appear here as soon as the backend writes the first one.")


def no_such(asked: str) -> None:
    """The address names no lead."""
    st.title("Leads", anchor=False)
    st.warning(f"“{formatting.plain(formatting.clip(asked, 40))}” is no lead id: expected a number such as 212.")
    links.show("All leads", links.leads(), icon=":material/arrow_back:")
