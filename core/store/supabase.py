"""The way into a Supabase project by URL and key: supabase-py, so PostgREST, behind the gateway Protocol.

The same questions give the same rows, and the same failures the same errors with the same words, as by ``DATABASE_URL``
(:mod:`core.store.postgres`). What differs is only where it must: the statement timeout is the project's own.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx
from postgrest.base_request_builder import RequestConfig
from supabase import Client

from core.errors import BadInput, Busy, DatabaseDown, MigrationNeeded, PatchbayError, Unavailable
from core.store import rest_filters
from core.store.failures import PASTE_HINT, RETRYABLE, Report, TokenRefused, database_error, function_missing
from core.store.gateway import Condition, Order, Row
from core.store.races import until_won
from core.store.rest import Channel, facts_of
from core.store.rest_filters import Param

ANSWER_SECONDS = 15.0
"""Seconds that one answer may take; people do not wait longer for a page. (Hosted projects stop statements after 8.)"""
PAGE = 1000
"""Rows of one request: PostgREST cuts an answer at its ``max-rows``, 1000 unless configured, without a word."""
FEWEST_MAX_ROWS = 100
"""An answer with fewer rows is never one that was cut."""
PING_SECONDS = 2.6
RIGHTS_HINT = "Use the project's secret key: SUPABASE_SERVICE_ROLE_KEY."
KEY_HINT = "Check SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY: the project's settings show both (API keys)."

_KEY_REFUSED = frozenset({"PGRST300", "PGRST301", "PGRST302", "PGRST303"})
_NO_DATABASE = frozenset({"PGRST000", "PGRST001", "PGRST002"})
_SAYS_UTC = "timezone=UTC"


@dataclass(frozen=True, slots=True)
class _Question:
    """A select without its conditions. ``args`` is None for a table or view."""

    relation: str
    columns: Sequence[str]
    order: Sequence[Order]
    args: Mapping[str, Any] | None


class SupabaseGateway:
    """:class:`core.store.gateway.Gateway` over supabase-py. Safe to share between threads; connects at first use.

    :param url: the project's address.
    :param key: its secret key, a legacy JWT or ``sb_secret_…``.
    :param answer_timeout: seconds that one answer may take.
    :param migrate_hint: what to do when the schema is missing or old; where there is no DATABASE_URL it is pasted.
    :param transport: how requests travel, for tests and measurements.
    :raises core.errors.BadInput: when URL or key cannot be meant.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        answer_timeout: float = ANSWER_SECONDS,
        migrate_hint: str = PASTE_HINT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._channel = Channel(url, key, patience=answer_timeout, transport=transport)
        self._way = replace(self._channel.way, migrate_hint=migrate_hint, rights_hint=RIGHTS_HINT)
        self._token: str | None = None
        self._served = FEWEST_MAX_ROWS

    def for_token(self, token: str) -> "SupabaseGateway":
        """The same project as a signed-in person sees it; connections are shared, and closed by either's ``close``.

        :param token: the person's access token.
        """
        theirs = object.__new__(SupabaseGateway)
        theirs._channel, theirs._way, theirs._token = self._channel, self._way, token
        theirs._served = self._served
        return theirs

    def forget(self, token: str) -> None:
        """Give up the client that was made for a person's token; connections stay."""
        self._channel.forget(token)

    def select(
        self,
        relation: str,
        *,
        columns: Sequence[str] = ("*",),
        where: Iterable[Condition] = (),
        order: Sequence[Order] = (),
        limit: int | None = None,
        args: Mapping[str, Any] | None = None,
    ) -> list[Row]:
        """Rows of a table or view, or with ``args`` of a set-returning function.

        More rows than one answer holds are read in several; then ``order`` must tell rows apart.
        """
        told = rest_filters.conditions(relation, where)
        if told.impossible:
            return []
        question = _Question(relation, columns, order, None if args is None else rest_filters.body(args))
        if told.long is None:
            return self._pages(question, told.params, limit)
        question = replace(question, columns=_with(columns, order))
        rows = [
            row
            for portion in rest_filters.portions(relation, told.long)
            for row in self._pages(question, (*told.params, portion), limit)
        ]
        return _only(columns, rest_filters.in_order(rows, order)[:limit])

    def count(self, relation: str, *, where: Iterable[Condition] = (), args: Mapping[str, Any] | None = None) -> int:
        """Exactly how many rows ``select`` would find."""
        told = rest_filters.conditions(relation, where)
        if told.impossible:
            return 0
        question = _Question(relation, ("*",), (), None if args is None else rest_filters.body(args))
        if told.long is None:
            return self._count(question, told.params)
        return sum(
            self._count(question, (*told.params, portion)) for portion in rest_filters.portions(relation, told.long)
        )

    def call(self, function: str, **args: Any) -> Any:
        """Call a SQL function; a race that was lost is run again for about two seconds, then Busy."""
        question = _Question(function, ("*",), (), rest_filters.body(args))
        response = until_won(lambda: self._asked(question, ()), _lost_a_race)
        if _rows_told(response) >= self._served:
            raise BadInput(f"{function} returns more rows than a call can hold: read them with select.")
        return _value(response)

    def ping(self) -> None:
        """Return when the database answers; :class:`core.errors.DatabaseDown` within 3 seconds otherwise."""
        response = self._channel.look(self._token, _simple, PING_SECONDS)
        with suppress(MigrationNeeded):  # it answers; whether its schema fits is another question
            self._checked(response, "patchbay_schema_version")

    def close(self) -> None:
        """Give all connections back; may be called again."""
        self._channel.close()

    def _pages(self, question: _Question, params: Sequence[Param], limit: int | None) -> list[Row]:
        rows: list[Row] = []
        while limit is None or len(rows) < limit:
            ask = PAGE if limit is None else min(PAGE, limit - len(rows))
            place = [("limit", str(ask)), *([("offset", str(len(rows)))] if rows else [])]
            sorting = rest_filters.sorting(question.relation, question.order)
            found: list[Row] = _value(self._read(question, [*params, *sorting, *place]))
            if found and rows and not question.order and question.args is None:
                raise BadInput(f"More than {len(rows)} rows of {question.relation} can only be read in an order.")
            rows += found
            if len(found) < min(ask, self._served):
                break
            self._served = max(self._served, len(found))
        return rows

    def _count(self, question: _Question, params: Sequence[Param]) -> int:
        response = self._read(question, [*params, ("limit", "0")], prefer=f"count=exact,{_SAYS_UTC}")
        return int(response.headers["content-range"].rpartition("/")[2])

    def _read(self, question: _Question, params: Sequence[Param], prefer: str = _SAYS_UTC) -> httpx.Response:
        """Ask; once more when the connection broke, which a kept one may do at any time. Commands never are."""
        try:
            return self._asked(question, params, prefer)
        except DatabaseDown as down:
            if not isinstance(down.__cause__, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
                raise
        return self._asked(question, params, prefer)

    def _asked(self, question: _Question, params: Sequence[Param], prefer: str = _SAYS_UTC) -> httpx.Response:
        response = self._channel.send(self._token, lambda client: _request(client, question, params, prefer), _simple)
        return self._checked(response, question.relation)

    def _checked(self, response: httpx.Response, relation: str) -> httpx.Response:
        if response.is_success:
            return response
        raise self._refusal(response, relation)

    def _refusal(self, response: httpx.Response, relation: str) -> PatchbayError:
        """The error of :mod:`core.errors` for an answer that is no success."""
        said = facts_of(response)
        code, message = str(said.get("code") or ""), str(said.get("message") or "")
        if len(code) == 5 and code.isalnum():
            report = Report(code, message, said.get("details"), said.get("hint"))
            error = database_error(self._way, report)
            if code in RETRYABLE:
                error.__cause__ = _LostRace(code)
            return error
        if code in _NO_DATABASE:
            return DatabaseDown(f"{self._way.place} cannot reach its database.", hint="Try again in a moment.")
        if code == "PGRST003":
            return Busy("All connections to the database are in use.", hint="Try again in a moment.")
        if code in ("PGRST202", "PGRST203"):
            return function_missing(self._way, relation)
        if code in ("PGRST204", "PGRST205", "PGRST200"):
            return database_error(self._way, Report("42P01", f'relation "public.{relation}" does not exist'))
        if code in _KEY_REFUSED or response.status_code in (401, 403):
            return self._key_refused(message)
        if code.startswith("PGRST1"):
            return BadInput(f"The project cannot read this request: {message}.")
        return self._by_status(response.status_code, message)

    def _key_refused(self, message: str) -> Unavailable:
        if self._token is not None:
            said = message or "no reason given"
            return TokenRefused(f"The sign-in has ended or was refused: {said}.", hint="Sign in.")
        return Unavailable(f"The key was refused: {message or 'no reason given'}.", hint=KEY_HINT)

    def _by_status(self, status: int, message: str) -> PatchbayError:
        if status == 404:
            return Unavailable("This address is no Supabase project.", hint="Check SUPABASE_URL.")
        if status in (413, 414, 431):
            return BadInput("The request is too long for the project: expected fewer or shorter values.")
        if status == 429:
            return Busy("The project takes no more requests at the moment.", hint="Try again in a moment.")
        if status == 504:
            return database_error(self._way, Report("57014", message))
        if status >= 500:
            return DatabaseDown(f"{self._way.place} does not answer (HTTP {status}).", hint="Is it running, or paused?")
        return Unavailable(f"{self._way.place} refused a request (HTTP {status}): {message or 'no reason given'}.")


class _LostRace(Exception):
    """Marks a Busy that is worth another attempt; carries its SQLSTATE."""


def _lost_a_race(busy: Busy) -> bool:
    return isinstance(busy.__cause__, _LostRace)


def _request(client: Client, question: _Question, params: Sequence[Param], prefer: str) -> RequestConfig[httpx.Client]:
    columns = rest_filters.columns_of(question.columns)
    if question.args is None:
        request: RequestConfig[httpx.Client] = client.table(question.relation).select(columns).request
    else:
        request = client.rpc(question.relation, dict(question.args)).request
        if columns != "*":
            request.params = request.params.add("select", columns)
    for name, value in params:
        request.params = request.params.add(name, value)
    request.headers["Prefer"] = prefer
    return request


def _simple(client: Client) -> RequestConfig[httpx.Client]:
    """The cheapest question that reaches the database."""
    return client.rpc("patchbay_schema_version", {}).request


def _value(response: httpx.Response) -> Any:
    return json.loads(response.content) if response.content else None


def _rows_told(response: httpx.Response) -> int:
    """How many rows an answer says it has: 1 for a function that returns one value, however long."""
    first, _, last = response.headers.get("content-range", "").partition("/")[0].partition("-")
    return int(last) - int(first) + 1 if first.isdigit() and last.isdigit() else 0


def _with(columns: Sequence[str], order: Sequence[Order]) -> Sequence[str]:
    return columns if "*" in columns else tuple(dict.fromkeys([*columns, *(each.column for each in order)]))


def _only(columns: Sequence[str], rows: list[Row]) -> list[Row]:
    return rows if "*" in columns else [{name: row[name] for name in columns} for row in rows]
