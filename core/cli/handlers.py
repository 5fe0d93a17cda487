"""Every command's handler, by use case; those that make the schema are in :mod:`core.cli.upkeep`."""

from collections.abc import Mapping

from core.cli import (
    checks,
    conflicts,
    demo,
    exports,
    finding,
    jobs,
    leads,
    links,
    number_rules,
    own_numbers,
    people,
    reconcile,
    repair,
    test_call,
    worker,
    worklists,
)
from core.cli.answers import Handler

HANDLERS: Mapping[str, Handler] = {
    **checks.HANDLERS,
    **conflicts.HANDLERS,
    **demo.HANDLERS,
    **exports.HANDLERS,
    **finding.HANDLERS,
    **jobs.HANDLERS,
    **leads.HANDLERS,
    **links.HANDLERS,
    **number_rules.HANDLERS,
    **own_numbers.HANDLERS,
    **people.HANDLERS,
    **reconcile.HANDLERS,
    **repair.HANDLERS,
    **test_call.HANDLERS,
    **worker.HANDLERS,
    **worklists.HANDLERS,
}
