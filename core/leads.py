"""The integration guide's ``Lead`` model: find a lead by id or by call, set its current call, update its columns.

Every change of ``call_sid`` goes through the link commands, so that the ledger has it.
"""

from collections.abc import Mapping
from typing import Any

from core.errors import BadInput
from core.linking import Options, fields
from core.linking.commands import sql_options
from core.model.records import Lead
from core.model.rows import in_utc
from core.store.gateway import Gateway, Where


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
