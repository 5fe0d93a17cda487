"""The rules on captured rows, with their kinds of evidence switched off in turn, against what is true of each call.

The truth and the raw rows are read here without the rules' help: what a cause should be follows from them alone.
"""

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from core.linking import jobs, judge, matching, own_numbers
from core.model.records import Call, Candidate
from core.settings import Settings
from core.store.gateway import Order
from core.store.postgres import PostgresGateway
from tests.database import captured

SETTINGS = Settings()
CONFIDENT = ("certain", "high")


@dataclass(frozen=True)
class Evidence:
    """What is known beside the rows. ``determined`` names the truth's word for calls that this much determines."""

    name: str
    jobs: str | None
    twilio: bool
    determined: str


KINDS = (
    Evidence("all", "redis_jobs.json", True, "linkable"),
    Evidence("retained jobs", "redis_jobs_retained.json", True, "linkable_with_redis_retention"),
    Evidence("without Twilio", "redis_jobs_retained.json", False, "linkable_without_twilio"),
    Evidence("database alone", None, False, "linkable_db_only"),
)


@dataclass(frozen=True)
class Trial:
    """The captured database after judging with some evidence, beside the truth."""

    evidence: Evidence
    folder: Path
    calls: Mapping[str, Call]
    candidates: Mapping[str, tuple[Candidate, ...]]
    truth: Mapping[str, Mapping[str, Any]]
    own: frozenset[str]

    @property
    def unlinked(self) -> list[Call]:
        return [call for call in self.calls.values() if call.state == "unlinked"]

    def is_right(self, sid: str, lead_id: int) -> bool:
        true = self.truth[sid]
        return true["expected"] == "link" and lead_id in true["acceptable_lead_ids"]

    def first_is_right(self, sid: str) -> bool:
        return any(self.is_right(sid, candidate.lead_id) for candidate in self.candidates.get(sid, ())[:1])

    @cached_property
    def determined(self) -> list[str]:
        """The calls whose lead this evidence determines, linked or not; some may have no row at all."""
        return [sid for sid, true in self.truth.items() if true[self.evidence.determined]]

    @cached_property
    def open(self) -> list[str]:
        """Those of them that are not linked."""
        return [sid for sid in self.determined if sid not in self.calls or self.calls[sid].state == "unlinked"]

    @cached_property
    def verdicts(self) -> Counter[tuple[str, str]]:
        """The first candidates of unlinked calls, by confidence and by right, wrong or trap."""
        found: Counter[tuple[str, str]] = Counter()
        for call in self.unlinked:
            for best in self.candidates[call.call_sid][:1]:
                right = self.is_right(call.call_sid, best.lead_id)
                trap = self.truth[call.call_sid]["trap"]
                found[best.confidence, "right" if right else "trap" if trap else "wrong"] += 1
        return found

    @cached_property
    def covered(self) -> list[str]:
        """The open calls with a right first candidate that is certain or high."""
        return [s for s in self.open if self.first_is_right(s) and self.candidates[s][0].confidence in CONFIDENT]

    @cached_property
    def left(self) -> Counter[str]:
        """Why the other open calls are not covered: what speaks against the first candidate, or that there is none."""
        found: Counter[str] = Counter()
        for sid in set(self.open) - set(self.covered):
            best = next(iter(self.candidates.get(sid, ())), None)
            if best is None:
                found["no candidate" if sid in self.calls else "no row of it in the database"] += 1
            else:
                doubts = ", ".join(doubt.kind for doubt in best.against)
                found[doubts or f"nothing but {', '.join(item.kind for item in best.evidence)}"] += 1
        return found

    @cached_property
    def traps(self) -> tuple[int, int]:
        """Calls whose evidence points at a wrong lead, among the unlinked, and how many of them the rules avoid."""
        laid = [call.call_sid for call in self.unlinked if self.truth[call.call_sid]["trap"]]
        fallen = [sid for sid in laid if any(c.confidence in CONFIDENT for c in self.candidates[sid])]
        return len(laid), len(laid) - len(fallen)

    @cached_property
    def wrong_causes(self) -> list[tuple[str, str | None, str]]:
        """Unlinked calls whose cause is not what truth and rows say: SID, cause, and what it should be."""
        oracle = Oracle(self.folder, self.evidence)
        return [
            (call.call_sid, call.cause, due)
            for call in self.unlinked
            if call.cause != (due := oracle.cause(call.call_sid, self.truth[call.call_sid]))
        ]

    @cached_property
    def suspicions(self) -> tuple[list[str], list[str]]:
        """Rightly linked calls that are suspect, and wrongly linked ones that are."""
        linked = [call for call in self.calls.values() if call.lead_id is not None and call.suspect]
        right = [call.call_sid for call in linked if self.is_right(call.call_sid, call.lead_id or 0)]
        return right, [call.call_sid for call in linked if call.call_sid not in right]

    def table(self) -> str:
        """The figures as lines for people."""
        sure = {level: {v: self.verdicts[level, v] for v in ("right", "wrong", "trap")} for level in LEVELS}
        lines = [f"{self.evidence.name}: {len(self.unlinked)} calls unlinked"]
        for level, verdicts in sure.items():
            total = sum(verdicts.values())
            share = f"{verdicts['right'] / total:7.1%} right" if total else ""
            lines.append(f"  {level:10}{total:5}{share}, {verdicts['wrong']} wrong, {verdicts['trap']} traps")
        first = sum(map(self.first_is_right, self.determined))
        laid, avoided = self.traps
        right, wrong = self.suspicions
        lines += [
            f"  first candidate right     {first} of {len(self.determined)} determined "
            f"({first / len(self.determined):.1%})",
            f"  certain or high           {len(self.covered)} of {len(self.open)} determined and not linked "
            f"({len(self.covered) / len(self.open):.1%})",
            f"    left: {', '.join(f'{n} {why}' for why, n in self.left.most_common())}",
            f"  traps avoided             {avoided} of {laid}",
            f"  causes right              {1 - len(self.wrong_causes) / len(self.unlinked):.1%}",
            f"  suspect                   {len(right)} rightly linked, {len(wrong)} others",
        ]
        return "\n".join(lines)


LEVELS = ("certain", "high", "medium", "low")


class Oracle:
    """What a cause should be, from the truth, the raw rows and the files beside them; it knows none of the rules."""

    def __init__(self, folder: Path, evidence: Evidence) -> None:
        self._twilio = evidence.twilio
        leads = list(_rows(folder / "leads.csv"))
        self._leads = {int(row["id"]) for row in leads}
        self._phones = {int(row["id"]): row["phone"] for row in leads}
        self._named: dict[str, set[int]] = defaultdict(set)
        for row in leads:
            for sid in re.findall(r"CA[0-9a-f]{32}", row["notes"]):
                self._named[sid].add(int(row["id"]))
        for job in json.loads((folder / evidence.jobs).read_text()) if evidence.jobs else ():
            result = job["returnvalue"] or {}
            if result.get("callSid") and "lead_id" in result:
                self._named[result["callSid"]].add(result["lead_id"])
        rows = _rows(folder / "call_events.csv")
        self._numbered = {row["call_sid"] for row in rows if row["from_number"] or row["to_number"]}

    def cause(self, sid: str, true: Mapping[str, Any]) -> str:
        there = self._named[sid] & self._leads
        if len(there) == 1:
            return "link_write_failed"
        if self._named[sid] - self._leads:
            return "lead_deleted"
        if not self._twilio and sid not in self._numbered:
            return "no_numbers"
        if true["kind"].startswith("own-number-test"):
            return "own_numbers_only"
        if true["counterpart_e164"] is None:
            return "withheld_caller"
        having = [lead for lead, text in self._phones.items() if _has(text, true["counterpart_e164"])]
        if len(having) > 1:
            return "several_leads"
        if not having:
            return "no_matching_lead"
        return "missed_match" if self._phones[having[0]] == true["counterpart_e164"] else "format_mismatch"


def _has(text: str, e164: str) -> bool:
    """Does a phone field hold the number, by its last nine digits?"""
    plain = re.sub(r"\.0\b|(?:x|ext\.?|#)\s*\d+", "", text)
    return any(re.sub(r"\D", "", part).endswith(e164[-9:]) for part in re.split(r"[/,;]", plain))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def run(url: str, folder: Path, evidence: Evidence) -> Trial:
    """Load the captured rows into a migrated database, add this evidence, and judge."""
    captured.load(url, folder)
    if evidence.twilio:
        fill_numbers(url, folder)
    gateway = PostgresGateway(url)
    try:
        if evidence.jobs:
            jobs.load_export(gateway, folder / evidence.jobs)
        judge.run(gateway, SETTINGS)
        calls = [Call.from_row(row) for row in gateway.select("call_links", order=(Order("call_sid"),))]
        found = matching.candidates(gateway, calls, SETTINGS)
        own = own_numbers.known(gateway, SETTINGS)
    finally:
        gateway.close()
    return Trial(evidence, folder, {call.call_sid: call for call in calls}, found, captured.truth(folder), own)


def fill_numbers(url: str, folder: Path) -> None:
    """Put Twilio's numbers and direction into the rows of calls that have none, and a row where a call has none."""
    with psycopg.connect(url) as connection:
        for call in json.loads((folder / "twilio_calls.json").read_text()):
            known = connection.execute(
                """select bool_or(coalesce(from_number, to_number) is not null) from call_events
                where call_sid = %(sid)s""",
                call,
            ).fetchone()
            if known == (None,):
                connection.execute(_MISSING, call)
            elif known == (False,):
                connection.execute(_NUMBERS, call)


_NUMBERS = """update call_events set from_number = %(from)s, to_number = %(to)s, direction = %(direction)s
    where call_sid = %(sid)s"""
_MISSING = """insert into call_events (call_sid, call_status, direction, from_number, to_number, created_at)
    values (%(sid)s, %(status)s, %(direction)s, %(from)s, %(to)s, %(start_time)s)"""
