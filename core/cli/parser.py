"""The command line's words: every command with its arguments, in the order of ``--help``.

What the words mean is checked by the use cases; here only which words there are. A new command is a row of
:data:`COMMANDS`, and its handler in the ``HANDLERS`` of the module that it belongs to (see :mod:`core.cli.handlers`).
"""

import argparse
from collections.abc import Sequence

from core.cli.grammar import Words, command, flag, limit, many, maybe, option, paged, place

DESCRIPTION = "Ties Twilio calls to leads: lists what is not tied, says why, repairs it, and undoes it."

CALL = place("call_sid", "the call's SID, exactly", "CALL_SID")
LEAD = place("lead_id", "the lead's id", "LEAD_ID")
NUMBER = many("number", "the number in any writing", "NUMBER")
NAME = maybe("name", "whose", "NAME")

SIGNED = (
    option("--reason", "why, in your words"),
    option("--actor", "who does it (default: this machine's user)"),
    option("--request-id", "the same id again does it only once", "ID"),
)
"""What every repair takes: its why, its who, and a name for doing it once."""
REPAIR = (*SIGNED, flag("--mark-contacted", "mark touched leads that are new as contacted"))
SEEN_LEAD = option("--expect-lead", "refuse unless the call's lead is this one", "ID|none")
SEEN_CALL = option("--expect-call", "refuse unless the lead's current call is this one", "SID|none")
CURRENT = flag("--current", "make it the lead's current call, whatever its age; never a test call")
PREVIEW = flag("--preview", "only say what would be")
ROLE = option("--role", "viewer (reads), operator (repairs) or admin", "R")

FILTERS = (
    option("--direction", "inbound or outbound"),
    option("--status", "Twilio's status, e.g. completed"),
    option("--number", "the counterpart's number, or digits of it"),
    option("--text", "search in SID, numbers, names and what was said"),
    option("--since", "started at or after this time", "TIME"),
    option("--until", "started before this time", "TIME"),
)
"""What chooses calls by themselves."""
WORKLIST = (
    option("--cause", "only this cause; pending lists the calls that are too young"),
    *FILTERS,
    option("--view", "unlinked (default), suspect, stuck, dangling or set_aside"),
)
"""What chooses the calls of a worklist."""

COMMANDS = (
    command(
        "migrate",
        "apply pending migrations",
        flag("--status", "only list them"),
        flag("--print", "print all of them as one script to paste"),
        flag("--uninstall", "remove all that is Patchbay's except leads.call_sid"),
        flag("--at-start", "go on where only pasting helps: the System page shows what to paste"),
        option("--ledger", "the file that --uninstall saves the ledger to", "FILE"),
    ),
    command(
        "demo",
        "fill an empty local database with demo data",
        option("--calls", "how many calls (default 2000)", "N"),
        option("--seed", "the same seed gives the same world", "S"),
        flag("--force", "fill a database that is not empty"),
        flag("--if-empty", "do nothing unless this is an empty embedded database"),
    ),
    command("overview", "the figures"),
    command(
        "unlinked",
        "the worklist, newest first",
        *WORKLIST,
        flag("--by-number", "unlinked calls grouped by the other party's number"),
        *paged("how many calls"),
        flag("--candidates", "with each call's candidates"),
    ),
    command(
        "export",
        "a worklist, numbers or conflicts as CSV, safe to open in a spreadsheet",
        *WORKLIST,
        flag("--by-number", "the numbers with unlinked calls instead of the calls"),
        flag("--conflicts", "the conflicts instead of calls; no other filter applies"),
        option("--out", "write it to this new file (default: standard output)", "FILE"),
    ),
    command(
        "search",
        "calls and leads that a text may mean",
        many("text", "a SID or a part of one, a number, a name, an id", "TEXT"),
        limit("how many of each", 8),
    ),
    command(
        "ticket",
        "a call as a few lines of text for a ticket, its numbers masked",
        CALL,
        flag("--full-numbers", "show numbers whole"),
    ),
    command(
        "own-numbers",
        "our own numbers; say of one that the data shows whether it is ours",
        maybe(
            "verb",
            "confirm, deny or clear; refresh reads the Twilio account's; nothing lists them",
            "confirm|deny|clear|refresh",
        ),
        maybe("number", "which", "NUMBER"),
    ),
    command(
        "lookup",
        "everything about the call that a text names",
        many("text", "a SID, a part of one, a log line, a URL, a phone number; - reads it", "TEXT"),
    ),
    command("candidates", "the leads that may belong to a call", CALL),
    command("link", "this call belongs to this lead", CALL, LEAD, CURRENT, *REPAIR, SEEN_LEAD, SEEN_CALL),
    command("unlink", "this call belongs to no lead", CALL, *REPAIR, SEEN_LEAD, SEEN_CALL),
    command("relink", "move a call to another lead", CALL, LEAD, CURRENT, *REPAIR, SEEN_LEAD, SEEN_CALL),
    command("set-aside", "take an unlinked call off the worklist", CALL, *REPAIR, SEEN_LEAD),
    command("restore", "put a call back on the worklist", CALL, *REPAIR, SEEN_LEAD),
    command("confirm", "this call's link is right as it is", CALL, *SIGNED, SEEN_LEAD),
    command(
        "number",
        "everything about a phone number: the rule about it, the leads that have it, its calls",
        NUMBER,
        *paged("how many calls"),
    ),
    command(
        "number-rule",
        "rule whose number it is, or end the rule; history is kept",
        place("verb", "set or end", "set|end"),
        NUMBER,
        option("--verdict", "person, switchboard, own, withheld or test", "V"),
        flag("--never-link", "never find a lead by it automatically"),
        option("--until", "when the rule expires", "TIME"),
        option("--expect-rule", "refuse unless this rule holds", "ID|none"),
        *SIGNED,
    ),
    command(
        "conflicts",
        "data that contradicts itself, with the rows involved and the remedy",
        option("--kind", "only this kind, e.g. duplicate_event_rows"),
        *paged("how many"),
    ),
    command(
        "merge",
        "merge a call's event rows into one",
        CALL,
        option("--keep", "the row whose numbers and direction hold", "ROW_ID"),
        PREVIEW,
        *SIGNED,
    ),
    command("normalise", "give a SID variant's rows the standard SID", CALL, PREVIEW, *SIGNED),
    command("add-constraint", "make leads.call_sid UNIQUE; lists what stands in the way"),
    command(
        "set-phone", "correct a lead's phone number", LEAD, place("phone", "the number", "PHONE"), PREVIEW, *SIGNED
    ),
    command(
        "create-lead",
        "make a lead from a call that belongs to nobody, and link the call to it",
        CALL,
        option("--name", "the lead's name"),
        option("--phone", "the number to store (default: the call's)"),
        option("--status", "the lead's status (default: contacted, which automation does not dial)"),
        option("--columns", "further columns as a JSON object", "JSON"),
        PREVIEW,
        *SIGNED,
    ),
    command(
        "undo",
        "undo a link event, or all of a batch",
        maybe("event_id", "the event's id", "EVENT_ID"),
        option("--batch", "undo this batch instead", "BATCH_ID"),
        flag("--preview", "only say what of the batch would be undone, and what would be skipped"),
        *SIGNED,
    ),
    command(
        "activity",
        "link events, newest first",
        option("--lead", "only this lead's", "ID"),
        option("--call", "only this call's", "SID"),
        option("--actor", "only this person's or program's"),
        option("--batch", "only this batch's", "ID"),
        option("--before", "only events older than this one", "ID"),
        limit("how many"),
    ),
    command(
        "jobs",
        "keep what the queue's jobs say of calls: load an export",
        place("verb", "load", "load"),
        place("file", "a JSON list of BullMQ jobs", "FILE"),
    ),
    command(
        "reconcile",
        "link in bulk what is certain or high; without --apply only say what would be linked",
        flag("--apply", "link them, as one batch"),
        option("--min-confidence", "certain, or high (default) for both", "certain|high"),
        option("--limit", "at most so many links, the newest calls first", "N"),
        option("--call", "only this call", "SID"),
        option("--cause", "only calls with this cause"),
        *FILTERS,
        option("--batch", "with --apply: carry this interrupted batch on", "ID"),
        *SIGNED[:2],
    ),
    command(
        "repair",
        "fill what is missing of a call with what Twilio answers",
        maybe("sid", "the call's SID, exactly", "CALL_SID"),
        option("--cause", "every call without numbers: no_numbers"),
        option("--view", "every stuck call: stuck"),
        PREVIEW,
        option("--overwrite", "columns in which Twilio's value replaces another", "COLUMN[,COLUMN]"),
        option("--limit", "at most so many calls, the newest first", "N"),
        option("--batch", "the batch that the events belong to", "BATCH_ID"),
        *SIGNED,
    ),
    command(
        "test-call",
        "place a test call to an allowed number and show its stages",
        option("--to", "the number, which TEST_CALL_ALLOWLIST has to name", "NUMBER"),
        option("--lead", "the lead that it is linked to; its number has to be allowed too", "LEAD_ID"),
        option("--via", "direct (default) or queue"),
        flag("--wait", "until nothing is waited for any more"),
        flag("--keep", "the lead keeps the status, time of contact and note that the call writes"),
        option("--message", "what is said first"),
        option("--key", "the same key again is the same call", "ID"),
    ),
    command(
        "db",
        "backup and restore of the embedded database",
        place("verb", "backup or restore", "backup|restore"),
        place("file", "the backup", "FILE"),
        flag("--force", "restore over what is there"),
    ),
    command("rebuild", "recompute roll-up, links and causes; prints what differed"),
    command("worker", "take jobs from the queue and dial, until it is told to end"),
    command("doctor", "check columns, indexes, triggers and consistency"),
    command(
        "user",
        "accounts: add, list, role, disable, passwd",
        place("verb", "add, list, role, disable or passwd", "add|list|role|disable|passwd"),
        NAME,
        ROLE,
        flag("--password-stdin", "read the password from standard input instead of asking"),
    ),
    command(
        "token",
        "API tokens: add, list, revoke",
        place("verb", "add, list or revoke", "add|list|revoke"),
        NAME,
        ROLE,
    ),
)


def build_parser() -> argparse.ArgumentParser:
    """The whole grammar; ``--json`` may stand before and after the command."""
    parser = Words(prog="python -m core", description=DESCRIPTION, allow_abbrev=False)
    parser.take(())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Words)
    for words in COMMANDS:
        one = commands.add_parser(words.name, help=words.says, description=words.says, allow_abbrev=False)
        one.take(words.arguments)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The words of one command.

    :raises BadInput: for words that the grammar does not know.
    """
    return build_parser().parse_args(list(argv))


def wants_json(argv: Sequence[str]) -> bool:
    """Was JSON asked for, even where the rest cannot be understood?"""
    words = list(argv)
    return "--json" in (words[: words.index("--")] if "--" in words else words)
