"""Is the database as it should be? The System page's checks, and the rebuild that puts right what drifted."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from core.linking.results import Check, Rebuilt
from core.store.gateway import Gateway, Order, Where
from core.wording import count

MIGRATE = "python -m core migrate"
REBUILD = "python -m core rebuild"
ADD_CONSTRAINT = "select add_call_sid_constraint();"
LIST_DUPLICATES = "select * from duplicate_slots;"
DROP_INDEX = "drop index concurrently if exists idx_leads_call_sid;"
ADD_INDEX = "create index concurrently if not exists idx_leads_call_sid on leads (call_sid);"
GUIDE_TYPE = "character varying(50)"
MANY_WAITING = 10_000
"""So many calls are judged in well under a minute; more of them mean that nobody judges."""
ROLLED_AT_ONCE = 1000
MOST_DIFFERENCES = 500
JUDGED = Where("judged_at", "not_null")
LAST_JUDGED_FIRST = (Order("judged_at", descending=True),)


def checks(gateway: Gateway) -> list[Check]:
    """Every check, the guide's "verify column and index" first."""
    return judged(facts(gateway))


def facts(gateway: Gateway) -> Mapping[str, Any]:
    """What the checks look at, and what else the System page shows."""
    return {**gateway.call("patchbay_doctor"), **gateway.call("patchbay_system")}


def judged(facts: Mapping[str, Any]) -> list[Check]:
    """The checks of some facts. Pure."""
    return [
        _column(facts),
        _index(facts),
        _unique(facts),
        _triggers(facts),
        _installed(facts),
        _missed(facts),
        _drift(facts),
        _judged(facts),
        Check("schema", True, f"Version {facts['schema_version']} on PostgreSQL {facts['server_version']}."),
        _own_numbers(facts),
        _open_tables(facts),
    ]


def rebuild(gateway: Gateway, judge: Callable[[], int]) -> Rebuilt:
    """Recompute everything that is derived, and say what differed before.

    :param judge: judges every call that is waiting.
    """
    judge()
    newest = gateway.select("calls", columns=("judged_at",), where=(JUDGED,), order=LAST_JUDGED_FIRST, limit=1)
    differed = gateway.select("patchbay_drift", args={"p_limit": MOST_DIFFERENCES})
    rolled = _roll_up(gateway)
    done: Mapping[str, Any] = gateway.call("patchbay_rebuild", p_roll_up=False)
    everything = f"rebuild {uuid.uuid4()}"
    while gateway.call("requeue_calls", p_fingerprint=everything):
        pass  # in steps: of many calls one statement would be stopped for taking too long
    judge()
    # The judge leaves a call alone whose judgement stays the same, so the others are those that changed.
    since = Where("judged_at", "gt", newest[0]["judged_at"]) if newest else JUDGED
    return Rebuilt(
        differed=tuple(differed),
        roll_ups=rolled,
        links=done["links"],
        slots=done["slots"],
        missed_changes=done["missed_changes"],
        causes=gateway.count("calls", where=(since,)),
    )


def _roll_up(gateway: Gateway) -> int:
    """Roll every call up again, in steps that are transactions of their own; returns how many changed."""
    changed, after = 0, ""
    while (step := gateway.call("patchbay_roll_up_after", p_after=after, p_batch=ROLLED_AT_ONCE)) is not None:
        changed, after = changed + step["changed"], step["after"]
    return changed


def _column(facts: Mapping[str, Any]) -> Check:
    kind = facts["call_sid_column"]
    if kind is None:
        return Check("leads.call_sid", False, "The column is missing.", MIGRATE)
    narrow = "" if kind == GUIDE_TYPE else f" (the guide has {GUIDE_TYPE})"
    return Check("leads.call_sid", True, f"The column exists, {kind}{narrow}.")


def _index(facts: Mapping[str, Any]) -> Check:
    if not facts["call_sid_index"]:
        return Check("index", False, "idx_leads_call_sid is missing.", ADD_INDEX)
    if not facts["index_valid"]:
        return Check(
            "index", False, "idx_leads_call_sid was not finished and is not used.", f"{DROP_INDEX} {ADD_INDEX}"
        )
    if not _covers_call_sid(facts["index_columns"]):
        return Check(
            "index",
            False,
            f"idx_leads_call_sid is on other columns: {facts['index_columns']}.",
            f"{DROP_INDEX} {ADD_INDEX}",
        )
    return Check("index", True, "idx_leads_call_sid exists, on leads (call_sid).")


def _covers_call_sid(definition: str | None) -> bool:
    """Does the index begin with call_sid and hold every lead?"""
    return definition is not None and "(call_sid" in definition


def _unique(facts: Mapping[str, Any]) -> Check:
    shared = facts["duplicate_slots"]
    if facts["call_sid_unique"]:
        return Check("unique", True, "leads.call_sid is UNIQUE.")
    if shared:
        calls = count(shared, "call stands", "calls stand")
        return Check("unique", False, f"leads.call_sid is not UNIQUE: {calls} in several leads.", LIST_DUPLICATES)
    return Check("unique", False, "leads.call_sid is not UNIQUE, and nothing stands in the way.", ADD_CONSTRAINT)


def _triggers(facts: Mapping[str, Any]) -> Check:
    missing = facts["triggers_missing"]
    if not missing:
        return Check("triggers", True, "All triggers are in place and enabled.")
    return Check("triggers", False, f"Missing or disabled: {', '.join(missing)}.", f"{MIGRATE} && {REBUILD}")


def _installed(facts: Mapping[str, Any]) -> Check:
    phase = facts["install_phase"]
    if phase == "done":
        return Check("installation", True, "Every call and every lead has been taken in.")
    return Check("installation", False, f"Not finished: {phase or 'it has not begun'}.", MIGRATE)


def _missed(facts: Mapping[str, Any]) -> Check:
    missed = facts["missed_changes"]
    if not missed:
        return Check("missed changes", True, "Every change of the customer's tables was followed.")
    return Check("missed changes", False, f"{count(missed, 'change')} of the customer's tables not followed.", REBUILD)


def _drift(facts: Mapping[str, Any]) -> Check:
    drift: Mapping[str, int] = facts["drift"]
    newest = facts.get("drift_of_newest")
    if not drift and newest:
        said = f"The newest {newest:,} calls are as their rows say, and every slot fits its call"
        return Check("consistency", True, f"{said}; {REBUILD} compares all.")
    if not drift:
        return Check("consistency", True, "Calls, links and slots are as rows and ledger say.")
    told = ", ".join(f"{kind}: {found}" for kind, found in sorted(drift.items()))
    return Check("consistency", False, f"Not as rows and ledger say: {told}.", REBUILD)


def _judged(facts: Mapping[str, Any]) -> Check:
    waiting = facts["judge_queue"]
    said = f"{count(waiting, 'call waits', 'calls wait')} for a cause." if waiting else "Every cause is up to date."
    return Check("causes", waiting <= MANY_WAITING, said, REBUILD if waiting > MANY_WAITING else None)


def _own_numbers(facts: Mapping[str, Any]) -> Check:
    rows = [row for row in facts["own_numbers"] if row["confirmed"] is not False]
    numbers = [row["number"] for row in rows]
    unsure = sum(row["source"] == "data" and row["confirmed"] is None for row in rows)
    if numbers:
        to_confirm = f" {unsure} of them as the data shows, to be confirmed." if unsure else ""
        return Check("own numbers", True, f"{', '.join(numbers)}.{to_confirm}")
    return Check("own numbers", True, "None known yet: set TWILIO_PHONE_NUMBER or OWN_NUMBERS, or wait for calls.")


def _open_tables(facts: Mapping[str, Any]) -> Check:
    """Row level security of the customer's tables, where keys that anybody may have reach them. Never altered by us."""
    open_tables = facts["open_tables"]
    if not open_tables:
        return Check("row level security", True, "No table of the customer's is open to the public keys.")
    told = "; ".join(f"{row['table']} ({', '.join(row['roles'])})" for row in open_tables)
    fix = " ".join(f"alter table public.{row['table']} enable row level security;" for row in open_tables)
    return Check(
        "row level security",
        False,
        f"Off, so that anybody with the project's public key can read or write: {told}. With it on, only the "
        "service key and what policies allow get through: make sure that the backend uses the service key.",
        fix,
    )
