"""A call as a few lines of plain text, to be pasted into a ticket. Pure: everything comes from the call's story.

Numbers show their last four digits only, unless they are asked for: tickets are read by many.
"""

import re
from collections.abc import Callable, Iterable

from core.linking import activity
from core.linking.results import Story
from core.linking.stages import duration
from core.model import phone
from core.model.records import Candidate, LinkEvent

SHOWN_DIGITS = 4
MOST_CANDIDATES = 3
MOST_EVENTS = 5
MASK = "…"

_NUMBER = re.compile(r"(?<![\w-])[+(]?\d[\d ().\-/\u2010-\u2015]{5,}\d(?![\w-])")
_FEWEST_DIGITS = 7


def ticket(story: Story, *, link: str | None = None, full_numbers: bool = False) -> str:
    """What a colleague needs to know about a call, in about ten lines.

    :param link: address of the call's page, or None.
    :param full_numbers: show numbers whole.
    """
    call = story.call
    show = _whole if full_numbers else _masker(story)
    way = (call.direction or "direction unknown").removesuffix("-api").removesuffix("-dial")
    length = duration(call.duration) if call.duration is not None else "length unknown"
    lines = [
        f"Call {call.call_sid}",
        f"State: {call.state.replace('_', ' ')}{f', lead {call.lead_id}' if call.lead_id is not None else ''}",
        f"Started: {call.started_at:%Y-%m-%d %H:%M:%S} UTC",
        f"{way.capitalize()}: {_party(call.from_number, show)} to {_party(call.to_number, show)}",
        f"Status: {call.status or 'unknown'}, {length}",
    ]
    if story.warning:
        lines.append(f"Note: {story.warning}")
    if story.detail:
        lines.append(f"{'Suspect' if call.suspect else 'Cause'}: {show(story.detail)}")
    lines += _candidates(story.candidates, show)
    if story.history:
        lines.append("Last changes:")
        lines += [_change(event, show) for event in story.history[:MOST_EVENTS]]
    if link:
        lines.append(f"Page: {link}")
    return "\n".join(" ".join(each.split()) if not each.startswith("  ") else each for each in lines)


def masked(number: str) -> str:
    """A phone number with its last four digits only; a text with fewer digits stays."""
    digits = "".join(character for character in number if character.isdigit())
    return number if len(digits) <= SHOWN_DIGITS else f"{MASK}{digits[-SHOWN_DIGITS:]}"


def _whole(text: str) -> str:
    return text


def _masker(story: Story) -> Callable[[str], str]:
    """Masks in a sentence every writing of the numbers that the story knows, and whatever else reads like a number."""
    known = sorted(set(_writings(story)), key=len, reverse=True)

    def mask(text: str) -> str:
        text = _NUMBER.sub(_if_number, text)
        for writing in known:
            text = text.replace(writing, masked(writing))
        return text

    return mask


def _if_number(match: re.Match[str]) -> str:
    text = match[0]
    digits = sum(character.isdigit() for character in text)
    bare_id = text.isdigit() and digits < 10  # a lead's id
    return text if digits < _FEWEST_DIGITS or bare_id else masked(text)


def _writings(story: Story) -> Iterable[str]:
    call = story.call
    fields = [call.counterpart, call.from_number, call.to_number, call.best_lead_phone]
    fields += [candidate.phone for candidate in story.candidates]
    fields += [story.lead.phone] if story.lead else []
    for text in fields:
        if text and sum(character.isdigit() for character in text) > SHOWN_DIGITS:
            yield text
            yield " ".join(text.split())
            yield phone.display(text)


def _party(number: str | None, show: Callable[[str], str]) -> str:
    return show(" ".join(number.split())) if number and number.strip() else "no number"


def _candidates(found: tuple[Candidate, ...], show: Callable[[str], str]) -> list[str]:
    if not found:
        return []
    lines = ["Candidates:"]
    for candidate in found[:MOST_CANDIDATES]:
        why = candidate.evidence[0].detail if candidate.evidence else ""
        lines.append(f"  lead {candidate.lead_id}, {candidate.confidence}: {show(why)}")
    left = len(found) - MOST_CANDIDATES
    return [*lines, f"  and {left} more"] if left > 0 else lines


def _change(event: LinkEvent, show: Callable[[str], str]) -> str:
    reason = f" Reason: {show(' '.join(event.reason.split()))}" if event.reason else ""
    return f"  {activity.sentence(event)}{reason}"
