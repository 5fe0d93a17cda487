"""Triage as a mode of Unlinked calls: ``/unlinked?mode=triage`` with the worklist's filters, and ``confidence``."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from core.linking import WorklistFilter
from core.linking.triage import SURENESS
from dashboard import formatting, links, triage, viewer
from pages.unlinked import filters

MODE = "triage"


def wanted() -> bool:
    """Whether the address asks for triage."""
    return links.param("mode") == MODE


def target() -> links.Target:
    """Triage of the worklist as the address filters it."""
    return links.Target("unlinked", {**_named(), "mode": MODE})


def offer(view: str, *, some: bool) -> None:
    """The way into triage, beside the list of unlinked calls."""
    if view == "unlinked" and some:
        links.show("Triage", target(), icon=":material/bolt:", help="One call at a time, by keyboard")


def show() -> None:
    """Triage of the calls that the address's filters leave."""
    confidence = links.param("confidence")
    sure = confidence if confidence in SURENESS else None
    back = {**_named(), **({"confidence": sure} if sure else {})}
    triage.show(_filter(viewer.zone()), sure, _words(sure), links.Target("unlinked", back))


def _named() -> dict[str, object]:
    """The filters of the address, as far as triage follows them: it goes through unlinked calls only."""
    values = filters.read(links.params())
    kept = filters.written({**values, "view": "unlinked"})
    confidence = links.param("confidence")
    return {**kept, **({"confidence": confidence} if confidence in SURENESS else {})}


def _filter(zone: ZoneInfo) -> WorklistFilter:
    return replace(filters.filter_of(filters.read(links.params()), zone), view="unlinked")


def _words(confidence: str | None) -> str:
    values = filters.read(links.params())
    parts = [formatting.words(values["cause"])] if values["cause"] else []
    parts += [str(values[name]) for name in ("direction", "status", "number", "text") if values[name]]
    parts += [f"{day:%Y-%m-%d}" for day in values["dates"][:2]]
    parts += [f"{confidence} confidence" if confidence != "none" else "without a candidate"] if confidence else []
    return f"Unlinked calls: {', '.join(parts)}" if parts else "All unlinked calls, newest first"
