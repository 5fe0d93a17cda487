"""The rules about numbers that hold now: what the judge, the candidates and bulk linking ask for."""

from collections.abc import Iterable
from datetime import UTC, datetime

from core.model.number_rules import NumberRule, Rules
from core.store.gateway import Gateway, Order, Where

RULES_AT_ONCE = 500


def in_force(gateway: Gateway) -> Rules:
    """The rules that hold now, by number."""
    now, last = datetime.now(UTC), 0
    found: list[NumberRule] = []
    while True:
        where = (Where("ended_at", "is_null"), Where("id", "gt", last))
        rows = gateway.select("number_rules", where=where, order=(Order("id"),), limit=RULES_AT_ONCE)
        found += [NumberRule.from_row(row) for row in rows]
        if len(rows) < RULES_AT_ONCE:
            return holding(found, now)
        last = found[-1].id


def holding(rules: Iterable[NumberRule], now: datetime) -> Rules:
    """Those of some rules that hold at a time, by number."""
    return {rule.number: rule for rule in rules if rule.holds(now)}


def never_linked(gateway: Gateway) -> Rules:
    """The rules by which calls of a number are never linked automatically, by number."""
    return {number: rule for number, rule in in_force(gateway).items() if rule.never_link}
