"""The facts of the System page: configuration, versions, own numbers, migrations, whom automation would dial."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.linking.system import OwnNumber, Setting, System
from dashboard import formatting, identity, links, reads, repair_twilio, state, viewer
from dashboard import migrations as schema


def configuration(settings: Sequence[Setting]) -> None:
    """Every setting; of a secret only whether it is set."""
    st.header("Configuration", anchor=False)
    rows = "".join(map(_setting, settings))
    st.html(f'<table class="pb-sides pb-dense"><tbody>{rows}</tbody></table>')


def _setting(setting: Setting) -> str:
    look = "" if setting.is_set else ' class="pb-muted"'
    sign = " · secret" if setting.secret else ""
    seconds = " s" if setting.is_set and setting.variable.endswith("_SECONDS") else ""
    shown = escape(formatting.clip(setting.shown, 90)) + seconds
    name = escape(setting.variable).replace(", ", ",<br>")
    return f'<tr><th scope="row"><code>{name}</code></th><td{look}>{shown}{sign}</td></tr>'


def versions(system: System) -> None:
    """What runs, and how much there is."""
    st.header("Versions and size", anchor=False)
    sizes = ((name.replace("_", " "), f"{count:,}") for name, count in system.size.items())
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in (*system.versions.items(), *sizes)
    )
    st.html(f'<table class="pb-sides pb-dense"><tbody>{rows}</tbody></table>')


def own_numbers(numbers: Sequence[OwnNumber]) -> None:
    """Our numbers, those to confirm first."""
    waiting = sum(number.to_confirm for number in numbers)
    st.header(f"Own numbers{f' · {waiting} to confirm' if waiting else ''}", anchor=False)
    if not numbers:
        st.html(
            '<p class="pb-line pb-muted">None known yet. Set <code>TWILIO_PHONE_NUMBER</code> or '
            "<code>OWN_NUMBERS</code>, or wait for calls.</p>"
        )
        return
    st.html('<p class="pb-line pb-muted">A call is never matched by one of these; a wrong one hides its callers.</p>')
    for number in numbers:
        _own_number(number)
    repair_twilio.numbers_button()


def _own_number(number: OwnNumber) -> None:
    with st.container(
        key=f"ledger_number_{number.number.strip('+')}",
        horizontal=True,
        vertical_alignment="center",
        horizontal_alignment="distribute",
    ):
        st.html(_number_words(number), width="stretch")
        if number.source != "data":
            return
        with st.container(horizontal=True, gap="small", width="content"):
            if number.confirmed is not True:
                _say(number, "Ours", True, "check")
            if number.confirmed is not False:
                _say(number, "Not ours", False, "close")
            if number.confirmed is not None:
                _say(number, "Ask again", None, "undo")


def _say(number: OwnNumber, label: str, is_ours: bool | None, icon: str) -> None:
    st.button(
        label,
        key=f"system.number.{number.number}.{is_ours}",
        icon=f":material/{icon}:",
        on_click=state.ask_own_number,
        args=(number.number, is_ours),
        disabled=not identity.may_write(),
    )


SOURCES = {"data": "from the calls", "settings": "from the settings", "twilio": "from the Twilio account"}


def _number_words(number: OwnNumber) -> str:
    look, mark, said = {
        True: ("pb-ok", "✓", "confirmed"),
        False: ("pb-muted", "–", "not ours"),
        None: ("pb-wait", "?", "to confirm"),
    }[True if number.source != "data" else number.confirmed]
    source = SOURCES[number.source]
    calls = formatting.count(number.calls, "call")
    return (
        f'<div class="pb-line"><b title="{escape(number.number)}">{escape(formatting.phone(number.number))}</b> '
        f'<span class="pb-chip {look}">{mark} {said}</span> <span class="pb-muted">{source}, {calls}</span></div>'
    )


def dialable(system: System) -> None:
    """The leads that the backend's automation would dial next."""
    st.header(f"Automation would dial next · {system.dialable:,}", anchor=False)
    if not system.dialable:
        st.html('<p class="pb-line pb-muted">No lead has the status new and no current call.</p>')
        return
    st.html(
        '<p class="pb-line pb-muted">Status new and no current call. Linking a call takes a lead off this list.</p>'
    )
    for lead in system.dialable_first:
        with st.container(key=f"ledger_dial_{lead.id}", horizontal=True, vertical_alignment="center", gap="small"):
            links.show_lead(lead.id, formatting.lead_label(lead.id, lead.name))
            since = formatting.relative(lead.created_at)
            exact = formatting.exact(lead.created_at, viewer.zone())
            st.html(
                f'<span class="pb-line pb-muted">{escape(formatting.clip(lead.phone or "no number", 40))} · '
                f'<span title="{escape(exact)}">created {escape(since)}</span></span>',
                width="content",
            )
    left = system.dialable - len(system.dialable_first)
    if left > 0:
        st.html(f'<p class="pb-line pb-muted">and {left:,} more</p>')


def migrations(system: System) -> None:
    """Which migrations the database has; what to run, or to paste where a connection alone cannot change it."""
    st.header("Schema", anchor=False)
    recorded = reads.migrations()
    found = schema.of_version(system.versions["schema"]) if recorded is None else recorded
    waiting = [each for each in found if not each.applied]
    st.html(f'<p class="pb-line">{_applied(len(found) - len(waiting), len(found))}</p>')
    for each in waiting:
        st.html(f'<p class="pb-line"><span class="pb-bad">✗ not applied</span> {escape(each.name)}</p>')
    for each in found:
        if each.changed:
            st.html(f'<p class="pb-line"><span class="pb-wait">! changed since</span> {escape(each.name)}</p>')
    if recorded is None:
        st.html(
            '<p class="pb-line">The project is reached by URL and key, which cannot change the schema. '
            "Set <code>DATABASE_URL</code> too, or paste the script after each update.</p>"
        )
    schema.offer(bool(waiting))


def _applied(done: int, known: int) -> str:
    look, mark = ("pb-ok", "✓") if done == known else ("pb-bad", "✗")
    return f'<span class="{look}">{mark}</span> {done} of {known} migrations applied.'
