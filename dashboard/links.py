"""Where a click leads. Every in-app address is made here, so that a page's parameters have one spelling."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboard import formatting


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A page as the navigation knows it: its folder and address, and the words in the navigation."""

    name: str
    title: str


PAGES: Mapping[str, PageSpec] = {
    spec.name: spec
    for spec in (
        PageSpec("overview", "Overview"),
        PageSpec("unlinked", "Unlinked calls"),
        PageSpec("conflicts", "Conflicts"),
        PageSpec("lookup", "Call lookup"),
        PageSpec("leads", "Leads"),
        PageSpec("test-calls", "Test calls"),
        PageSpec("queue", "Queue"),
        PageSpec("activity", "Activity"),
        PageSpec("system", "System"),
    )
}


@dataclass(frozen=True, slots=True)
class Target:
    """One place in the console: a page and its parameters."""

    page: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Path and query, to be followed from the console's root."""
        return f"/{self.page}?{urlencode(self.params, doseq=True)}" if self.params else f"/{self.page}"


def page(name: str, title: str | None = None) -> Any:
    """The Streamlit page for a name; pages are loaded when first visited, by name, so nothing here imports upwards."""
    spec = PAGES[name]
    return st.Page(_renderer(name), title=title or spec.title, url_path=name)


def front_door() -> Any:
    """The console's bare address. Streamlit gives its default page no name in the address, so this one leads on."""
    return st.Page(_enter, title="Patchbay", url_path="home", default=True, visibility="hidden")


def _enter() -> None:
    st.switch_page(page("overview"), query_params=st.query_params.to_dict())


def _renderer(name: str) -> Callable[[], None]:
    def render() -> None:
        import_module(f"pages.{name.replace('-', '_')}.page").render()

    render.__name__ = name
    return render


def overview() -> Target:
    """The overview."""
    return Target("overview")


def worklist(**filters: str | int | None) -> Target:
    """The unlinked calls with these filters: view, cause, direction, status, number, text, call."""
    return Target("unlinked", {name: str(value) for name, value in filters.items() if value not in (None, "")})


def worklist_of_days(first: date, last: date, **filters: str | None) -> Target:
    """The unlinked calls that started from ``first`` to ``last``, both included, in the viewer's zone."""
    target = worklist(**filters)
    return Target("unlinked", {**target.params, "dates": [first.isoformat(), last.isoformat()]})


def call(call_sid: str) -> Target:
    """One call in Call lookup."""
    return Target("lookup", {"q": call_sid})


def lookup(text: str | None = None) -> Target:
    """Call lookup, for a text or empty."""
    return Target("lookup", {"q": text} if text else {})


def conflicts(**filters: str | None) -> Target:
    """The conflicts with these filters: kind, conflict."""
    return Target("conflicts", {name: value for name, value in filters.items() if value})


def activity(**filters: str | int | None) -> Target:
    """The ledger with these filters: actor, lead, call, batch, event."""
    return Target("activity", {name: str(value) for name, value in filters.items() if value not in (None, "")})


def show(label: str, target: Target, *, icon: str | None = None, help: str | None = None) -> None:
    """A link as words. ``label`` is Markdown: free text in it must have gone through ``formatting.plain``."""
    st.page_link(page(target.page), label=label, query_params=dict(target.params), icon=icon, help=help)


def show_call(call_sid: str, words: str | None = None) -> None:
    """A call as a link that shows its short SID, or ``words``."""
    text = formatting.plain(words) if words else f"`{formatting.short_sid(call_sid).replace('`', '')}`"
    show(text, call(call_sid), help=f"Open {formatting.plain(call_sid)} in Call lookup")


def queue(**filters: str | None) -> Target:
    """The queue with these filters: state, q, job."""
    return Target("queue", {name: value for name, value in filters.items() if value})


def test_calls(**wanted: str | int | None) -> Target:
    """Test calls: one (call), or the form with these values: to, lead, via."""
    return Target("test-calls", {name: str(value) for name, value in wanted.items() if value not in (None, "")})


def system() -> Target:
    """The System page."""
    return Target("system")


def lead(lead_id: int) -> Target:
    """One lead with its calls."""
    return Target("leads", {"lead": str(lead_id)})


def number(e164: str) -> Target:
    """One telephone number: the rule about it, the leads that have it, all its calls."""
    return Target("leads", {"number": e164})


def leads(text: str | None = None) -> Target:
    """The leads that a text finds, or all."""
    return Target("leads", {"q": text} if text else {})


def show_lead(lead_id: int, words: str | None = None) -> None:
    """A lead as a link."""
    show(formatting.plain(words or f"Lead {lead_id}"), lead(lead_id), help=f"Open lead {lead_id}")


def show_number(e164: str, words: str | None = None) -> None:
    """A number as a link to its page."""
    show(formatting.plain(words or formatting.phone(e164)), number(e164), help="What is known of this number")


def go(target: Target) -> None:
    """Leave for another place now."""
    st.switch_page(page(target.page), query_params=dict(target.params))


def param(name: str) -> str | None:
    """A parameter of the address, or None."""
    return st.query_params.get(name) or None


def set_param(name: str, value: str | None) -> None:
    """Write a parameter; None removes it."""
    if value is None:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def params() -> dict[str, tuple[str, ...]]:
    """All parameters of the address."""
    return {name: tuple(st.query_params.get_all(name)) for name in st.query_params}


def write_params(wanted: Mapping[str, str | Sequence[str]]) -> None:
    """Make these all the parameters of the address, in one step of the browser's history."""
    if params() != {name: (value,) if isinstance(value, str) else tuple(value) for name, value in wanted.items()}:
        st.query_params.from_dict(dict(wanted))


def restate_params() -> None:
    """Tell the browser its address: after a link from a page to itself it still shows the old one."""
    st.query_params.from_dict(params())
