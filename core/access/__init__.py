"""Who may come in, and as what: accounts, sessions, one-time links, API tokens.

:class:`Access` bundles the ways in that the settings choose. The door itself is :mod:`core.http.gate`.
"""

from dataclasses import dataclass

from core.access.accounts import Accounts
from core.access.api_tokens import ApiTokens
from core.access.identity import Identity, Method, SignedOut, need_writer
from core.access.one_time import OneTime
from core.access.person_tokens import PersonTokens, Project
from core.access.provisional import Provisional
from core.access.sessions import Sessions
from core.access.supabase_auth import SupabaseAuth
from core.access.throttle import Throttle, TooManyAttempts
from core.settings import Settings
from core.store.gateway import Gateway

__all__ = ["Access", "Identity", "SignedOut", "TooManyAttempts", "need_writer"]


@dataclass(frozen=True, slots=True)
class Access:
    """Everything about who may come in.

    :ivar supabase: set when people sign in at a Supabase project instead of with accounts here.
    :ivar people: their access tokens; set when the database is that project, reached by its key.
    """

    accounts: Accounts
    sessions: Sessions
    tokens: ApiTokens
    one_time: OneTime
    throttle: Throttle
    supabase: SupabaseAuth | None = None
    people: PersonTokens | None = None

    @classmethod
    def over(cls, gateway: Gateway, settings: Settings) -> "Access":
        """The ways in that the settings choose; nothing connects here.

        A session counts only where its way of signing in is on offer: one from a console on somebody's own machine
        does not open a published console on the same database.
        """
        by_supabase = bool(settings.supabase_url and settings.supabase_anon_key)
        needed = settings.sign_in_required
        keys = gateway if needed else Provisional(gateway)
        people = None
        if needed and by_supabase and isinstance(gateway, Project):
            people = PersonTokens(gateway)
        methods: set[Method] = {"link"} if not needed else {"supabase"} if by_supabase else {"password"}
        sessions = Sessions(keys, methods, ended=people.drop if people else lambda key: None)
        throttle = Throttle(gateway)
        project = None
        if needed and settings.supabase_url and settings.supabase_anon_key:
            project = SupabaseAuth(settings.supabase_url, settings.supabase_anon_key, sessions, throttle, people=people)
        return cls(
            accounts=Accounts(gateway, sessions, throttle),
            sessions=sessions,
            tokens=ApiTokens(gateway),
            one_time=OneTime(keys),
            throttle=throttle,
            supabase=project,
            people=people,
        )

    def way_of(self, session_key: str | None) -> Gateway | None:
        """The way into the database for commands of whoever has this session; None: the one that everybody uses."""
        return self.people.gateway(session_key) if self.people is not None and session_key else None

    def sign_in(self, name: str, password: str, address: str) -> str | None:
        """The token of a new session by name and password, or None when they do not fit."""
        way = self.supabase or self.accounts
        return way.sign_in(name, password, address)
