"""Tokens with which programs use the HTTP API: named, with a role, revocable; only their digests are kept."""

from typing import Any

from core.access import names
from core.access.identity import Identity, role
from core.access.secret_tokens import digest, is_token, new_token
from core.store.gateway import Gateway, Row


class ApiTokens:
    """``Authorization: Bearer TOKEN``. Every request asks the database, so that a revoked token stops at once."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def add(self, name: str, role_name: str) -> tuple[str, Row]:
        """A new token, which is told this once, and its row.

        :raises core.errors.BadInput: for a name or role that cannot be.
        :raises core.errors.NotAllowed: when a token that is not revoked has this name.
        """
        shown, token = names.checked("name", name), new_token()
        row = self._gateway.call(
            "patchbay_token_add",
            p_name=shown,
            p_name_key=names.key(shown),
            p_key=digest(token),
            p_role=role(role_name),
        )
        return token, row

    def all(self) -> list[Row]:
        """Every token, revoked ones included, in the order of their making; never the token itself."""
        rows: list[Row] = self._gateway.call("patchbay_token_list")
        return rows

    def revoke(self, name: str) -> Row:
        """End a token. :raises core.errors.NotFound: when none that is not revoked has this name."""
        row: Row = self._gateway.call("patchbay_token_revoke", p_name_key=names.key(names.checked("name", name)))
        return row

    def identity(self, token: str) -> Identity | None:
        """Whose token this is; None when it is unknown or revoked."""
        found: Any = self._gateway.call("patchbay_token_use", p_key=digest(token)) if is_token(token) else None
        return Identity(found["name"], role(found["role"]), "token") if found else None
