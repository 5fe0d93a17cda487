"""Triage as HTML: the count, the call, the candidate, what accepting does. Pure but for the clock."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from core.linking import Story
from core.model.dialling import DiallingChange
from core.model.records import Call, Candidate, Lead, LinkEvent
from dashboard import candidates, formatting, sides, story
from dashboard.triage_pass import StatusChoice


def count(left: int, total: int, last: str = "") -> str:
    """How many calls are left of how many, and what the last step did."""
    did = f'<span class="pb-ok pb-last">✓ {escape(last)}</span>' if last else ""
    return f'<div class="pb-count" aria-live="polite"><b>{left:,}</b> left of {total:,}{did}</div>'


def last(event: LinkEvent) -> str:
    """What a step did, in a few words."""
    sid = f"{formatting.short_sid(event.call_sid)} " if event.call_sid else ""
    if event.action == "undo":
        return f"Undone: {sid}{formatting.outcome_words(event)}"
    return formatting.sentence(f"{sid}{formatting.event_words(event)}")


def skipped(at: datetime) -> str:
    """A call that was passed over."""
    return f'<span class="pb-line">Passed over <span class="pb-muted">{escape(formatting.relative(at))}</span></span>'


def bar(left: int, total: int) -> str:
    """The same as a bar that fills."""
    done = max(total - left, 0)
    share = 100 * done / total if total else 100
    words = f"{left:,} left of {total:,}"
    return (
        f'<div class="pb-bar" role="progressbar" aria-label="Calls done" aria-valuemin="0" aria-valuemax="{total}" '
        f'aria-valuenow="{done}" aria-valuetext="{words}"><span style="width:{share:.1f}%"></span></div>'
    )


def who(call: Call, zone: ZoneInfo) -> str:
    """Who was on the line, and when."""
    inbound = (call.direction or "").startswith("inbound")
    way = formatting.direction_words(call.direction)
    number = formatting.phone(call.counterpart) if call.counterpart else _as_stored(call)
    facts = [way, formatting.duration(call.duration), formatting.words(call.status, {})]
    when = f'<b title="{escape(formatting.exact(call.started_at, zone))}">{formatting.relative(call.started_at)}</b>'
    told = " · ".join([*(escape(fact) for fact in facts if fact != formatting.NONE), when])
    exact = escape(formatting.exact(call.started_at, zone))
    return (
        f'<p class="pb-who-big"><span class="pb-way" aria-hidden="true">{"←" if inbound else "→"}</span> '
        f'{escape(number)}</p><p class="pb-sub">{told} · {exact}</p>'
    )


def _as_stored(call: Call) -> str:
    inbound = (call.direction or "").startswith("inbound")
    other = call.from_number if inbound else call.to_number
    return formatting.clip(other, 40) if other and other.strip() else "No number"


def why(told: Story) -> str:
    """Why the call is not linked, or how it is by now."""
    detail = f'<p class="pb-why">{escape(told.detail)}</p>' if told.detail else ""
    return story.chip(told.call, told.cause) + detail


def lead(candidate: Candidate, found: Lead | None, calls: int, zone: ZoneInfo) -> str:
    """The lead in front, with what speaks for and against it."""
    look, mark = candidates.LOOKS[candidate.confidence]
    name = formatting.lead_label(candidate.lead_id, candidate.name)
    sure = f'<span class="pb-chip {look}">{mark} {escape(candidate.confidence)}</span>'
    facts = [formatting.clip(candidate.phone or "no number", 40), formatting.count(calls, "call")]
    if found is not None:
        facts += [found.lead_status or "no status", f"last contact {formatting.relative(found.last_contacted_at)}"]
    line = " · ".join(map(escape, facts))
    return f'<p class="pb-lead">{escape(name)} {sure}</p><p class="pb-sub">{line}</p>' + candidates.reasons(candidate)


def other(candidate: Candidate) -> str:
    """Another candidate on one line with its strongest reason."""
    reason = candidate.evidence[0].detail if candidate.evidence else ""
    more = f'<br><span class="pb-muted">{escape(formatting.sentence(reason))}</span>' if reason else ""
    return f'<div class="pb-line">{candidates.heading(candidate)}{more}</div>'


def effect(seen: LinkEvent, touched: Lead | None) -> str:
    """What accepting does with the lead's current call, as a sentence."""
    lead_id = seen.after.get("call_lead")
    if sides.joins_history(seen):
        stays = f" ({formatting.short_sid(touched.call_sid)})" if touched and touched.call_sid else ""
        return f"It joins the history of lead {lead_id}; its current call{stays} is newer and stays."
    was = (seen.before.get("leads") or {}).get(str(lead_id))
    rest = f"; {formatting.short_sid(was)} joins the history" if was else ""
    return f"It becomes the current call of lead {lead_id}{rest}."


STATUS_KEYS: Mapping[StatusChoice, str] = {"keep": "K", "contacted": "M"}
"""The keys that choose what becomes of a lead's status."""
_STATUS_BUTTONS: Mapping[StatusChoice, str] = {"keep": "Keep status new", "contacted": "Mark contacted"}
_STATUS_WORDS: Mapping[StatusChoice, str] = {
    "keep": "<b>Its status stays new</b>, as chosen for this pass: if the call is ever unlinked, it may be dialled.",
    "contacted": "<b>It is marked contacted</b> with the link, as chosen for this pass: it is not dialled later.",
}


def status_choice(change: DiallingChange, chosen: StatusChoice | None, *, asks: bool) -> str:
    """That a lead leaves those that the backend dials, and what becomes of its status.

    :param asks: accepting waits for the choice.
    """
    if chosen is not None:
        return f'<p class="pb-line">{escape(change.sentence)} {_STATUS_WORDS[chosen]}</p>'
    asked = "Choose, and the call is linked." if asks else "What shall become of its status new?"
    words = f"{escape(change.sentence)} The choice holds for this pass."
    return f'<p class="pb-line" role="status"><b class="pb-wait">! {asked}</b> {words}</p>'


def status_button(choice: StatusChoice, chosen: StatusChoice | None, *, asks: bool) -> str:
    """What a choice's button says."""
    words = _STATUS_BUTTONS[choice]
    return f"{words} and link" if asks else f"{words} instead" if chosen else words


def notes(words: Sequence[str]) -> str:
    """What happened that the person did not do."""
    return f'<ul class="pb-notes" role="status">{"".join(f"<li>{escape(each)}</li>" for each in words)}</ul>'


def finished(event: LinkEvent) -> str:
    """Who dealt with a call meanwhile, as a sentence."""
    sid = formatting.short_sid(event.call_sid or "")
    when = formatting.relative(event.at)
    return f"{sid} was {formatting.event_words(event)} by {formatting.actor_words(event)}, {when}: passed over."


def done(total: int, linked: int, aside: int, skipped: int) -> str:
    """The end of a pass, in words."""
    if not total:
        return (
            '<div class="pb-finish"><b>Nothing to triage</b>No unlinked call fits here. New ones come up when their '
            "grace period is over and no lead has them.</div>"
        )
    head = "All done." if not skipped else "You have been through all of them."
    kept = ", ".join(_parts(linked, aside, skipped)) or "nothing had to be done"
    return (
        f'<div class="pb-finish"><b>{head} Zero left.</b>{formatting.count(total, "call")} in this pass; '
        f"today you have {kept}. Well done: every one of them has an answer now.</div>"
        if not skipped
        else f'<div class="pb-finish"><b>{head}</b>{formatting.count(total, "call")} in this pass; today: {kept}. '
        "What you passed over is still on the list.</div>"
    )


def _parts(linked: int, aside: int, skipped: int) -> Iterable[str]:
    if linked:
        yield f"linked {linked:,}"
    if aside:
        yield f"set aside {aside:,}"
    if skipped:
        yield f"passed over {skipped:,}"


def today(linked: int, aside: int, skipped: int) -> str:
    """What was done today, on one line."""
    return (
        f'<span class="pb-line">Today: <b>{linked:,}</b> linked · <b>{aside:,}</b> set aside · '
        f"<b>{skipped:,}</b> passed over</span>"
    )


def deed(event: LinkEvent, zone: ZoneInfo) -> str:
    """One change of today's work."""
    words = formatting.sentence(formatting.event_words(event))
    why = f" · “{escape(event.reason)}”" if event.reason else ""
    exact = escape(formatting.exact(event.at, zone))
    return (
        f'<span class="pb-line">{escape(words)}{why} <span class="pb-muted" title="{exact}">'
        f"{escape(formatting.relative(event.at))}</span></span>"
    )
