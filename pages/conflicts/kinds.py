"""Which kind of conflict is shown; the kind lives in the address."""

from collections.abc import Mapping

import streamlit as st

from core.linking.conflicts import ConflictPage
from core.model.conflicts import CONFLICT_KINDS
from dashboard import formatting, links, state

ALL = "all"
SPACE = "conflicts"


def asked() -> str | None:
    """The kind that the address names, or None for all."""
    kind = links.param("kind")
    return kind if kind in CONFLICT_KINDS else None


def show(kind: str | None, counts: Mapping[str, int]) -> None:
    """The kinds that there are, each with its count."""
    present = [each for each in CONFLICT_KINDS if counts.get(each) or each == kind]
    if len(present) < 2 and kind is None:
        return
    if state.follow_address(SPACE, {"kind": kind}, {"kind": kind or ALL}):
        links.restate_params()
    st.segmented_control(
        "Kind",
        (ALL, *present),
        key=f"{SPACE}.kind",
        required=True,
        format_func=lambda each: _words(each, counts),
        on_change=_apply,
        label_visibility="collapsed",
    )


def show_count(page: ConflictPage) -> None:
    """How many conflicts there are, of how many."""
    whole = sum(page.counts.values())
    words = f"{page.total:,}" if page.total == whole else f"{page.total:,} of {whole:,}"
    st.html(f'<span class="pb-line"><b>{words}</b> <span class="pb-muted">open</span></span>', width="content")


def show_all() -> None:
    """Show every kind. Serves as ``on_click``."""
    links.write_params({})
    state.forget_address(SPACE)


def _words(kind: str, counts: Mapping[str, int]) -> str:
    number = sum(counts.values()) if kind == ALL else counts.get(kind, 0)
    return f"{formatting.words(kind, formatting.CONFLICT_WORDS)} · {number:,}"


def _apply() -> None:
    kind = state.value(f"{SPACE}.kind")
    chosen = kind if kind in CONFLICT_KINDS else None
    links.write_params({"kind": chosen} if chosen else {})
    state.note_address(SPACE, {"kind": chosen})
    state.set_trail((), SPACE)
