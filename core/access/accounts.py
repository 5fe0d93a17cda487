"""Accounts in the database: name, role, argon2 hash of the password."""

from core.access import names, passwords
from core.access.identity import Identity, role
from core.access.sessions import Sessions
from core.access.throttle import Throttle
from core.store.gateway import Gateway, Row


class Accounts:
    """People who sign in by name and password.

    :param sessions: where a sign-in opens a session.
    :param throttle: counts attempts.
    """

    def __init__(self, gateway: Gateway, sessions: Sessions, throttle: Throttle) -> None:
        self._gateway, self._sessions, self._throttle = gateway, sessions, throttle

    def add(self, name: str, role_name: str, password: str) -> Row:
        """Create an account, or bring a disabled one back with this role and password.

        :raises core.errors.BadInput: for a name, role or password that cannot be.
        :raises core.errors.NotAllowed: when there is such an account.
        """
        shown, wanted = names.checked("name", name), role(role_name)
        passwords.check_rules(password, shown)
        row: Row = self._gateway.call(
            "patchbay_user_add",
            p_name=shown,
            p_key=names.key(shown),
            p_role=wanted,
            p_password_hash=passwords.make_hash(password),
        )
        return row

    def first_admin(self, code_digest: str, name: str, password: str) -> Row:
        """Create the first account for whoever holds the code from the log; the code is used up by it.

        :raises core.errors.NotAllowed: when there is an account already, or the code is wrong, used or expired.
        """
        shown = names.checked("name", name)
        passwords.check_rules(password, shown)
        row: Row = self._gateway.call(
            "patchbay_first_admin",
            p_code=code_digest,
            p_name=shown,
            p_key=names.key(shown),
            p_password_hash=passwords.make_hash(password),
        )
        return row

    def are_there_any(self) -> bool:
        """Whether any account was ever created, disabled ones included."""
        return bool(self._gateway.call("patchbay_has_users"))

    def all(self) -> list[Row]:
        """Every account by name, without its hash."""
        rows: list[Row] = self._gateway.call("patchbay_user_list")
        return rows

    def disable(self, name: str) -> Row:
        """Keep somebody out from now on; their sessions end. :raises core.errors.NotFound: no such account."""
        row: Row = self._gateway.call("patchbay_user_disable", p_key=names.key(names.checked("name", name)))
        return row

    def set_role(self, name: str, role_name: str) -> Row:
        """Give an account another role; its sessions have it within seconds, without signing in anew.

        :raises core.errors.BadInput: for a role that cannot be.
        :raises core.errors.NotFound: no such account.
        """
        wanted = role(role_name)
        key = names.key(names.checked("name", name))
        row: Row = self._gateway.call("patchbay_user_role", p_key=key, p_role=wanted)
        return row

    def set_password(self, name: str, password: str) -> Row:
        """Give an account another password; its sessions end. :raises core.errors.NotFound: no such account."""
        shown = names.checked("name", name)
        passwords.check_rules(password, shown)
        row: Row = self._gateway.call(
            "patchbay_user_password", p_key=names.key(shown), p_password_hash=passwords.make_hash(password)
        )
        return row

    def sign_in(self, name: str, password: str, address: str) -> str | None:
        """The token of a new session, or None: no such account, disabled, or another password, all alike and as slow.

        :param address: where the attempt comes from.
        :raises core.access.throttle.TooManyAttempts: before anything is checked.
        """
        account = names.key(name)
        self._throttle.count(account, address)
        found = self._gateway.call("patchbay_user_credentials", p_key=account)
        stored = found["password_hash"] if found else None
        if not passwords.is_right(stored, password) or found["disabled_at"] is not None:
            return None
        self._throttle.forget(account, address)
        who = Identity(found["name"], role(found["role"]), "password")
        return self._sessions.open(who, user_id=found["id"], password_hash=stored)
