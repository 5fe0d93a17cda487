"""The same pages by a Supabase project's URL and key, each beside the bare request to PostgREST for the same rows."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx

from core.linking import Linking, WorklistFilter
from core.model.records import CALL_COLUMNS
from core.settings import DEFAULT_GRACE_SECONDS, Settings
from core.store.supabase import SupabaseGateway
from tests.bench.reading import PAGE, Bare
from tests.bench.timing import Case
from tests.contract.rest import StripPrefix, key, serving

_NEWEST = "started_at.desc,sid_key.desc"


class Project:
    """One database behind a real PostgREST; ``bare`` is httpx and nothing else."""

    def __init__(self, stack: ExitStack, url: str, settings: Settings) -> None:
        rest = stack.enter_context(serving(url))
        token = key("service_role", seconds=86_400)
        gateway = SupabaseGateway(rest.direct, token, transport=StripPrefix(), answer_timeout=300)
        stack.callback(gateway.close)
        self.linking = Linking(gateway, settings)
        self.bare = stack.enter_context(
            httpx.Client(base_url=rest.direct, headers={"Authorization": f"Bearer {token}"}, timeout=300)
        )

    def rows(self, path: str, **params: str) -> object:
        """One bare request, decoded."""
        return self.bare.get(path, params=params).raise_for_status().json()

    def cases(self, bare: Bare, rounds: int) -> Iterator[Case]:
        """First page, count, and a call's story by its SID."""
        everything = WorklistFilter()
        cutoff = (datetime.now(UTC) - timedelta(seconds=DEFAULT_GRACE_SECONDS)).isoformat()
        unlinked = {"lead_id": "is.null", "set_aside": "eq.false", "started_at": f"lte.{cutoff}"}
        page = {**unlinked, "select": ",".join(CALL_COLUMNS), "order": _NEWEST, "limit": str(PAGE + 1)}
        yield Case(
            "by key: first page",
            lambda: self.linking.worklist(everything, limit=PAGE),
            lambda: self.rows("/worklist_calls", **page),
            rounds=rounds,
        )
        counted = {"Prefer": "count=exact"}
        yield Case(
            "by key: count",
            lambda: self.linking.count(everything),
            lambda: self.bare.get("/call_links", params={**unlinked, "limit": "0"}, headers=counted).raise_for_status(),
            rounds=rounds,
        )
        some = bare.rows("select call_sid from public.calls order by md5(call_sid) limit 500")
        sids = [row["call_sid"] for row in some]
        mine, others = itertools.cycle(sids), itertools.cycle(sids)
        yield Case(
            "by key: one call",
            lambda: self.linking.call(next(mine)),
            lambda: self.rows("/call_links", call_sid=f"eq.{next(others)}", limit="1"),
            rounds=rounds,
        )
