"""The command line's grammar. What words mean is checked by the use cases; here only which words there are."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from core.errors import BadInput

DESCRIPTION = "Ties Twilio calls to leads: lists what is not tied, says why, repairs it, and undoes it."


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command, in argparse's terms."""

    name: str
    says: str
    flag: bool = False
    many: bool = False
    metavar: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class CommandWords:
    """One command: what it does and which arguments it takes."""

    name: str
    says: str
    arguments: tuple[Argument, ...] = ()


CALL = Argument("call_sid", "the call's SID, exactly", metavar="CALL_SID")
LEAD = Argument("lead_id", "the lead's id", metavar="LEAD_ID")
REPAIR = (
    Argument("--reason", "why, in your words"),
    Argument("--actor", "who does it (default: this machine's user)"),
    Argument("--request-id", "the same id again does it only once", metavar="ID"),
    Argument("--mark-contacted", "mark touched leads that are new as contacted", flag=True),
)
SEEN_LEAD = Argument("--expect-lead", "refuse unless the call's lead is this one", metavar="ID|none")
SEEN_CALL = Argument("--expect-call", "refuse unless the lead's current call is this one", metavar="SID|none")
NAME = Argument("name", "whose", metavar="NAME")
ROLE = Argument("--role", "viewer (reads), operator (repairs) or admin", metavar="R")
CURRENT = Argument("--current", "make it the lead's current call, whatever its age", flag=True)

PREVIEW = Argument("--preview", "only say what would be", flag=True)

WORKLIST = (
    Argument("--cause", "only this cause; pending lists the calls that are too young"),
    Argument("--direction", "inbound or outbound"),
    Argument("--status", "Twilio's status, e.g. completed"),
    Argument("--number", "the counterpart's number, or digits of it"),
    Argument("--text", "search in SID, numbers, names and what was said"),
    Argument("--since", "started at or after this time", metavar="TIME"),
    Argument("--until", "started before this time", metavar="TIME"),
    Argument("--view", "unlinked (default), suspect, stuck, dangling or set_aside"),
)
"""What chooses the calls of a worklist."""

COMMANDS = (
    CommandWords(
        "migrate",
        "apply pending migrations",
        (
            Argument("--status", "only list them", flag=True),
            Argument("--print", "print all of them as one script to paste", flag=True),
            Argument("--uninstall", "remove all that is Patchbay's except leads.call_sid", flag=True),
            Argument("--at-start", "go on where only pasting helps: the System page shows what to paste", flag=True),
            Argument("--ledger", "the file that --uninstall saves the ledger to", metavar="FILE"),
        ),
    ),
    CommandWords(
        "demo",
        "fill an empty local database with demo data",
        (
            Argument("--calls", "how many calls (default 2000)", metavar="N"),
            Argument("--seed", "the same seed gives the same world", metavar="S"),
            Argument("--force", "fill a database that is not empty", flag=True),
            Argument("--if-empty", "do nothing unless this is an empty embedded database", flag=True),
        ),
    ),
    CommandWords("overview", "the figures"),
    CommandWords(
        "unlinked",
        "the worklist, newest first",
        (
            *WORKLIST,
            Argument("--by-number", "unlinked calls grouped by the other party's number", flag=True),
            Argument("--limit", "how many calls (default 50)", metavar="N"),
            Argument("--after", "the cursor of the page before", metavar="CURSOR"),
            Argument("--candidates", "with each call's candidates", flag=True),
        ),
    ),
    CommandWords(
        "export",
        "a worklist as CSV, safe to open in a spreadsheet",
        (*WORKLIST, Argument("--out", "write it to this new file (default: standard output)", metavar="FILE")),
    ),
    CommandWords(
        "search",
        "calls and leads that a text may mean",
        (
            Argument("text", "a SID or a part of one, a number, a name, an id", many=True, metavar="TEXT"),
            Argument("--limit", "how many of each (default 8)", metavar="N"),
        ),
    ),
    CommandWords(
        "ticket",
        "a call as a few lines of text for a ticket, its numbers masked",
        (CALL, Argument("--full-numbers", "show numbers whole", flag=True)),
    ),
    CommandWords(
        "own-numbers",
        "our own numbers; say of one that the data shows whether it is ours",
        (
            Argument(
                "verb",
                "confirm, deny or clear; refresh reads the Twilio account's; nothing lists them",
                metavar="confirm|deny|clear|refresh",
                optional=True,
            ),
            Argument("number", "which", metavar="NUMBER", optional=True),
        ),
    ),
    CommandWords(
        "lookup",
        "everything about the call that a text names",
        (
            Argument(
                "text", "a SID, a part of one, a log line, a URL, a phone number; - reads it", many=True, metavar="TEXT"
            ),
        ),
    ),
    CommandWords("candidates", "the leads that may belong to a call", (CALL,)),
    CommandWords("link", "this call belongs to this lead", (CALL, LEAD, CURRENT, *REPAIR, SEEN_LEAD, SEEN_CALL)),
    CommandWords("unlink", "this call belongs to no lead", (CALL, *REPAIR, SEEN_LEAD, SEEN_CALL)),
    CommandWords("relink", "move a call to another lead", (CALL, LEAD, CURRENT, *REPAIR, SEEN_LEAD, SEEN_CALL)),
    CommandWords("set-aside", "take an unlinked call off the worklist", (CALL, *REPAIR, SEEN_LEAD)),
    CommandWords("restore", "put a call back on the worklist", (CALL, *REPAIR, SEEN_LEAD)),
    CommandWords("confirm", "this call's link is right as it is", (CALL, *REPAIR[:3], SEEN_LEAD)),
    CommandWords(
        "number",
        "everything about a phone number: the rule about it, the leads that have it, its calls",
        (
            Argument("number", "the number in any writing", many=True, metavar="NUMBER"),
            Argument("--limit", "how many calls (default 50)", metavar="N"),
            Argument("--after", "the cursor of the page before", metavar="CURSOR"),
        ),
    ),
    CommandWords(
        "number-rule",
        "rule whose number it is, or end the rule; history is kept",
        (
            Argument("verb", "set or end", metavar="set|end"),
            Argument("number", "the number in any writing", many=True, metavar="NUMBER"),
            Argument("--verdict", "person, switchboard, own, withheld or test", metavar="V"),
            Argument("--never-link", "never find a lead by it automatically", flag=True),
            Argument("--until", "when the rule expires", metavar="TIME"),
            Argument("--expect-rule", "refuse unless this rule holds", metavar="ID|none"),
            *REPAIR[:3],
        ),
    ),
    CommandWords(
        "conflicts",
        "data that contradicts itself, with the rows involved and the remedy",
        (
            Argument("--kind", "only this kind, e.g. duplicate_event_rows"),
            Argument("--limit", "how many (default 50)", metavar="N"),
            Argument("--after", "the cursor of the page before", metavar="CURSOR"),
        ),
    ),
    CommandWords(
        "merge",
        "merge a call's event rows into one",
        (
            CALL,
            Argument("--keep", "the row whose numbers and direction hold", metavar="ROW_ID"),
            PREVIEW,
            *REPAIR[:3],
        ),
    ),
    CommandWords("normalise", "give a SID variant's rows the standard SID", (CALL, PREVIEW, *REPAIR[:3])),
    CommandWords("add-constraint", "make leads.call_sid UNIQUE; lists what stands in the way"),
    CommandWords(
        "set-phone",
        "correct a lead's phone number",
        (LEAD, Argument("phone", "the number", metavar="PHONE"), PREVIEW, *REPAIR[:3]),
    ),
    CommandWords(
        "create-lead",
        "make a lead from a call that belongs to nobody, and link the call to it",
        (
            CALL,
            Argument("--name", "the lead's name"),
            Argument("--phone", "the number to store (default: the call's)"),
            Argument("--status", "the lead's status (default: contacted, which automation does not dial)"),
            Argument("--columns", "further columns as a JSON object", metavar="JSON"),
            PREVIEW,
            *REPAIR[:3],
        ),
    ),
    CommandWords(
        "undo",
        "undo a link event, or all of a batch",
        (
            Argument("event_id", "the event's id", metavar="EVENT_ID"),
            Argument("--batch", "undo this batch instead", metavar="BATCH_ID"),
            Argument("--preview", "only say what of the batch would be undone, and what would be skipped", flag=True),
            *REPAIR[:3],
        ),
    ),
    CommandWords(
        "activity",
        "link events, newest first",
        (
            Argument("--lead", "only this lead's", metavar="ID"),
            Argument("--call", "only this call's", metavar="SID"),
            Argument("--actor", "only this person's or program's"),
            Argument("--batch", "only this batch's", metavar="ID"),
            Argument("--before", "only events older than this one", metavar="ID"),
            Argument("--limit", "how many (default 50)", metavar="N"),
        ),
    ),
    CommandWords(
        "jobs",
        "keep what the queue's jobs say of calls: load an export",
        (
            Argument("verb", "load", metavar="load"),
            Argument("file", "a JSON list of BullMQ jobs", metavar="FILE"),
        ),
    ),
    CommandWords(
        "reconcile",
        "link in bulk what is certain or high; without --apply only say what would be linked",
        (
            Argument("--apply", "link them, as one batch", flag=True),
            Argument("--min-confidence", "certain, or high (default) for both", metavar="certain|high"),
            Argument("--limit", "at most so many links, the newest calls first", metavar="N"),
            Argument("--call", "only this call", metavar="SID"),
            Argument("--cause", "only calls with this cause"),
            Argument("--direction", "inbound or outbound"),
            Argument("--status", "Twilio's status, e.g. completed"),
            Argument("--number", "the counterpart's number, or digits of it"),
            Argument("--text", "search in SID, numbers, names and what was said"),
            Argument("--since", "started at or after this time", metavar="TIME"),
            Argument("--until", "started before this time", metavar="TIME"),
            Argument("--batch", "with --apply: carry this interrupted batch on", metavar="ID"),
            *REPAIR[:2],
        ),
    ),
    CommandWords(
        "repair",
        "fill what is missing of a call with what Twilio answers",
        (
            Argument("sid", "the call's SID, exactly", metavar="CALL_SID"),
            Argument("--cause", "every call without numbers: no_numbers"),
            Argument("--view", "every stuck call: stuck"),
            PREVIEW,
            Argument("--overwrite", "columns in which Twilio's value replaces another", metavar="COLUMN[,COLUMN]"),
            Argument("--limit", "at most so many calls, the newest first", metavar="N"),
            Argument("--batch", "the batch that the events belong to", metavar="BATCH_ID"),
            *REPAIR[:3],
        ),
    ),
    CommandWords(
        "test-call",
        "place a test call to an allowed number and show its stages",
        (
            Argument("--to", "the number, which TEST_CALL_ALLOWLIST has to name", metavar="NUMBER"),
            Argument("--lead", "the lead that it is linked to; its number has to be allowed too", metavar="LEAD_ID"),
            Argument("--via", "direct (default) or queue"),
            Argument("--wait", "until nothing is waited for any more", flag=True),
            Argument("--keep", "the lead keeps what the call writes to it", flag=True),
            Argument("--message", "what is said first"),
            Argument("--key", "the same key again is the same call", metavar="ID"),
        ),
    ),
    CommandWords(
        "db",
        "backup and restore of the embedded database",
        (
            Argument("verb", "backup or restore", metavar="backup|restore"),
            Argument("file", "the backup", metavar="FILE"),
            Argument("--force", "restore over what is there", flag=True),
        ),
    ),
    CommandWords("rebuild", "recompute roll-up, links and causes; prints what differed"),
    CommandWords("worker", "take jobs from the queue and dial, until it is told to end"),
    CommandWords("doctor", "check columns, indexes, triggers and consistency"),
    CommandWords(
        "user",
        "accounts: add, list, role, disable, passwd",
        (
            Argument("verb", "add, list, role, disable or passwd", metavar="add|list|role|disable|passwd"),
            NAME,
            ROLE,
            Argument("--password-stdin", "read the password from standard input instead of asking", flag=True),
        ),
    ),
    CommandWords(
        "token",
        "API tokens: add, list, revoke",
        (Argument("verb", "add, list or revoke", metavar="add|list|revoke"), NAME, ROLE),
    ),
)
OPTIONAL = frozenset({"event_id", "name", "sid"})
"""Positional arguments that may be left out."""


class Words(argparse.ArgumentParser):
    """argparse that raises our error instead of printing usage and leaving."""

    def error(self, message: str) -> NoReturn:
        """Every complaint of argparse is bad input."""
        raise BadInput(f"{message[:1].upper()}{message[1:]}.".replace("..", "."), hint=f"See: {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """The whole grammar; ``--json`` may stand before and after the command."""
    parser = Words(prog="python -m core", description=DESCRIPTION, allow_abbrev=False)
    _add_json(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Words)
    for words in COMMANDS:
        one = commands.add_parser(words.name, help=words.says, description=words.says, allow_abbrev=False)
        _add_json(one)
        for argument in words.arguments:
            _add(one, argument)
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


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document on stdout"
    )


def _add(parser: argparse.ArgumentParser, argument: Argument) -> None:
    if argument.flag:
        parser.add_argument(argument.name, action="store_true", help=argument.says)
    elif argument.many:
        parser.add_argument(argument.name, nargs="+", metavar=argument.metavar, help=argument.says)
    elif argument.optional or argument.name in OPTIONAL:
        parser.add_argument(argument.name, nargs="?", metavar=argument.metavar, help=argument.says)
    else:
        parser.add_argument(argument.name, metavar=argument.metavar, help=argument.says)
