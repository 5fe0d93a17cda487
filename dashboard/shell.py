"""The frame round every page: page config, style, navigation, status line, undo bar, guard."""

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from core import app as console
from core.settings import Settings
from dashboard import formatting, links, reads, repair, viewer
from dashboard.guard import guarded

STYLE = Path(__file__).with_name("console.css")
FRESHNESS_SECONDS = 20


def run() -> None:
    """One run of the console: what ``streamlit_app.py`` calls."""
    st.set_page_config(page_title="Patchbay", page_icon="🎛️", layout="wide")
    st.html(STYLE)
    st.html(f"<style>:root {{ color-scheme: {viewer.theme()}; }}</style>")  # dialogs live outside the themed element
    current = st.navigation(_pages(), position="top")
    _status_line()
    _body(current.run)


def _pages() -> list[object]:
    try:
        open_calls = reads.figures().values.get("unlinked")
    except Exception:
        open_calls = None  # the page itself says what is wrong; the navigation only goes without its count
    count = f" · {open_calls:,}" if open_calls else ""
    named = [links.page(name, spec.title + (count if name == "unlinked" else "")) for name, spec in links.PAGES.items()]
    return [links.front_door(), *named]


@guarded
def _body(render: Callable[[], None]) -> None:
    repair.perform_undo()
    repair.undo_bar()
    render()
    repair.dialog_if_asked()


@st.fragment(run_every=FRESHNESS_SECONDS)
@guarded
def _status_line() -> None:
    with st.container(
        key="shell_status", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        source = data_source(console.shared().settings) + (" · demo data" if reads.is_demo() else "")
        st.html(status_html(source, console.shared().settings.actor, _freshness()))
        st.button("Refresh", key="shell.refresh", type="tertiary", icon=":material/refresh:", on_click=reads.clear)


def _freshness() -> str:
    read_at = reads.figures().read_at
    return f"read {formatting.relative(read_at, now=datetime.now(UTC))}"


def status_html(source: str, actor: str, freshness: str) -> str:
    """Data source, actor and freshness as one line of HTML."""
    parts = (("Data", source), ("Acting as", actor), ("Figures", freshness))
    spans = "".join(f"<span>{escape(name)} <b>{escape(value)}</b></span>" for name, value in parts)
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
