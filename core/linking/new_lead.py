"""A lead made from a call that belongs to nobody: what it would be, then lead, link and ledger in one transaction.

Never automatic. The SQL function ``create_lead_from_call`` writes; what the customer's table refuses comes back as a
message that names the column.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from core.errors import BadInput
from core.linking import commands, fields, lead_book
from core.linking.commands import Options
from core.linking.lead_book import SharingLead
from core.linking.results import Story
from core.model import phone
from core.model.dialling import DIALLED_STATUS
from core.model.records import Call, LinkEvent
from core.settings import Settings
from core.store.gateway import Gateway, Row

SOURCE = "patchbay"
"""What the new lead's ``lead_source`` says, where the table has that column."""
STATUS = "contacted"
"""The status that a new lead gets unless a person chooses another: the backend's automation does not dial it."""
NAME_LENGTH, STATUS_LENGTH, VALUE_LENGTH = 200, 50, 2000

_INTRODUCTION = re.compile(
    r"\b(?:[Mm]y name(?:'s| is)|[Tt]his is|[Ii](?:'m| am)|[Nn]ame's|[Ss]peaking with)\s+"
    r"((?:[A-ZÀ-Þ][\w'’-]+)(?:\s+(?:(?:van|von|de|der|da|di|du|la|le|el|bin|al)\s+)*[A-ZÀ-Þ][\w'’-]+){0,2})"
)
_TRAILING = re.compile(r"^([A-ZÀ-Þ][\w'’-]+(?:\s+[A-ZÀ-Þ][\w'’-]+){1,2})\s+(?:here|speaking)\b")
_NO_NAMES = frozenset(
    {"calling", "sorry", "interested", "looking", "not", "just", "good", "fine", "your", "the", "dr", "mr", "mrs", "ms"}
)


@dataclass(frozen=True, slots=True)
class Draft:
    """The lead that would be made.

    :ivar phone: as it would be stored, by default the call's number in E.164.
    :ivar columns: further columns of the customer's table, such as one that it requires, by name.
    """

    name: str | None = None
    phone: str | None = None
    status: str = STATUS
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequiredColumn:
    """A column of ``leads`` that must be given: the table requires it and has no value for it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class NewLeadPreview:
    """What making a lead from a call would do.

    :ivar columns: the new row, the table's own defaults among them, without the id that it gets when it is made.
    :ivar matching: how many other unlinked calls have its number; they are judged again and can then be linked.
    :ivar calls: the newest 20 of these.
    :ivar sharing: leads that hold the number already. The call may well belong to one of them.
    :ivar dialling: what the status means for the backend's automatic dialling, as a sentence.
    :ivar is_current: the call becomes the lead's current one; a test call joins its history instead.
    :ivar event: the link event that would be written; its lead has no id yet.
    :ivar options: pass these (or a copy with reason, request id …) to :meth:`Linking.create_lead`, so that it is
        refused as stale when the call or the leads with the number changed since this was read.
    """

    call_sid: str
    draft: Draft
    columns: Mapping[str, Any]
    matching: int
    calls: tuple[Call, ...]
    sharing: tuple[SharingLead, ...]
    dialling: str
    is_current: bool
    event: LinkEvent
    options: Options

    @property
    def sentence(self) -> str:
        """What it comes to for other calls."""
        if self.sharing:
            held = ", ".join(str(other.lead.id) for other in self.sharing[:5])
            one = len(self.sharing) == 1
            return (
                f"Lead{'' if one else 's'} {held} {'has' if one else 'have'} this number already: is it not that one?"
            )
        if not self.matching:
            return "No other unlinked call has this number."
        match = "1 more unlinked call matches" if self.matching == 1 else f"{self.matching} more unlinked calls match"
        return f"{match} the new lead then; none of them is linked by this."

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "call_sid": self.call_sid,
            "columns": dict(self.columns),
            "matching": self.matching,
            "calls": [call.call_sid for call in self.calls],
            "sharing": [other.lead.id for other in self.sharing],
            "dialling": self.dialling,
            "as": "current" if self.is_current else "history",
            "detail": self.sentence,
        }


def suggested(told: Story) -> Draft:
    """The draft for a call: its number, and the name that the other party gave, if any. Only a suggestion."""
    said = (str(turn.get("content") or "") for turn in told.transcripts if _is_theirs(turn))
    return Draft(name=spoken_name(said_by_them=list(said)), phone=told.call.counterpart)


def spoken_name(said_by_them: Sequence[str]) -> str | None:
    """The first name with which somebody introduces themselves, or None."""
    for words in said_by_them:
        line = " ".join(words.split())
        for pattern in (_INTRODUCTION, _TRAILING):
            found = pattern.search(line)
            if found and found[1].split()[0].lower() not in _NO_NAMES:
                return found[1]
    return None


def _is_theirs(turn: Row) -> bool:
    return str(turn.get("role") or "").lower() in ("user", "caller", "customer", "human", "lead")


def checked(draft: Draft, region: str) -> dict[str, Any]:
    """A draft as columns of ``leads``.

    :raises BadInput: naming the field that cannot be meant.
    """
    columns: dict[str, Any] = {
        fields.line("column", name, 63): fields.prose(name, value, VALUE_LENGTH)
        for name, value in draft.columns.items()
    }
    taken = columns.keys() & {"id", "call_sid", "name", "phone", "lead_status", "lead_source"}
    if taken:
        raise BadInput(f"{min(taken)} is not given as a further column.", hint="It is set by its own field, or by us.")
    if draft.name is not None:
        columns["name"] = fields.line("name", draft.name, NAME_LENGTH)
    if draft.phone is not None:
        columns["phone"] = fields.line("phone", draft.phone, lead_book.PHONE_LENGTH)
        if not phone.all_numbers(draft.phone, region):
            shown = fields.shown(draft.phone)
            raise BadInput(f"phone is {shown}: expected a phone number such as +1 415 555 2671, or nothing.")
    status = fields.line("status", draft.status, STATUS_LENGTH)
    return {**columns, "lead_status": status, "lead_source": SOURCE}


def required(gateway: Gateway) -> tuple[RequiredColumn, ...]:
    """The columns that the customer's table wants beside those that a draft has."""
    rows = gateway.call("patchbay_required_columns")
    return tuple(RequiredColumn(row["name"], row["type"]) for row in rows)


def preview(
    gateway: Gateway, call: Call, draft: Draft, settings: Settings, now: datetime, *, actor: str
) -> NewLeadPreview:
    """What making this lead would do; see :class:`NewLeadPreview`. Nothing stays written.

    :raises BadInput: for a draft that cannot be meant, or that the table does not take.
    :raises Refused: when the call belongs to a lead, or the table's rules forbid the row.
    """
    region = settings.default_region
    columns = checked(draft, region)
    row = gateway.call(
        "create_lead_from_call",
        p_call_sid=call.call_sid,
        p_lead=columns,
        p_options={"actor": actor, "preview": True, "expect": _expected(call)},
    )
    event = LinkEvent.from_row(row)
    numbers = tuple(n.e164 for n in phone.all_numbers(draft.phone, region) if n.e164 is not None)
    near = lead_book.leads_near(gateway, draft.phone, but=None)
    held = lead_book.unlinked(gateway, draft.phone, region)
    others = tuple(c for c in lead_book.newest_of(gateway, tuple(held), settings, now) if c.call_sid != call.call_sid)
    own = call.counterpart in held and not call.set_aside
    return NewLeadPreview(
        call_sid=call.call_sid,
        draft=draft,
        columns=event.after["rows"]["leads"]["new"],
        matching=sum(found["calls"] for found in held.values()) - (1 if own else 0),
        calls=others,
        sharing=lead_book.sharing_leads(numbers, near, region),
        dialling=_dialling(columns["lead_status"], is_current=not call.test),
        is_current=not call.test,
        event=event,
        options=Options(expect={**_expected(call), "rows": {"seen_leads": sorted({row["id"] for row in near})}}),
    )


def create(gateway: Gateway, call_sid: str, draft: Draft, options: Options, region: str, *, actor: str) -> LinkEvent:
    """Make the lead and link the call; see :meth:`core.linking.Linking.create_lead`."""
    columns = checked(draft, region)
    expect = dict(options.expect or {})
    seen = expect.pop("rows", {}).get("seen_leads")
    told = commands.sql_options(replace(options, expect=expect or None), actor=actor)
    named = told if seen is None else {**told, "seen_leads": seen}
    row = gateway.call("create_lead_from_call", p_call_sid=call_sid, p_lead=columns, p_options=named)
    return LinkEvent.from_row(row)


def _expected(call: Call) -> dict[str, Any]:
    return {"call_lead": call.lead_id, "set_aside": call.set_aside}


def _dialling(status: str, *, is_current: bool) -> str:
    if status == DIALLED_STATUS:
        rule = "The backend's automation dials leads with the status new that have no current call."
        if not is_current:
            return f"{rule} A test call never becomes the current one, so it may be dialled at once."
        return (
            f"{rule} This call becomes its current one, so it is not dialled now; it will be once that slot is empty."
        )
    return f"With the status {status} the backend's automation does not dial it."
