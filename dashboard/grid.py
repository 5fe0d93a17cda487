"""A list with one selected row: its table, its selection in the address, its paging by cursor.

Selections are positional in Streamlit and outlive their data, so the widget's key is made of the ids shown.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import formatting, links, state

ROW_HEIGHT = 35
MOST_VISIBLE = 17
"""Rows that a table shows without scrolling inside."""


def key_of(space: str, ids: Sequence[str]) -> str:
    """A key made of the rows shown."""
    return f"{space}.rows.{hashlib.blake2s(repr(list(ids)).encode(), digest_size=6).hexdigest()}"


def pick(
    space: str,
    ids: Sequence[str],
    rows: pd.DataFrame,
    columns: Mapping[str, Any],
    *,
    param: str,
    alt: str,
    only_listed: bool = False,
) -> str:
    """Show a table of at least one row and return the id of the selected one.

    :param param: the parameter of the address that holds the selected id; an id that is not listed stays selected,
        unless ``only_listed``.
    :param alt: what the table is, for those who do not see it.
    """
    key, wanted = key_of(space, ids), links.param(param)
    start = ids.index(wanted) if wanted in ids else state.selected_row(key)
    state.select_row(key, min(start or 0, len(ids) - 1))

    selected = _told(key, ids, lambda one: links.set_param(param, one))
    table(rows, columns, key=key, alt=alt, on_select=selected, selection_mode="single-row-required")
    chosen = ids[min(start or 0, len(ids) - 1)]
    return wanted if wanted and not only_listed else chosen


def open_list(
    space: str,
    ids: Sequence[str],
    rows: pd.DataFrame,
    columns: Mapping[str, Any],
    *,
    on_open: Callable[[str], None],
    alt: str,
) -> None:
    """Show a table whose rows lead on: selecting one opens it.

    :param on_open: told the id of the selected row, before the page runs again.
    """
    key = key_of(space, ids)
    state.select_no_row(key)

    table(rows, columns, key=key, alt=alt, on_select=_told(key, ids, on_open), selection_mode="single-row")


def table(
    rows: pd.DataFrame,
    columns: Mapping[str, Any],
    *,
    key: str,
    alt: str,
    most: int = MOST_VISIBLE,
    **selection: Any,
) -> None:
    """A table as every page has it, as high as its rows.

    :param most: rows that it shows without scrolling inside.
    :param selection: Streamlit's ``on_select`` and ``selection_mode``; without them no row can be selected.
    """
    height = min(len(rows) + 1, most) * ROW_HEIGHT + 3
    st.dataframe(
        rows,
        key=key,
        column_config=dict(columns),
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=height,
        alt=alt,
        **selection,
    )


def _told(key: str, ids: Sequence[str], tell: Callable[[str], None]) -> Callable[[], None]:
    """What Streamlit calls when a row is selected: ``tell`` gets its id."""

    def selected() -> None:
        row = state.selected_row(key)
        if row is not None and row < len(ids):
            tell(ids[row])

    return selected


def export(space: str, name: str, read: Callable[[], bytes], *, holds: str) -> None:
    """The button that gives a whole list as a CSV file.

    :param name: what the file is called between ``patchbay-`` and today's date.
    :param read: makes the file, when it is asked for.
    :param holds: what the file holds, for those who look twice.
    """
    st.download_button(
        "Export CSV",
        read,
        file_name=f"patchbay-{name.replace('_', '-')}-{datetime.now(UTC):%Y-%m-%d}.csv",
        mime="text/csv",
        key=f"{space}.export",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help=holds,
    )


def paging(space: str, cursor: str, *, following: str | None, shown: int, noun: str, param: str) -> None:
    """Newer and Older by a cursor in the address.

    :param cursor: name of the address's parameter that holds the cursor.
    :param following: the cursor of the next page, or None on the last one.
    :param param: the parameter of the selected row, which another page has not.
    """
    here = links.param(cursor)
    if not here and not following and shown < 2:
        return
    with st.container(key=f"{space}_paging", horizontal=True, gap="small", vertical_alignment="center"):
        if here:
            label = "Newer" if state.trail(space) else "Newest"
            st.button(
                label,
                key=f"{space}.newer",
                icon=":material/chevron_left:",
                on_click=_newer,
                args=(space, cursor, param),
            )
        if following:
            st.button(
                "Older",
                key=f"{space}.older",
                icon=":material/chevron_right:",
                on_click=_older,
                args=(space, cursor, param, following),
            )
        st.html(f'<span class="pb-line pb-muted">{formatting.count(shown, noun)} on this page</span>')


def _older(space: str, cursor: str, param: str, following: str) -> None:
    state.set_trail((*state.trail(space), links.param(cursor) or ""), space)
    _turn_to(cursor, param, following)


def _newer(space: str, cursor: str, param: str) -> None:
    *before, last = state.trail(space) or ("",)
    state.set_trail(tuple(before), space)
    _turn_to(cursor, param, last or None)


def _turn_to(cursor: str, param: str, place: str | None) -> None:
    kept = {name: value for name, value in links.params().items() if name not in (cursor, param)}
    links.write_params({**kept, cursor: (place,)} if place else kept)


def empty(
    title: str, text: str, *, label: str | None = None, key: str = "", on_click: Callable[[], None] | None = None
) -> None:
    """Nothing to show: say why, and offer the way out where there is one."""
    st.html(f'<div class="pb-empty"><b>{title}</b>{text}</div>')
    if label:
        st.button(label, key=key, icon=":material/close:", on_click=on_click)
