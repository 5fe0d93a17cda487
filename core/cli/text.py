"""What people read: aligned tables and short sentences. Pure."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.linking import (
    BatchUndo,
    Check,
    ConflictDetail,
    ConflictPage,
    Matches,
    NormalisePreview,
    NumberPage,
    Rebuilt,
    Story,
    WorklistPage,
    activity,
)
from core.linking.batch_preview import BatchPreview
from core.linking.doctor import MOST_DIFFERENCES
from core.linking.stages import duration
from core.model.conflicts import to_normalise
from core.model.records import Call, Candidate, LinkEvent
from core.store.gateway import Row
from core.wording import count

if TYPE_CHECKING:
    from core.demo import DemoReport

WIDEST_CELL = 72
MARKS = {"ok": "ok", "missing": "MISSING", "failed": "FAILED", "unknown": "unknown", "not_applicable": "-"}


def table(head: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Columns aligned under their heads; ``right`` names the columns that hold numbers."""
    cells = [[_cell(value) for value in row] for row in (head, *rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        padded = [_padded(text, widths[column], column in right) for column, text in enumerate(row)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def overview(figures: Mapping[str, Any]) -> str:
    """The figures, one a line; those without a rule are not shown."""
    calls = figures["calls"]
    share = f" ({figures['linked'] / calls:.1%})" if calls else ""
    lines: list[tuple[str, object]] = [
        ("calls", calls),
        ("linked", f"{figures['linked']}{share}"),
        ("  current", figures["current"]),
        ("  history", figures["history"]),
        ("unlinked", figures["unlinked"]),
    ]
    causes: Mapping[str, int] = figures["unlinked_by_cause"]
    lines += [(f"  {cause}", calls) for cause, calls in sorted(causes.items(), key=lambda item: -item[1])]
    lines += [("pending", figures["pending"]), ("set aside", figures["set_aside"])]
    lines += [
        (name, figures[name]) for name in ("conflicts", "suspect", "stuck", "dangling") if figures[name] is not None
    ]
    lines.append(("oldest unlinked", figures["oldest_unlinked_at"] or "none"))
    return "\n".join(f"{name:<24}{value}" for name, value in lines)


def worklist(page: WorklistPage, total: int, candidates: Mapping[str, tuple[Candidate, ...]] | None) -> str:
    """A page of the worklist; full SIDs, because the next command needs them."""
    if not page.items:
        return "No calls." if not total else f"No more calls ({total} in all)."
    head = ("call", "started (UTC)", "way", "counterpart", "length", "status", "cause", "best candidate")
    lines = [table(head, [_worklist_row(call) for call in page.items])]
    if candidates is not None:
        lines += [f"\n{call.call_sid}\n{candidates_text(candidates.get(call.call_sid, ()))}" for call in page.items]
    lines.append(f"\n{len(page.items)} of {count(total, 'call')}.")
    if page.next:
        lines.append(f"Next page: --after {page.next}")
    return "\n".join(lines)


def numbers(page: NumberPage) -> str:
    """Unlinked calls by number."""
    if not page.items:
        return "No calls."
    head = ("counterpart", "calls", "in", "newest (UTC)", "causes", "best candidate")
    rows = [
        (
            group.counterpart or "no number",
            group.calls,
            group.inbound,
            f"{group.newest:%Y-%m-%d %H:%M}",
            ", ".join(f"{cause} {n}" for cause, n in sorted(group.causes.items(), key=lambda item: -item[1])),
            f"lead {group.best_lead_id} ({group.best_confidence})" if group.best_lead_id is not None else "-",
        )
        for group in page.items
    ]
    lines = [
        table(head, rows, right=(1, 2)),
        f"\n{len(page.items)} of {count(page.total, 'number')}, {count(page.calls, 'call')}.",
    ]
    return "\n".join([*lines, f"Next page: --after {page.next}"] if page.next else lines)


def conflicts_text(page: ConflictPage) -> str:
    """Conflicts, each with its remedy and the rows involved."""
    if not page.items:
        return "No conflicts." if not page.total else f"No more conflicts ({page.total} in all)."
    lines = []
    for item in page.items:
        found = item.conflict
        lines.append(f"{found.kind}  {', '.join(map(repr, found.call_sids)) or '-'}")
        lines.append(f"  {item.sentence} Remedy: {_remedy(item)}")
        rows = [row for side in item.sides for row in side.events] if item.differing else []
        lines += [f"    row {row['id']}: {_columns(row, item.differing)}" for row in rows]
    lines.append(f"\n{len(page.items)} of {count(page.total, 'conflict')}.")
    return "\n".join([*lines, f"Next page: --after {page.next}"] if page.next else lines)


def _remedy(item: ConflictDetail) -> str:
    found = item.conflict
    match found.remedy:
        case "merge_rows":
            return f"merge {found.call_sid}"
        case "choose_row":
            return f"merge {found.call_sid} --keep ROW_ID"
        case "normalise_sid":
            return ", ".join(f"normalise {sid!r}" for sid in to_normalise(found)) or "nobody can say which is right"
        case "choose_lead":
            return f"relink {found.call_sid} LEAD_ID, confirm it, or unlink it"
        case "add_constraint":
            return "add-constraint"


def preview(event: LinkEvent) -> str:
    """What a repair of rows would write."""
    return "\n".join(["Nothing was written. It would be:", *_row_changes(event)])


def normalised(seen: NormalisePreview) -> str:
    """What normalising would do."""
    moved = ", ".join(f"{n} {table}" for table, n in seen.moved.items()) or "no rows"
    lines = [f"{seen.variant.call_sid!r} would become {seen.standard.call_sid}: {moved}."]
    lines += [f"Lead {lead}: its current call would be {seen.standard.call_sid}." for lead in seen.slots]
    return "\n".join([*lines, f"Refused: {seen.obstacle}"] if seen.obstacle else lines)


def batch_of(written: Sequence[LinkEvent]) -> str:
    """The events of one repair that takes several."""
    if not written:
        return "Nothing changed."
    lines = [f"{activity.sentence(each)}" for each in written]
    return "\n".join([*lines, f"To take it back: python -m core undo --batch {written[0].batch_id}"])


def _row_changes(event: LinkEvent) -> list[str]:
    lines = []
    for table_name, images in (event.after.get("rows") or {}).items():
        for number, image in images.items():
            told = "goes" if image is None else _columns(image, list(image))
            lines.append(f"  {table_name} {number}: {told}")
    return lines


def candidates_text(candidates: Sequence[Candidate]) -> str:
    """Candidates, best first, with what speaks for and against each."""
    if not candidates:
        return "  No candidates."
    lines = []
    for candidate in candidates:
        lines.append(
            f"  lead {candidate.lead_id}  {candidate.confidence:<8}{candidate.name or '-'}  {candidate.phone or '-'}"
        )
        lines += [f"      + {reason.detail}  [{reason.source}]" for reason in candidate.evidence]
        lines += [f"      - {reason.detail}  [{reason.source}]" for reason in candidate.against]
    return "\n".join(lines)


def story(told: Story) -> str:
    """One call from the queue to its lead."""
    call = told.call
    lines = [f"Call {call.call_sid}  {call.state.replace('_', ' ')}"]
    lines += [f"Note: {told.warning}"] if told.warning else []
    lines.append(_summary(call))
    lines.append("")
    lines += [f"  {stage.stage:<11}{MARKS[stage.state]:<9}{stage.detail}" for stage in told.stages]
    if told.lead is not None:
        lead = told.lead
        lines += ["", f"Lead {lead.id}  {lead.name or '-'}  {lead.phone or '-'}  status {lead.lead_status or '-'}"]
    if told.transcripts:
        lines += ["", "Transcript"]
        lines += [f"  {_speaker(row):<11}{_one_line(row.get('content'))}" for row in told.transcripts]
    lines += ["", "Candidates", candidates_text(told.candidates)]
    if told.history:
        lines += ["", "History", events(told.history)]
    return "\n".join(lines)


def matches(found: Matches) -> str:
    """Several calls that a text may mean."""
    head = ("call", "started (UTC)", "way", "counterpart", "state", "lead")
    rows = [
        (call.call_sid, _moment(call), _way(call), call.counterpart or "-", call.state, call.lead_id or "-")
        for call in found.calls
    ]
    more = " There are more: give more of the SID." if found.more else ""
    return f"{table(head, rows)}\n\n{count(len(found.calls), 'call matches', 'calls match')}.{more}"


def events(listed: Sequence[LinkEvent]) -> str:
    """Link events, one a line."""
    if not listed:
        return "No link events."
    rows = [
        (event.id, f"{activity.sentence(event)}{f' Reason: {event.reason}' if event.reason else ''}")
        for event in listed
    ]
    width = max(len(str(number)) for number, _ in rows)
    return "\n".join(f"  {number!s:>{width}}  {_one_line(text)}" for number, text in rows)


def event(written: LinkEvent, warnings: Sequence[str]) -> str:
    """One link event that was just written, and what it changes."""
    lines = [activity.sentence(written)]
    before, after = written.before.get("leads") or {}, written.after.get("leads") or {}
    lines += [
        f"  lead {lead}: current call {before.get(lead) or 'none'} -> {sid or 'none'}" for lead, sid in after.items()
    ]
    lines += [f"  lead {lead}: {change}" for lead, change in _other_changes(written)]
    lines += [each for each in _row_changes(written) if not each.startswith("  leads ")]
    lines += [f"  Note: {warning}" for warning in warnings]
    lines.append(f"Event {written.id}. To take it back: python -m core undo {written.id}")
    return "\n".join(lines)


def batch(outcome: BatchUndo) -> str:
    """What an undo of a batch did and what it left."""
    lines = [f"{len(outcome.undone)} undone, {len(outcome.skipped)} skipped (batch {outcome.batch_id})."]
    lines += [f"  undone   event {done.undoes}, call {done.call_sid}" for done in outcome.undone]
    lines += [
        f"  skipped  event {skip.event.id}, call {skip.event.call_sid}: {skip.reason}" for skip in outcome.skipped
    ]
    return "\n".join(lines)


def batch_preview(seen: BatchPreview) -> str:
    """What an undo of a batch would do and what it would leave."""
    lines = [f"{len(seen.undoable)} would be undone, {len(seen.skipped)} skipped. Nothing was written."]
    lines += [f"  would undo  event {event.id}: {activity.sentence(event)}" for event in seen.undoable]
    lines += [
        f"  skipped     event {skip.event.id}, call {skip.event.call_sid}: {skip.reason}" for skip in seen.skipped
    ]
    return "\n".join(lines)


def rebuilt(done: Rebuilt) -> str:
    """What a rebuild put right."""
    if done.differed:
        rows = [(row["kind"], row["key"], *_difference(row["should_be"], row["is_now"])) for row in done.differed]
        lines = [table(("what", "of", "should be", "was"), rows), ""]
        lines += ["There may be more: only so many are listed."] if len(done.differed) >= MOST_DIFFERENCES else []
    else:
        lines = ["Nothing differed."]
    counts = f"{done.roll_ups} summaries, {done.links} links, {done.slots} slots and {done.causes} causes put right"
    lines.append(f"{counts}, {done.missed_changes} missed changes replayed.")
    return "\n".join(lines)


def demo(report: "DemoReport") -> str:
    """What demo data was written."""
    rows = f"{report.events} event rows, {report.transcripts} transcript lines, {report.recordings} recordings"
    lines = [f"{count(report.calls, 'call')} of {count(report.leads, 'lead')} in {report.seconds:.1f} s: {rows}."]
    lines.append(f"{report.linked} linked, {report.set_aside} set aside; unlinked by cause:")
    lines += [f"  {cause:<28}{calls}" for cause, calls in sorted(report.causes.items(), key=lambda item: -item[1])]
    lines.append("Conflicts:")
    lines += [f"  {kind:<28}{found}" for kind, found in report.conflicts.items()]
    return "\n".join(lines)


def checks(found: Sequence[Check]) -> str:
    """The doctor's checks; a red one with its fix."""
    lines = []
    for check in found:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {_one_line(check.detail)}")
        if check.fix and not check.ok:
            lines.append(f"      fix: {check.fix}")
    red = sum(not check.ok for check in found)
    lines.append(f"\n{len(found)} checks, {red} failed." if red else f"\n{len(found)} checks, all fine.")
    return "\n".join(lines)


def _worklist_row(call: Call) -> tuple[object, ...]:
    best = f"lead {call.best_lead_id} ({call.best_confidence})" if call.best_lead_id is not None else "-"
    length = duration(call.duration) if call.duration is not None else "-"
    who = call.counterpart or "-"
    why = call.suspect or call.cause or "-"
    return (call.call_sid, _moment(call), _way(call), who, length, call.status or "-", why, best)


def _summary(call: Call) -> str:
    length = duration(call.duration) if call.duration is not None else "length unknown"
    way = f"{call.direction or 'direction unknown'}  {call.from_number or '?'} -> {call.to_number or '?'}"
    return f"{_moment(call)} UTC  {way}  {call.status or 'no status'}  {length}"


def _moment(call: Call) -> str:
    return f"{call.started_at:%Y-%m-%d %H:%M:%S}"


def _way(call: Call) -> str:
    direction = call.direction or ""
    return "in" if direction.startswith("inbound") else "out" if direction.startswith("outbound") else "-"


def _speaker(row: Row) -> str:
    return str(row.get("role") or "?")


def _other_changes(written: LinkEvent) -> list[tuple[str, str]]:
    rows = (written.after.get("rows") or {}).get("leads") or {}
    gone = [(lead, "is deleted") for lead, columns in rows.items() if columns is None]
    known = [(lead, columns) for lead, columns in rows.items() if columns is not None]
    return gone + [(lead, f"{column} is {value} now") for lead, columns in known for column, value in columns.items()]


def _difference(should_be: object, is_now: object) -> tuple[str, str]:
    """Both sides of what drifted; of two records only the columns that they share and that differ."""
    if not isinstance(should_be, Mapping) or not isinstance(is_now, Mapping):
        return _fact(should_be), _fact(is_now)
    differing = [name for name in should_be if name in is_now and should_be[name] != is_now[name]]
    return _columns(should_be, differing), _columns(is_now, differing)


def _columns(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {_fact(row[name])}" for name in names) or "another start"


def _fact(value: object) -> str:
    return "none" if value is None else str(value)


def _one_line(value: object) -> str:
    text = " ".join(str(value or "").split())
    return "".join(c if c.isprintable() else "�" for c in text)


def _cell(value: object) -> str:
    text = _one_line(value if value is not None else "")
    return text if _width(text) <= WIDEST_CELL else f"{text[: WIDEST_CELL - 1]}…"


def _width(text: str) -> int:
    """Columns on a terminal: wide East Asian characters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(bool(unicodedata.combining(c)) for c in text)


def _padded(text: str, width: int, right: bool) -> str:
    gap = " " * (width - _width(text))
    return gap + text if right else text + gap
