"""``python -m tests.bench [--calls 10000 100000] [--seed 1] [--rounds 60] [--json FILE]``

Builds a database of each size on the embedded PostgreSQL in a temporary folder and measures, in one run, what people
and the backend wait for, as ratios to the same work without Patchbay.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from core.app import build
from core.settings import Settings
from core.store.embedded import EmbeddedServer
from tests.bench import installing, reading, writing
from tests.bench.reading import Bare, PandasTimes
from tests.bench.timing import Pair
from tests.bench.town import OWN_NUMBER, Town


def main() -> None:
    """Measure every size, then say how flat the times are."""
    words = _words()
    began = time.perf_counter()
    results = {}
    with _server() as url:
        for calls in words.calls:
            results[calls] = _measure(_new_database(url, calls), calls, words.seed, words.rounds)
    _print_flatness(results)
    print(f"\ntook {time.perf_counter() - began:.0f} s on {_machine()}")
    if words.json:
        report = {"machine": _machine(), "seed": words.seed, "sizes": results}
        words.json.write_text(json.dumps(report, indent=2) + "\n")


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[10_000, 100_000], help="sizes of the databases")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60, help="measured turns of each case (default 60)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser.parse_args()


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


@contextmanager
def _server() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="patchbay-bench-"))
    folder.chmod(0o755)
    try:
        server = EmbeddedServer(folder)
        try:
            yield server.url
        finally:
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _new_database(url: str, calls: int) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database bench_{calls}".encode())
    return make_conninfo(url, dbname=f"bench_{calls}")


def _measure(url: str, calls: int, seed: int, rounds: int) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.perf_counter()
        town = Town(connection, calls, seed)
        town.build()
        print(f"\n{calls:,} calls, {town.leads:,} leads (built in {time.perf_counter() - began:.0f} s)")
        installed = installing.install(url)
        _print_install(installed)
        town.link_history()
        app = build(Settings(database_url=url, own_numbers=(OWN_NUMBER,)), statement_timeout=300)
        bare = Bare(url)
        try:
            judged = _judge(app.linking)
            connection.execute("vacuum analyze")
            writing.prepare(town)
            return {"install": asdict(installed), "judged_per_second": judged, **_cases(app.linking, bare, url, rounds)}
        finally:
            bare.close()
            app.close()


def _judge(linking: Any) -> int:
    began = time.perf_counter()
    judged = linking.judge()
    seconds = time.perf_counter() - began
    print(f"  judging    {judged:,} calls in {seconds:.1f} s: {judged / seconds:,.0f} calls/s")
    return round(judged / seconds)


def _cases(linking: Any, bare: Bare, url: str, rounds: int) -> dict[str, Any]:
    print(f"\n  {'':28}{'Patchbay':>12}{'bare':>12}{'ratio':>8}")
    reads = _printed(reading.read_pages(linking, bare, rounds))
    reads.append(_printed(iter([reading.look_up(linking, bare, rounds)]))[0])
    merged = reading.merge_in_pandas(url)
    writes = _printed(writing.trigger_costs(url, bare, rounds * 3))
    writes.append(_printed(iter([reading.link(linking, bare, rounds)]))[0])
    _print_pandas(reads, merged)
    drift = bare.rows("select kind, count(*) as n from public.link_drift group by 1")
    errors = bare.rows("select message, count(*) as n from public.link_errors where replayed_at is null group by 1")
    print(f"  drift {drift or 'none'}, trigger errors {errors or 'none'}")
    pairs = [pair.to_json() for pair in (*reads, *writes)]
    return {"cases": pairs, "pandas_ms": asdict(merged), "drift": drift, "trigger_errors": errors}


def _printed(pairs: Iterator[Pair]) -> list[Pair]:
    shown = []
    for pair in pairs:
        print(f"  {pair.name:28}{pair.ours:9.2f} ms{pair.bare:9.2f} ms{pair.ratio:7.1f}x", flush=True)
        shown.append(pair)
    return shown


def _print_install(met: installing.Installed) -> None:
    print(
        f"  install    {met.seconds:.1f} s; a writer waited {met.longest_wait:.0f} ms at most ({met.longest_in})",
        end="",
    )
    print(f", {met.statements:,} statements, {len(met.errors)} errors" + "".join(f"\n    {e}" for e in met.errors[:3]))


def _print_pandas(reads: list[Pair], merged: PandasTimes) -> None:
    ours = {pair.name: pair.ours for pair in reads}
    print(f"\n  {'':28}{'Patchbay':>12}{'pandas':>12}{'faster':>8}")
    for name, took in (("first page", merged.first_page), ("count", merged.count), ("lookup by SID", merged.lookup)):
        print(f"  {name:28}{ours[name]:9.2f} ms{took:9.0f} ms{took / ours[name]:7.0f}x")


def _print_flatness(results: dict[int, dict[str, Any]]) -> None:
    sizes = sorted(results)
    if len(sizes) < 2:
        return
    small, large = ({case["name"]: case["ms"] for case in results[size]["cases"]} for size in (sizes[0], sizes[-1]))
    print(f"\n  {'':28}{sizes[0]:>12,}{sizes[-1]:>12,}{'growth':>8}")
    for name in small:
        if name in large:
            print(f"  {name:28}{small[name]:9.2f} ms{large[name]:9.2f} ms{large[name] / small[name]:7.1f}x")


if __name__ == "__main__":
    main()
