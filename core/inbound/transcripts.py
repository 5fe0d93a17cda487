"""What was said in a call, saved line by line in whichever shape the customer's table has. Nothing is logged."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from core.linking import fields
from core.store.gateway import Gateway

Role: TypeAlias = Literal["user", "assistant"]
ROLES: tuple[Role, ...] = ("user", "assistant")
LONGEST_LINE = 100_000
"""Characters. A line is what one side says in one turn."""


@dataclass(frozen=True, slots=True)
class SavedLine:
    """What became of a line: the row's id as text, and whether it is new."""

    line_id: str
    created: bool


def save_line(
    gateway: Gateway, call_sid: str, role: Role, content: str, at: datetime, message_id: str | None = None
) -> SavedLine | None:
    """Save one utterance; the same message id (without one: the same words at the same time) is saved once.

    :param role: who spoke: ``user`` (the other party) or ``assistant``.
    :param at: when the utterance began. It orders the conversation: a user's words are often known after the reply.
    :return: None when nothing was said (blank content).
    :raises core.errors.BadInput: when a value cannot be meant.
    :raises core.errors.Unavailable: when it could not be saved.
    """
    said = content.replace("\0", "").encode(errors="replace").decode().strip()[:LONGEST_LINE]
    if not said:
        return None
    saved = gateway.call(
        "save_transcript_line",
        p_call_sid=fields.call_sid(call_sid),
        p_role=fields.choice("role", role, ROLES),
        p_content=fields.prose("content", said, LONGEST_LINE),
        p_at=fields.moment("at", at).isoformat(),
        p_message_id=None if message_id is None else fields.line("message id", message_id, 200),
    )
    return SavedLine(saved["id"], saved["created"])
