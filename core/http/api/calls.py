"""``/api/calls`` and ``/api/link-events``: calls, what was said in them, and the repairs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from core.http.api.problems import documented
from core.http.api.requests import Reader, Writer
from core.http.api.shapes import LARGEST_EXACT, LINE, CallsPage, Done, Link, Moment, One, Repair, Transcript, Undo
from core.linking import Command, Options, WorklistFilter
from core.linking.commands import Action
from core.linking.worklist import View
from core.model.causes import Cause
from core.model.suspects import Suspect

router = APIRouter(tags=["calls"])

LARGEST_PAGE = 100
NUMBER = r"^[^\x00-\x1f\x7f-\x9f]*[0-9][^\x00-\x1f\x7f-\x9f]*[0-9][^\x00-\x1f\x7f-\x9f]*[0-9][^\x00-\x1f\x7f-\x9f]*$"
Sid = Annotated[str, Path(max_length=50, pattern=LINE, description="The call's SID, exactly.")]
Text = Annotated[str | None, Query(max_length=200, pattern=LINE)]
UNCHANGED = "Nothing changed."
NO_OPTIONS = Repair()
PLAIN_UNDO = Undo()


@router.get("/api/calls", responses=documented())
def list_calls(
    caller: Reader,
    unlinked: Annotated[bool | None, Query(description="True: only calls that are not tied to a lead.")] = None,
    view: Annotated[View | None, Query(description="Another worklist instead.")] = None,
    cause: Cause | Suspect | None = None,
    direction: Literal["inbound", "outbound"] | None = None,
    status: Text = None,
    number: Annotated[
        str | None, Query(max_length=100, pattern=NUMBER, description="A number, or at least 3 of its digits.")
    ] = None,
    text: Text = None,
    since: Moment | None = None,
    until: Moment | None = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_EXACT, description="At most 100 are given.")] = 50,
    after: Annotated[str | None, Query(max_length=400, description="The next of the page before.")] = None,
) -> CallsPage:
    """Calls, newest first: those of a worklist, or all of them."""
    chosen: View = view or ("unlinked" if unlinked or cause else "all")
    wanted = WorklistFilter(
        view=chosen,
        cause=cause,
        direction=direction,
        status=status,
        number=number,
        text=text,
        since=since,
        until=until,
    )
    page = caller.linking.worklist(wanted, limit=min(limit, LARGEST_PAGE), after=after)
    told = page.to_json(caller.linking.count(wanted))
    return CallsPage(data=told["items"], total=told["total"], next=told["next"])


@router.get("/api/calls/{callSid}", responses=documented(404))
def one_call(caller: Reader, callSid: Sid) -> One:
    """Everything about one call: events, transcripts, lead, stages, candidates, link events."""
    return One(data=caller.linking.story(callSid).to_json())


@router.get("/transcripts/{callSid}", responses=documented())
@router.get("/api/transcripts/{callSid}", responses=documented())
def transcript(caller: Reader, callSid: Sid) -> Transcript:
    """What was said in a call; empty for a call in which nothing was."""
    rows = caller.app.transcripts.find_by_call_sid(callSid)
    return Transcript(callSid=callSid, transcripts=rows, messageCount=len(rows))


@router.post("/api/calls/{callSid}/link", responses=documented(404, 409))
def link(caller: Writer, callSid: Sid, body: Link) -> Done:
    """This call belongs to this lead."""
    return _repair(caller, "link", callSid, body)


@router.post("/api/calls/{callSid}/relink", responses=documented(404, 409))
def relink(caller: Writer, callSid: Sid, body: Link) -> Done:
    """Move a linked call to another lead: one transaction."""
    return _repair(caller, "relink", callSid, body)


@router.post("/api/calls/{callSid}/unlink", responses=documented(404, 409))
def unlink(caller: Writer, callSid: Sid, body: Repair = NO_OPTIONS) -> Done:
    """This call belongs to no lead; automation leaves it alone from now on."""
    return _repair(caller, "unlink", callSid, body)


@router.post("/api/calls/{callSid}/set-aside", responses=documented(404, 409))
def set_aside(caller: Writer, callSid: Sid, body: Repair = NO_OPTIONS) -> Done:
    """Take an unlinked call off the worklist."""
    return _repair(caller, "set_aside", callSid, body)


@router.post("/api/calls/{callSid}/restore", responses=documented(404, 409))
def restore(caller: Writer, callSid: Sid, body: Repair = NO_OPTIONS) -> Done:
    """Put a call that was set aside back on the worklist."""
    return _repair(caller, "restore", callSid, body)


@router.post("/api/link-events/{event_id}/undo", responses=documented(404, 409))
def undo(caller: Writer, event_id: Annotated[int, Path(ge=1, le=LARGEST_EXACT)], body: Undo = PLAIN_UNDO) -> Done:
    """Take one link event back, if nothing that it left has changed since."""
    options = Options(reason=body.reason, request_id=caller.request_id)
    return _done(caller, Command("undo", event_id=event_id, options=options))


def _repair(caller: Writer, action: Action, call_sid: str, body: Link | Repair) -> Done:
    lead_id = body.lead_id if isinstance(body, Link) else None
    marked = body.mark_contacted
    options = Options(
        reason=body.reason,
        request_id=caller.request_id,
        current=isinstance(body, Link) and body.current,
        mark_contacted=tuple(marked) if isinstance(marked, list) else marked,
    )
    command = Command(action, call_sid, lead_id, options=options)
    expect = _expected(caller, command, body)
    return _done(caller, replace(command, options=replace(options, expect=expect or None)))


def _done(caller: Writer, command: Command) -> Done:
    event = caller.linking.run(command)
    return Done(data=None, message=UNCHANGED) if event is None else Done(data=event.to_json())


def _expected(caller: Writer, command: Command, body: Link | Repair) -> Mapping[str, Any]:
    """What the caller saw, as facts of an event's ``before`` (the command line's --expect-lead and --expect-call)."""
    facts: dict[str, Any] = {}
    if body.expect_lead is not None:
        facts["call_lead"] = None if body.expect_lead == "none" else body.expect_lead
    if body.expect_call is not None:
        owner = command.lead_id or facts.get("call_lead") or caller.linking.call(command.call_sid or "").lead_id
        slot = None if body.expect_call.lower() == "none" else body.expect_call
        if owner is not None:
            facts["leads"] = {str(owner): slot}
    return facts
