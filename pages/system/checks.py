"""The guide's checks and ours, live; each red line with what mends it."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.linking import Check
from dashboard import formatting, links, reads


def show(found: Sequence[Check]) -> None:
    """The failed checks first, each with its fix to copy, then those that passed."""
    failed = [check for check in found if not check.ok]
    passed = [check for check in found if check.ok]
    with st.container(
        key="system_checks", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        st.header(f"Checks · {len(passed)} of {len(found)} passed", anchor=False, width="content")
        st.button("Check again", key="system.check", type="tertiary", icon=":material/refresh:", on_click=reads.clear)
    for check in failed:
        _failed(check)
    st.html(f'<ul class="pb-checks">{"".join(map(_passed, passed))}</ul>')


def _failed(check: Check) -> None:
    with st.container(key=f"ledger_check_{check.name.replace(' ', '_').replace('.', '_')}", gap="xsmall"):
        st.html(_line(check, "pb-bad", "✗", "failed"))
        if check.fix:
            st.code(check.fix, language=None, wrap_lines=True)
        if check.name == "unique":
            links.show("Settle it on Conflicts", links.conflicts(kind="missing_constraint"))


def _passed(check: Check) -> str:
    return f"<li>{_words(check, 'pb-ok', '✓', 'passed')}</li>"


def _line(check: Check, look: str, mark: str, said: str) -> str:
    return f'<p class="pb-line">{_words(check, look, mark, said)}</p>'


def _words(check: Check, look: str, mark: str, said: str) -> str:
    sign = f'<span class="pb-mark {look}" role="img" aria-label="{said}">{mark}</span>'
    name = check.name if "." in check.name else formatting.sentence(check.name)
    return f"{sign} <b>{escape(name)}</b> {escape(check.detail)}"
