"""The test calls before, newest first; each opens with its stages."""

import pandas as pd
import streamlit as st

from dashboard import formatting, grid, links, test_calls, viewer

COLUMNS = {
    "when": st.column_config.TextColumn("When", width=84),
    "result": st.column_config.TextColumn("What came of it", width=360),
    "to": st.column_config.TextColumn("Number", width=130),
    "lead": st.column_config.TextColumn("Lead", width=84),
    "via": st.column_config.TextColumn("How", width=64),
    "carrier": st.column_config.TextColumn("Carrier", width=84),
    "call": st.column_config.TextColumn("Call", width=96),
    "who": st.column_config.TextColumn("By", width=100),
    "time": st.column_config.TextColumn("Time", width=112, help="In your time zone"),
}


def show(watched: str | None) -> None:
    """The list.

    :param watched: the test call that the page shows already.
    """
    found = test_calls.earlier()
    st.header("Earlier test calls", anchor=False)
    if not found:
        grid.empty("No test call yet", "Each one stays here with its stages; none of them counts in the figures.")
        return
    rows = pd.DataFrame(test_calls.rows(found, viewer.zone()), columns=list(COLUMNS))
    ids = [str(each.call.id) for each in found]
    alt = "Earlier test calls, newest first; selecting one opens it"
    grid.open_list("test_calls", ids, rows, COLUMNS, on_open=_open, alt=alt)
    shown = formatting.count(len(found), "test call")
    newest = "The newest " if len(found) == test_calls.MOST_EARLIER else ""
    st.html(f'<p class="pb-line pb-muted">{newest}{shown}; test calls are left out of figures and worklists.</p>')


def _open(test_id: str) -> None:
    links.write_params({"call": test_id})
