"""``make bench``: how fast Patchbay is, as ratios to the same work without it.

Builds a database of each size on the embedded PostgreSQL in a temporary folder, then measures every case on all of
them turn about: what people wait for beside a bare index read with psycopg and beside pandas, what the triggers cost
the backend, how fast calls are judged, and how long an installation keeps a writer waiting.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from core.app import build
from core.settings import Settings
from core.store.embedded import EmbeddedServer
from core.store.migrate import migrate
from tests.bench import evidence, inbound, installing, outbound, reading, writing
from tests.bench.project import Project
from tests.bench.reading import Bare
from tests.bench.timing import Case, Pair, measure
from tests.bench.town import OWN_NUMBER, Town
from tests.contract.rest import BINARY, prepare

MORE_WRITES = 3
"""Writes are short and jittery: so many times more rounds."""
KINDS = ("pages", "key", "writes", "pandas", "captured", "queue", "inbound")
_BUILT = "create table bare.built ()"
"""Marks a database whose building came to its end."""


def main() -> None:
    """Build every size, then measure every case on all of them."""
    words, began = _words(), time.perf_counter()
    with ExitStack() as stack:
        url = stack.enter_context(_server(words.keep))
        rules = evidence.measure(url) if "captured" in words.only else {}
        queue = outbound.measure(url) if "queue" in words.only else {}
        arriving = inbound.measure(url) if "inbound" in words.only else {}
        sites = [stack.enter_context(_site(url, calls, words)) for calls in sorted(words.calls)]
        pairs = _measured(sites, words.rounds)
        for site in sites if "pandas" in words.only else ():
            site.compare_with_pandas({pair.name: pair.ours for pair in pairs[site.calls]})
        for site in sites:
            site.look_for_drift()
        results = {site.calls: site.results | {"cases": [p.to_json() for p in pairs[site.calls]]} for site in sites}
    print(f"\ntook {time.perf_counter() - began:.0f} s on {_machine()}")
    if words.json:
        measured = {"captured": rules, "queue": queue, "inbound": arriving}
        report = {"machine": _machine(), "seed": words.seed, "sizes": results, **measured}
        words.json.write_text(json.dumps(report, indent=2) + "\n")


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[10_000, 100_000], help="sizes of the databases")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60, help="measured turns of each case (default 60)")
    parser.add_argument(
        "--only", nargs="+", choices=KINDS, default=KINDS, help="what is measured (default: everything)"
    )
    parser.add_argument("--keep", type=Path, help="leave the databases in this folder and measure them again next time")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser.parse_args()


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


@contextmanager
def _server(keep: Path | None) -> Iterator[str]:
    folder = keep or Path(tempfile.mkdtemp(prefix="patchbay-bench-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    try:
        server = EmbeddedServer(folder)
        try:
            yield server.url
        finally:
            server.close()
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


class Site:
    """One database of one size, installed, linked and judged; what that took is in ``results``."""

    def __init__(self, stack: ExitStack, url: str, calls: int, words: argparse.Namespace) -> None:
        self.url, self.calls, self._kinds = url, calls, frozenset(words.only)
        self.results: dict[str, Any] = {}
        settings = Settings(database_url=url, own_numbers=(OWN_NUMBER,))
        app = build(settings, statement_timeout=300)
        stack.callback(app.close)
        self._linking, self._bare = app.linking, Bare(url)
        stack.callback(self._bare.close)
        with psycopg.connect(url, autocommit=True) as connection:
            if _is_built(connection):
                print(f"\n{calls:,} calls, kept from an earlier run")
                migrate(url)
            else:
                self._build(connection, words.seed)
            connection.execute("vacuum analyze")
        self._project = Project(stack, url, settings) if BINARY.is_file() else None
        self._ours, self._theirs = (stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(2))

    def _build(self, connection: psycopg.Connection, seed: int) -> None:
        prepare(self.url)
        town = Town(connection, self.calls, seed)
        self._install(town)
        self._judge()
        writing.prepare(town)
        connection.execute(_BUILT)

    def cases(self, rounds: int) -> Iterator[Case]:
        """Everything that is compared with its bare form; each is made when its turn comes."""
        if "pages" in self._kinds:
            yield from reading.read_pages(self._linking, self._bare, rounds)
            yield reading.look_up(self._linking, self._bare, rounds)
        if "key" in self._kinds and self._project is not None:
            yield from self._project.cases(self._bare, rounds)
        if "writes" in self._kinds:
            yield from writing.trigger_costs(self._bare, self._ours, self._theirs, rounds * MORE_WRITES)
            yield reading.link(self._linking, self._bare, rounds)

    def compare_with_pandas(self, ours: dict[str, float]) -> None:
        """Print how much longer merging the three tables takes."""
        merged = reading.merge_in_pandas(self.url)
        self.results["pandas_ms"] = asdict(merged)
        print(f"\n  {f'{self.calls:,} calls':28}{'Patchbay':>12}{'pandas':>12}{'faster':>8}")
        for name, took in (
            ("first page", merged.first_page),
            ("count", merged.count),
            ("lookup by SID", merged.lookup),
        ):
            print(f"  {name:28}{ours[name]:9.2f} ms{took:9.0f} ms{took / ours[name]:7.0f}x")

    def look_for_drift(self) -> None:
        """After all of it the roll-up must be what a rebuild would make, and no trigger may have failed."""
        drift = self._bare.rows("select kind, count(*) as n from public.link_drift group by 1")
        errors = self._bare.rows(
            "select message, count(*) as n from public.link_errors where replayed_at is null group by 1"
        )
        self.results |= {"drift": drift, "trigger_errors": errors}
        print(f"  drift {drift or 'none'}, trigger errors {errors or 'none'}")

    def _install(self, town: Town) -> None:
        began = time.perf_counter()
        town.build()
        print(f"\n{self.calls:,} calls, {town.leads:,} leads (built in {time.perf_counter() - began:.0f} s)")
        met = installing.install(self.url)
        town.link_history()
        self.results["install"] = asdict(met)
        print(
            f"  install    {met.seconds:.1f} s; a writer waited {met.longest_wait:.0f} ms at most ({met.longest_in}), "
            f"{met.statements:,} statements, {len(met.errors)} errors" + "".join(f"\n    {e}" for e in met.errors[:3])
        )

    def _judge(self) -> None:
        began = time.perf_counter()
        judged = self._linking.judge()
        seconds = time.perf_counter() - began
        self.results["judging"] = {
            "judged": judged,
            "seconds": round(seconds, 1),
            "per_second": round(judged / seconds),
        }
        print(f"  judging    {judged:,} judgements in {seconds:.1f} s: {judged / seconds:,.0f} a second", flush=True)


@contextmanager
def _site(url: str, calls: int, words: argparse.Namespace) -> Iterator[Site]:
    name = f"bench_{calls}"
    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute("select from pg_database where datname = %s", [name]).fetchall()
        if not known:
            connection.execute(f"create database {name}".encode())
    with ExitStack() as stack:
        yield Site(stack, make_conninfo(url, dbname=name), calls, words)


def _is_built(connection: psycopg.Connection) -> bool:
    return bool(connection.execute("select to_regclass('bare.built') is not null").fetchall()[0][0])


def _measured(sites: Sequence[Site], rounds: int) -> dict[int, list[Pair]]:
    """Each case on all sites at once, printed as it comes."""
    found: dict[int, list[Pair]] = {site.calls: [] for site in sites}
    print(
        "\n  " + " " * 26 + "".join(f"{f'{site.calls:,} calls':>14}{'bare':>12}{'ratio':>8}" for site in sites), end=""
    )
    print(f"{'growth':>9}" if len(sites) > 1 else "")
    for cases in zip(*(site.cases(rounds) for site in sites), strict=True):
        names = {case.name for case in cases}
        if len(names) != 1:
            raise AssertionError(f"the databases differ in their cases: {sorted(names)}")
        pairs = measure(cases)
        for site, pair in zip(sites, pairs, strict=True):
            found[site.calls].append(pair)
        _print_row(pairs)
    return found


def _print_row(pairs: Sequence[Pair]) -> None:
    print(f"  {pairs[0].name:26}", end="")
    print("".join(f"{pair.ours:11.2f} ms{pair.bare:9.2f} ms{pair.ratio:7.1f}x" for pair in pairs), end="")
    print(f"{pairs[-1].ours / pairs[0].ours:8.1f}x" if len(pairs) > 1 else "", flush=True)


if __name__ == "__main__":
    main()
