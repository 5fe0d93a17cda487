"""Sign-in by e-mail and password at a Supabase project. The session is ours; its access token is kept in memory only,
for commands in the person's name (:mod:`core.access.person_tokens`), the refresh token is thrown away.

The role comes from ``app_metadata.patchbay_role``, which only the project's service key and SQL can write. Without one
nobody comes in: projects let strangers sign up unless that is switched off.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx

from core.access import names
from core.access.identity import ROLES, Identity
from core.access.person_tokens import PersonTokens
from core.access.secret_tokens import digest
from core.access.sessions import Sessions
from core.access.throttle import Throttle, TooManyAttempts
from core.errors import NotAllowed, Unavailable

SECONDS = 5.0
PING_SECONDS = 2.0
ROLE_KEY = "patchbay_role"
_WORD = re.compile(r"[!-~]{1,8192}")
REFUSED = frozenset({400, 401, 403, 404, 422})


class SupabaseAuth:
    """A project's Auth service (GoTrue).

    :param url: the project's address, without ``/auth/v1``.
    :param anon_key: its public key.
    :param people: keeps a person's access token while their session lives; None: nobody does.
    :param transport: another way to send requests.
    """

    def __init__(
        self,
        url: str,
        anon_key: str,
        sessions: Sessions,
        throttle: Throttle,
        *,
        people: PersonTokens | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        service = f"{url.rstrip('/')}/auth/v1"
        self._url, self._health, self._key = f"{service}/token", f"{service}/health", anon_key
        self._sessions, self._throttle, self._people, self._transport = sessions, throttle, people, transport

    def sign_in(self, name: str, password: str, address: str) -> str | None:
        """The token of a new session, or None when e-mail or password are wrong.

        :raises core.access.throttle.TooManyAttempts: before anything is checked, or as the service says.
        :raises NotAllowed: for an account without a role here.
        :raises Unavailable: when the service does not answer, or not as documented.
        """
        account = names.key(name)
        self._throttle.count(account, address)
        granted = self._granted(name.strip(), password)
        if granted is None:
            return None
        self._throttle.forget(account, address)
        session = self._sessions.open(_identity(granted["user"]))
        if session is not None and self._people is not None:
            _keep(self._people, digest(session), granted)
        return session

    def ping(self) -> None:
        """Return when the service answers and takes the project's public key.

        :raises Unavailable: when it does not.
        """
        try:
            with httpx.Client(timeout=PING_SECONDS, transport=self._transport, follow_redirects=False) as client:
                answer = client.get(self._health, headers={"apikey": self._key})
        except (httpx.HTTPError, UnicodeEncodeError) as failure:
            raise Unavailable("The sign-in service does not answer.", hint="Try again in a moment.") from failure
        if answer.status_code in (401, 403) or answer.status_code >= 500:
            raise _odd(answer)

    def _granted(self, email: str, password: str) -> Mapping[str, Any] | None:
        try:
            with httpx.Client(timeout=SECONDS, transport=self._transport, follow_redirects=False) as client:
                answer = client.post(
                    self._url,
                    params={"grant_type": "password"},
                    headers={"apikey": self._key},
                    json={"email": email, "password": password},
                )
        except (httpx.HTTPError, UnicodeEncodeError) as failure:
            raise Unavailable("The sign-in service does not answer.", hint="Try again in a moment.") from failure
        if answer.status_code in REFUSED and not _is_about_key(answer):
            return None
        if answer.status_code == 429:
            raise TooManyAttempts(60)
        told = _json(answer) if answer.status_code == 200 else {}
        if not isinstance(told.get("user"), Mapping):
            raise _odd(answer)
        return told


def _odd(answer: httpx.Response) -> Unavailable:
    return Unavailable(
        f"The sign-in service answered with status {answer.status_code}.",
        hint="Check SUPABASE_URL and SUPABASE_ANON_KEY.",
    )


def _keep(people: PersonTokens, key: str, granted: Mapping[str, Any]) -> None:
    """An answer without a usable token is no reason to keep anybody out: commands go by the project's key then."""
    token, seconds = granted.get("access_token"), granted.get("expires_in")
    if isinstance(token, str) and isinstance(seconds, int | float) and _WORD.fullmatch(token):
        people.keep(key, token, float(seconds))


def _identity(user: Mapping[str, Any]) -> Identity:
    granted = user.get("app_metadata")
    role = granted.get(ROLE_KEY) if isinstance(granted, Mapping) else None
    if role not in ROLES:
        raise NotAllowed(
            "Your account has no role in Patchbay.", hint="Ask an administrator to give it one (see README, Sign-in)."
        )
    return Identity(names.checked("e-mail", user.get("email")), role, "supabase")


def _is_about_key(answer: httpx.Response) -> bool:
    """A wrong project key is refused like a wrong password, by the gateway before the service."""
    told = _json(answer)
    return answer.status_code in (401, 403) and "error_code" not in told and "error" not in told


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, Mapping) else {}
