"""The System page's lines about what answers: the database, and the service at which people sign in."""

import time

import streamlit as st

from core import app as console
from core.errors import PatchbayError
from core.linking import Check
from dashboard import shell

KEYS = "SUPABASE_URL=https://abcdefgh.supabase.co\nSUPABASE_ANON_KEY=sb_publishable_…"


def checks() -> tuple[Check, ...]:
    """The lines. A database that does not answer shows no page at all, so its line is how fast it does."""
    return (_database(), *_sign_in())


def _milliseconds() -> float:
    began = time.perf_counter()
    console.shared().gateway.ping()
    return (time.perf_counter() - began) * 1000


def _database() -> Check:
    where = shell.data_source(console.shared().settings)
    return Check("database", True, f"{where} answers within {max(1, round(_milliseconds())):,} ms.")


def _sign_in() -> tuple[Check, ...]:
    """Where people sign in at the project's Auth service; who is signed in stays so while it is away."""
    found = _auth_problem()
    if found is None:
        return ()
    return (Check("sign-in", not found, found or "Supabase Auth answers.", KEYS if found else None),)


@st.cache_data(ttl=3, max_entries=4, show_spinner=False)
def _auth_problem() -> str | None:
    """What keeps people from signing in at Supabase Auth; empty when nothing does, None where they sign in here.

    Remembered no longer than it takes to press "Check again".
    """
    auth = console.shared().access.supabase
    if auth is None:
        return None
    try:
        auth.ping()
    except PatchbayError as error:
        return f"{error.message} {error.hint or ''}".strip()
    return ""
