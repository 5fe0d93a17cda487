"""The guide's checks and ours, live; each red line with what mends it."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.linking import Check
from dashboard import formatting, links, reads


def show(found: Sequence[Check]) -> None:
    """The failed checks first, each with its fix to copy, then those that passed."""
    passed = [check for check in found if check.ok]
    with st.container(
        key="system_checks", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        st.header(f"Checks · {len(passed)} of {len(found)} passed", anchor=False, width="content")
        st.button("Check again", key="system.check", type="tertiary", icon=":material/refresh:", on_click=reads.clear)
    lines(found)


def lines(found: Sequence[Check]) -> None:
    """Checks without a heading: those that failed first."""
    for check in found:
        if not check.ok:
            _failed(check)
    passed = "".join(_passed(check) for check in found if check.ok)
    st.html(f'<ul class="pb-checks">{passed}</ul>')


def _failed(check: Check) -> None:
    with st.container(key=f"ledger_check_{check.name.replace(' ', '_').replace('.', '_')}", gap="xsmall"):
        st.html(_line(check, "pb-bad", "✗", "failed"))
        if check.fix:
            st.code(check.fix, language=None, wrap_lines=True)
        if check.name in LISTED:
            LISTED[check.name]()
        if check.name == "unique":
            links.show("Settle it on Conflicts", links.conflicts(kind="missing_constraint"))


def _drift() -> None:
    found = reads.differences()
    if not found.drift:
        return
    with st.expander(_heading(len(found.drift), found.more_drift, "row", "rows")):
        for number, each in enumerate(found.drift):
            _row(f"drift_{number}", each.call_sid, each.lead_id, f"{each.kind}: {each.words}")


def _missed() -> None:
    found = reads.differences()
    if not found.missed:
        return
    with st.expander(_heading(len(found.missed), found.more_missed, "change", "changes")):
        for number, each in enumerate(found.missed):
            words = f"{each.operation} of {each.table}, {formatting.relative(each.at)}, stopped by error {each.error}"
            _row(f"missed_{number}", next(iter(each.call_sids), None), each.lead_id, words)


def _heading(count: int, more: bool, one: str, many: str) -> str:
    return f"The first {count} {many}" if more else formatting.count(count, one, many)


def _row(key: str, call_sid: str | None, lead_id: int | None, words: str) -> None:
    with st.container(key=f"ledger_{key}", horizontal=True, vertical_alignment="center", gap="small"):
        if call_sid:
            links.show_call(call_sid)
        if lead_id is not None:
            links.show_lead(lead_id)
        st.html(f'<span class="pb-line pb-muted">{escape(words)}</span>', width="content")


LISTED = {"consistency": _drift, "missed changes": _missed}
"""Checks that count rows, and what lists these."""


def _passed(check: Check) -> str:
    return f"<li>{_words(check, 'pb-ok', '✓', 'passed')}</li>"


def _line(check: Check, look: str, mark: str, said: str) -> str:
    return f'<p class="pb-line">{_words(check, look, mark, said)}</p>'


def _words(check: Check, look: str, mark: str, said: str) -> str:
    sign = f'<span class="pb-mark {look}" role="img" aria-label="{said}">{mark}</span>'
    name = check.name if "." in check.name else formatting.sentence(check.name)
    return f"{sign} <b>{escape(name)}</b> {escape(check.detail)}"
