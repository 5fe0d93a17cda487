"""The schema, brought up to date by hand: the command where there is a connection, else the script to paste."""

import streamlit as st

from core.settings import Settings
from dashboard import reads, state

COMMAND = "python -m core migrate"


def needs_paste(settings: Settings) -> bool:
    """Whether the schema can only be changed by pasting: a Supabase project known by URL and key alone."""
    return settings.data_source == "supabase" and not settings.database_url


def offer(waiting: bool = True) -> None:
    """What to run, or to paste.

    :param waiting: some migration is not applied, as far as is known.
    """
    if needs_paste(Settings.load()):
        st.markdown("Open the project's SQL editor, paste all of this script and run it. It may be pasted again.")
        st.code(reads.migration_script(), language="sql", height=280)
        return
    if waiting:
        st.code(COMMAND, language=None)
    _script_on_request()


def _script_on_request() -> None:
    shown = bool(state.value("migrations.shown"))
    label = "Hide the script" if shown else "Show all migrations as one script"
    args = ("migrations.shown", None if shown else True)
    st.button(label, key="migrations.toggle", icon=":material/code:", on_click=state.set_value, args=args)
    if shown:
        st.code(reads.migration_script(), language="sql", height=280)
