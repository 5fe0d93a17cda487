"""The integration guide's ``Lead`` model: find a lead by id or by call, set its current call, update its columns.

Every change of ``call_sid`` goes through the link commands, so that the ledger has it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from core.errors import BadInput, NotFound
from core.linking import Options, fields
from core.linking.commands import sql_options
from core.model.records import Lead
from core.model.rows import all_in_utc, in_utc
from core.store.gateway import Gateway, Row, Where

Sort: TypeAlias = Literal[
    "id",
    "name",
    "email",
    "phone",
    "company",
    "lead_source",
    "lead_status",
    "lead_priority",
    "created_at",
    "last_contacted_at",
]
SORTS: tuple[Sort, ...] = get_args(Sort)
"""Columns by which leads may be sorted."""
TEXT_LENGTH = 200


class Leads:
    """The customer's leads.

    :param gateway: the way into the database.
    :param actor: the name that link events carry when nobody is named.
    """

    def __init__(self, gateway: Gateway, actor: str) -> None:
        self._gateway = gateway
        self._actor = actor

    def find_by_id(self, lead_id: int) -> Lead | None:
        """The lead, or None. Its ``call_sid`` is its current call."""
        rows = self._gateway.select("leads", where=(Where("id", "eq", fields.identifier("lead id", lead_id)),), limit=1)
        return Lead.from_row(in_utc(rows[0])) if rows else None

    def get(self, lead_id: int) -> Lead:
        """The lead.

        :raises NotFound: when there is no such lead.
        """
        found = self.find_by_id(lead_id)
        if found is None:
            raise NotFound(f"There is no lead {lead_id}.")
        return found

    def page(
        self,
        *,
        limit: int,
        offset: int = 0,
        sort: str = "created_at",
        descending: bool = True,
        status: str | None = None,
        priority: str | None = None,
        source: str | None = None,
        search: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> tuple[list[Row], int]:
        """Whole rows of a page of leads, and how many leads the filters find (the backend's ``GET /api/leads``).

        :param limit: 1 to 1000 leads.
        :param offset: how many leads of the order to leave out.
        :param sort: a column, one of :data:`SORTS`.
        :param search: part of name, e-mail, phone or company.
        :param created_from: created at or after this time; naive times are UTC.
        :param created_to: created at or before this time.
        :raises BadInput: when a filter cannot be meant.
        """
        given = {"status": status, "priority": priority, "source": source, "search": search}
        filters = {name: fields.line(name, text, TEXT_LENGTH) for name, text in given.items() if text is not None}
        for name, moment in (("date_from", created_from), ("date_to", created_to)):
            if moment is not None:
                filters[name] = fields.moment(name, moment).isoformat()
        told = self._gateway.call(
            "list_leads",
            p_limit=fields.whole("limit", limit, 1, 1000),
            p_offset=fields.whole("offset", offset, 0, 2**63 - 1),
            p_filter=filters,
            p_sort=fields.choice("sort", sort, SORTS),
            p_descending=descending,
        )
        return list(all_in_utc(told["rows"])), told["total"]

    def find_by_call_sid(self, call_sid: str) -> Lead | None:
        """The lead that a call is linked to, as its current call or as history; None when it is linked to none."""
        sid = fields.call_sid(call_sid)
        rows = self._gateway.select("calls", columns=("lead_id",), where=(Where("call_sid", "eq", sid),), limit=1)
        lead_id = rows[0]["lead_id"] if rows else None
        return None if lead_id is None else self.find_by_id(lead_id)

    def update_call_sid(self, lead_id: int, call_sid: str | None, *, actor: str | None = None) -> Lead:
        """Make a call the lead's current one (the replaced one becomes history), or with None unlink its current call.

        Unlinking gives the slot back to the lead's newest remaining call, if there is one.

        :param actor: who does it; None: the name in the settings.
        :return: the lead as it is afterwards.
        :raises NotFound: when there is no such lead or call.
        :raises BelongsToAnotherLead: when another lead has the call.
        """
        return self.update(lead_id, actor=actor, call_sid=call_sid)

    def update(self, lead_id: int, *, actor: str | None = None, **columns: Any) -> Lead:
        """Set columns of a lead, all or none; ``call_sid`` among them acts as in :meth:`update_call_sid`.

        :return: the lead as it is afterwards.
        :raises BadInput: for no columns, ``id``, an unknown column or a value that does not fit it.
        :raises NotFound: when there is no such lead or call.
        :raises BelongsToAnotherLead: when another lead has the call.
        """
        number = fields.identifier("lead id", lead_id)
        if not columns:
            raise BadInput("There is nothing to update: expected at least one column, such as lead_status.")
        if "id" in columns:
            raise BadInput("id cannot be updated: everything else refers to it.")
        options = sql_options(Options(), actor=actor or self._actor)
        row = self._gateway.call("update_lead", p_lead_id=number, p_columns=_checked(columns), p_options=options)
        return Lead.from_row(in_utc(row))


def _checked(columns: Mapping[str, Any]) -> dict[str, Any]:
    checked = dict(columns)
    sid = checked.get("call_sid")
    if sid is not None and not (isinstance(sid, str) and not sid.strip()):
        checked["call_sid"] = fields.call_sid(sid)
    return checked
