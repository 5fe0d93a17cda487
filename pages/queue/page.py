"""Queue: ``outbound-calls`` as it is now: who works it, its jobs, what became of each, what can be done with them."""

import contextlib

import streamlit as st

from core.errors import BadInput, NotFound, Unavailable
from core.outbound.board import BoardPage
from dashboard import guard, links, queue_actions, queue_reads
from pages.queue import bulk, head, panel, table


def render() -> None:
    """The page."""
    if bulk.wanted():
        bulk.show()
        return
    with st.container(key="queue_heading", horizontal=True, vertical_alignment="center"):
        st.title("Queue", anchor=False, width="content")
        links.show("Place a test call", links.test_calls(), icon=":material/call:")
    head.banner()
    _count_again()
    head.follow_pulse()
    text = head.search()
    _list(head.view(), text)
    queue_actions.dialog_if_asked()


def _count_again() -> None:
    """Tabs and list of one run shall say the same."""
    if not links.param("q") and not table.cursor():
        with contextlib.suppress(Unavailable):  # the list below says so
            queue_reads.agree(head.view())
    head.note_listed()


def _list(view: str, text: str | None) -> None:
    try:
        if view == "recurring" and not text:
            table.recurring(queue_reads.recurring())
            return
        found = queue_reads.found(text) if text else queue_reads.page(view, table.cursor())
    except (BadInput, NotFound) as error:
        guard.show(error, "queue_list")
        return
    except Unavailable as error:
        if queue_reads.pulse().problem is None:
            raise
        table.away(error)
        return
    if found.entries:
        _jobs(found, view, text)
    else:
        table.nothing(view, text, following=found.following)


def _jobs(found: BoardPage, view: str, text: str | None) -> None:
    bulk.offer(found, view, text)
    left, right = st.columns([66, 34], gap="medium")
    with left:
        selected = table.show(found, "found" if text else view)
        table.paging(found, None if text else queue_reads.pulse().number(view))
    with right, st.container(key="panel_job"):
        panel.show(selected, found)
