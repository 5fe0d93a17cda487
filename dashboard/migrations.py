"""The schema, brought up to date by hand: the command where there is a connection, else the script to paste."""

from contextlib import suppress

import streamlit as st

from core import app as console
from core.errors import PatchbayError
from core.settings import Settings
from core.store.migrate import MigrationStatus, status_of
from dashboard import formatting, reads, state

COMMAND = "python -m core migrate"
SCRIPT_HEIGHT = 300
"""Pixels of the script that are seen at once."""


def needs_paste(settings: Settings) -> bool:
    """Whether the schema can only be changed by pasting: a Supabase project known by URL and key alone."""
    return settings.data_source == "supabase" and not settings.database_url


def of_version(version: str) -> list[MigrationStatus]:
    """Every migration, and whether a schema of this version has it: where they are pasted nothing records more."""
    return status_of(version)


def offer_missing() -> None:
    """Where nothing works before the schema is brought up to date: what is missing, and what to run or to paste."""
    with suppress(PatchbayError):  # that it is missing has been said; which files is an extra
        missing = console.missing_migrations()
        if missing:
            with st.expander(f"{formatting.count(len(missing), 'migration is', 'migrations are')} missing"):
                st.code("\n".join(missing), language=None)
    offer()


def offer(waiting: bool = True) -> None:
    """What to run, or to paste.

    :param waiting: some migration is not applied, as far as is known.
    """
    if needs_paste(Settings.load()):
        st.markdown("Open the project's SQL editor, paste all of this script and run it. It may be pasted again.")
        _script()
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
        _script()


def _script() -> None:
    """The script with its copy button; the frame scrolls, since a code box that does keeps the keyboard out."""
    with st.container(height=SCRIPT_HEIGHT, border=False, key="migrations_script"):
        st.code(reads.migration_script(), language=None, wrap_lines=True)
