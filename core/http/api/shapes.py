"""What the API takes and answers, as OpenAPI describes it (shapes of the integration guide and its backend)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from core.errors import BadInput
from core.linking import fields

LARGEST_EXACT = 2**53 - 1
"""Larger whole numbers lose digits in JavaScript."""


def _whole(value: object) -> object:
    """JSON knows no integers: 3.0 is one, ``true`` and ``"3"`` are not."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected a whole number")
    return value


def _moment(value: object) -> object:
    try:
        return None if value is None else fields.moment("time", value)
    except BadInput as error:
        raise ValueError(error.message.partition(": ")[2].rstrip(".")) from None


Id = Annotated[int, Field(ge=1, le=LARGEST_EXACT), BeforeValidator(_whole)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
"""ISO 8601; a naive one is UTC."""
Row = dict[str, Any]
LINE = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
"""One line of text that is not blank."""
E164 = r"^\+[1-9][0-9]{1,14}$"
PROSE = r"^[^\x00]*[^\s\x00][^\x00]*$"
"""Text that is not blank."""
Reason = Annotated[str, StringConstraints(max_length=2000, pattern=PROSE)]
Words = Annotated[str, StringConstraints(max_length=4000, pattern=PROSE)]
CallSid = Annotated[str, StringConstraints(max_length=50, pattern=LINE)]


class Problem(BaseModel):
    """Every error: one sentence for a person, and what to do next where that helps."""

    success: Literal[False] = False
    error: str


class Pagination(BaseModel):
    """Where a page of leads lies."""

    total: int
    count: int
    limit: int
    offset: int
    currentPage: int
    totalPages: int
    hasNextPage: bool
    hasPrevPage: bool


class LeadsPage(BaseModel):
    """A page of leads."""

    success: Literal[True] = True
    data: list[Row]
    pagination: Pagination


class One(BaseModel):
    """One row, call or link event."""

    success: Literal[True] = True
    data: Row


class Done(BaseModel):
    """The link event that a repair wrote; none, and why, when nothing changed."""

    success: Literal[True] = True
    data: Row | None
    message: str | None = None


class Transcript(BaseModel):
    """What was said in a call, in speaking order."""

    success: Literal[True] = True
    callSid: str
    transcripts: list[Row]
    messageCount: int


class CallsPage(BaseModel):
    """A page of calls, newest first; ``next`` is the cursor of the following one."""

    success: Literal[True] = True
    data: list[Row]
    total: int
    next: str | None


class Scheduled(BaseModel):
    """A call that waits in the queue."""

    success: Literal[True] = True
    message: str = "Call scheduled successfully"
    jobId: str
    status: str = "scheduled"
    data: Row


class CallToPlace(BaseModel):
    """A call to place, as the backend's API takes it."""

    to: str = Field(pattern=E164, description="The number to dial, E.164.", examples=["+14155550100"])
    message: Words | None = None
    lead_id: Id | None = None
    priority: Literal["high", "normal", "low"] = "normal"
    metadata: Row | None = None
    speakFirst: StrictBool | None = None
    initialMessage: Words | None = None


class _Repair(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = Field(default=None, description="Why, in your words.")
    mark_contacted: StrictBool | list[Id] = Field(
        default=False, description="Mark touched leads that are new as contacted."
    )
    expect_lead: Id | Literal["none"] | None = Field(
        default=None, description="Refuse unless the call's lead is this one."
    )
    expect_call: CallSid | None = Field(default=None, description="Refuse unless the lead's current call is this.")


class Link(_Repair):
    """Which lead a call belongs to."""

    lead_id: Id
    current: StrictBool = Field(default=False, description="Make it the lead's current call, whatever its age.")


class Repair(_Repair):
    """What goes with a repair that names no lead."""


class Undo(BaseModel):
    """What goes with an undo."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = Field(default=None, description="Why, in your words.")
