"""The frame round every page: page config, style, navigation, status line, undo bar, guard."""

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from core import app as console
from core.access import SignedOut
from core.errors import PatchbayError
from core.settings import Settings
from dashboard import formatting, guard, identity, links, reads, repair, search, viewer
from dashboard.guard import guarded
from dashboard.reads import Figures

STYLE = Path(__file__).with_name("console.css")
FRESHNESS_SECONDS = 20
SIGN_OUT = '<a class="pb-leave" href="/logout" style="color:inherit;font-size:0.8rem">Sign out</a>'


def run() -> None:
    """One run of the console: what ``streamlit_app.py`` calls."""
    st.set_page_config(page_title="Patchbay", page_icon="🎛️", layout="wide")
    st.html(STYLE)
    st.html(f"<style>:root {{ color-scheme: {viewer.theme()}; }}</style>")  # dialogs live outside the themed element
    refusal = _refusal()
    if isinstance(refusal, SignedOut):
        guard.show_signed_out()
        return
    figures, failure = (None, refusal) if refusal else _probe()
    current = st.navigation(_pages(figures), position="top")
    if failure is None:
        _top()
    _body(current.run, failure)


def _refusal() -> PatchbayError | None:
    """Why nobody is signed in: asked before anything else, since nothing is shown to nobody."""
    try:
        identity.current_actor(touch=True)
    except PatchbayError as refusal:
        return refusal
    return None


def _probe() -> tuple[Figures | None, Exception | None]:
    """Read the figures first: when that fails nothing else is asked, so that an error shows once, and soon."""
    try:
        return reads.figures(), None
    except Exception as failure:
        return None, failure


def _pages(figures: Figures | None) -> list[Any]:
    counts = figures.values if figures else {}
    count = {name: f" · {counts[name]:,}" for name in ("unlinked", "conflicts") if counts.get(name)}
    named = [links.page(name, spec.title + count.get(name, "")) for name, spec in links.PAGES.items()]
    return [links.front_door(), *named]


@guarded
def _body(render: Callable[[], None], failure: Exception | None) -> None:
    if failure is not None:
        raise failure
    repair.perform_undo()
    repair.undo_bar()
    render()
    repair.dialog_if_asked()


@guarded
def _top() -> None:
    """The status line, which refreshes by itself, and the search beside it, whose dialog must not close with it."""
    with st.container(key="shell_top", horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(width="stretch"):
            _status_line()
        search.button()


@st.fragment(run_every=FRESHNESS_SECONDS)
@guarded
def _status_line() -> None:
    with st.container(
        key="shell_status", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        st.html(_status())
        st.html(SIGN_OUT, width="content")
        if st.button("Refresh", key="shell.refresh", type="tertiary", icon=":material/refresh:", on_click=reads.clear):
            st.rerun()  # the whole page, not only this line


def _status() -> str:
    figures, failure = _probe()
    if figures is None or failure is not None:
        return status_html("no answer", None, None)
    settings = console.shared().settings
    source = data_source(settings) + (" · demo data" if reads.is_demo() else "")
    return status_html(source, _who(), f"read {formatting.relative(figures.read_at, now=datetime.now(UTC))}")


def _who() -> str:
    """Name and role; administrators can do everything, which needs no word."""
    found = identity.current_actor()
    return found.name if found.role == "admin" else f"{found.name} ({found.role})"


def status_html(source: str, actor: str | None, freshness: str | None) -> str:
    """Data source, actor and freshness as one line of HTML."""
    parts = (("Data", source), ("Acting as", actor), ("Figures", freshness))
    spans = "".join(f"<span>{escape(name)} <b>{escape(value)}</b></span>" for name, value in parts if value)
    return f'<div class="pb-status"><b class="pb-name">Patchbay</b>{spans}</div>'


def data_source(settings: Settings) -> str:
    """Which database this is, without any secret."""
    if settings.data_source == "embedded":
        return "Embedded PostgreSQL"
    if settings.data_source == "supabase":
        return f"Supabase · {urlsplit(settings.supabase_url or '').hostname or 'project'}"
    return f"PostgreSQL · {_host(settings.database_url or '')}"


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "DATABASE_URL"
    return parts.hostname or "local socket"
