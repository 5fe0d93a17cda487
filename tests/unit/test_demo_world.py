"""The demo's world, before anything is written: complete, fictional, believable, the same for the same seed."""

import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import phonenumbers
import pytest

from core.demo.numbers import ABROAD_STYLES, FICTIONAL, NANP_STYLES, OWN_NUMBERS, WITHHELD, FictionalRange, is_fictional
from core.demo.rows import World
from core.demo.scenes import SCENES, pending
from core.demo.stage import Stage
from core.demo.world import LEAST_CALLS, PENDING_CALLS, make_world
from core.errors import BadInput

NOW = datetime(2026, 3, 4, 16, 20, tzinfo=UTC)
CAUSES = {
    "pending",
    "unlinked_by_hand",
    "link_write_failed",
    "lead_deleted",
    "no_numbers",
    "own_numbers_only",
    "withheld_caller",
    "several_leads",
    "missed_match",
    "format_mismatch",
    "no_matching_lead",
    "unknown",
}
CONFLICTS = {"duplicate_event_rows", "contradicting_event_rows", "sid_variant", "two_leads_claim", "rejected_link"}
SEEDS = (0, 1, 7, 42, 2026)


@pytest.fixture(scope="module", params=SEEDS, ids=lambda seed: f"seed {seed}")
def world(request: pytest.FixtureRequest) -> World:
    return make_world(600, request.param, NOW)


def test_same_seed_same_world() -> None:
    assert make_world(300, 5, NOW) == make_world(300, 5, NOW)
    assert make_world(300, 5, NOW) != make_world(300, 6, NOW)


def test_a_naive_moment_is_read_as_utc() -> None:
    assert make_world(150, 5, NOW.replace(tzinfo=None)) == make_world(150, 5, NOW)


@pytest.mark.parametrize("calls", [LEAST_CALLS, 137, 600])
def test_exactly_so_many_calls(calls: int) -> None:
    world = make_world(calls, 3, NOW)
    seen = {row.call_sid for row in (*world.events, *world.transcripts)}
    seen |= {write.call_sid for wave in world.waves for write in wave}
    assert len(world.expected) == calls
    assert seen == set(world.expected)


def test_too_few_calls_are_raised_and_nonsense_is_refused() -> None:
    assert len(make_world(1, 3, NOW).expected) == LEAST_CALLS
    for calls in (0, -5, 100_001):
        with pytest.raises(BadInput, match="expected 1 to 100,000"):
            make_world(calls, 3, NOW)


@pytest.mark.parametrize("seed", range(40))
def test_scenes_fit_into_the_smallest_world(seed: int) -> None:
    stage = Stage(seed, NOW)
    for scene in SCENES:
        scene.play(stage, scene.size(LEAST_CALLS))
    pending(stage, PENDING_CALLS)
    assert len(stage.expected) <= LEAST_CALLS - 5


def test_every_cause_occurs(world: World) -> None:
    assert set(world.expected.values()) == CAUSES | {"linked", "set_aside"}


def test_every_conflict_kind_occurs(world: World) -> None:
    assert set(world.conflicts) == CONFLICTS


def test_most_calls_are_linked() -> None:
    states = Counter(make_world(2_000, 7, NOW).expected.values())
    assert 0.85 <= states["linked"] / 2_000 <= 0.92


def test_conflicts_are_in_the_rows(world: World) -> None:
    rows = Counter(row.call_sid for row in world.events)
    numbers = defaultdict(set)
    for row in world.events:
        if row.from_number:
            numbers[row.call_sid].add((row.direction, row.from_number, row.to_number))
    assert all(rows[sid] > 1 for sid in world.conflicts["duplicate_event_rows"])
    assert all(len(numbers[sid]) > 1 for sid in world.conflicts["contradicting_event_rows"])
    assert all(len(numbers[sid]) == 1 for sid in world.conflicts["duplicate_event_rows"])
    folded = Counter(sid.strip().lower() for sid in world.conflicts["sid_variant"])
    assert set(folded.values()) == {2}
    notes = [lead.notes or "" for lead in world.leads]
    written = [write.notes or "" for wave in world.waves for write in wave]
    for sid in world.conflicts["two_leads_claim"]:
        assert sum(sid in note for note in notes + written) == 2


def test_every_number_is_fictional(world: World) -> None:
    for lead in world.leads:
        assert lead.phone is not None
        assert is_fictional(_e164(lead.phone)), lead.phone
    parties = {number for row in world.events for number in (row.from_number, row.to_number) if number}
    plain = parties - set(WITHHELD)
    assert all(is_fictional(number) or number.startswith(("client:", "sip:")) for number in plain)
    assert set(OWN_NUMBERS) <= parties


def test_every_address_is_an_example(world: World) -> None:
    address = re.compile(r"[a-z0-9.]+@([a-z0-9]+\.example|([a-z]+\.)?example\.(com|net|org))")
    for lead in world.leads:
        assert lead.email is None or address.fullmatch(lead.email)


def test_numbers_are_written_by_many_hands(world: World) -> None:
    shapes = {re.sub(r"\d", "9", lead.phone or "") for lead in world.leads}
    assert len(shapes) >= 12


@pytest.mark.parametrize("place", FICTIONAL[:: len(FICTIONAL) // 25], ids=lambda place: place.prefix)
def test_hands_keep_the_number(place: FictionalRange) -> None:
    number = place.number(place.size - 1)
    assert place.holds(number) and len(number) <= 16
    assert phonenumbers.is_possible_number(phonenumbers.parse(number))
    for style in NANP_STYLES if number.startswith("+1") else ABROAD_STYLES:
        assert style(number) != number
        assert _e164(style(number)) == number


def test_leads_that_may_be_dialled_are_there(world: World) -> None:
    taken = {write.lead for wave in world.waves for write in wave} | {repair.lead for repair in world.repairs}
    fresh = [lead for lead in world.leads if lead.lead_status == "new" and lead.key not in taken]
    assert sum(re.fullmatch(r"\+1\d{10}", lead.phone or "") is not None for lead in fresh) >= 5


def test_users_speak_late_and_end_in_a_newline(world: World) -> None:
    spoken = [row for row in world.transcripts if (row.role or row.speaker) == "user"]
    assert spoken and all((row.content or row.message or "").endswith("\n") for row in spoken)
    by_call = defaultdict(list)
    for row in world.transcripts:
        by_call[row.call_sid].append(row)
    late = [rows for rows in by_call.values() if any(a.role == b.role == "assistant" for a, b in pairwise(rows))]
    assert len(late) > len(by_call) / 20
    assert any(row.speaker for row in world.transcripts) and any(row.role for row in world.transcripts)


def test_conversations_vary(world: World) -> None:
    by_call = defaultdict(list)
    for row in world.transcripts:
        by_call[row.call_sid].append(row.content or row.message or "")
    whole = Counter("".join(lines) for lines in by_call.values() if len(lines) > 4)
    assert whole.most_common(1)[0][1] <= 2
    assert not any("{" in line for lines in by_call.values() for line in lines)


def test_stuck_and_late_statuses_and_odd_sids_occur(world: World) -> None:
    old = [row for row in world.events if NOW - row.created_at > timedelta(days=1)]
    open_rows = [row for row in old if row.call_status in ("in-progress", "ringing", "initiated")]
    assert any(row.call_duration for row in open_rows) and any(row.call_duration is None for row in open_rows)
    odd = [sid for sid in world.expected if not re.fullmatch(r"CA[0-9a-f]{32}", sid)]
    assert len(odd) >= 4 and all(len(sid) <= 50 for sid in odd)
    slots = {write.call_sid for wave in world.waves for write in wave}
    assert slots - {row.call_sid for row in (*world.events, *world.transcripts)}, "dangling links"


def test_time_is_a_business_week_up_to_now(world: World) -> None:
    starts = [row.created_at for row in world.events]
    assert max(starts) <= NOW and min(starts) >= NOW - timedelta(days=61)
    assert max(row.created_at for row in world.transcripts) <= NOW
    assert max(row.updated_at for row in world.events) <= NOW
    weekday = sum(start.weekday() < 5 for start in starts) / len(starts)
    office = sum(13 <= start.hour < 23 for start in starts) / len(starts)
    assert weekday > 0.9 and office > 0.9


def test_a_slot_is_written_for_one_lead_at_a_time(world: World) -> None:
    """The UNIQUE constraint must never be hit, whatever the order inside a wave."""
    taken: dict[int, str] = {}
    for wave in world.waves:
        assert len({write.lead for write in wave}) == len(wave)
        taken.update({write.lead: write.call_sid for write in wave})
        assert len(set(taken.values())) == len(taken)


def test_leads_keep_a_history_and_were_there_first(world: World) -> None:
    assert len(world.waves) >= 4
    created = {lead.key: lead.created_at for lead in world.leads}
    started = {row.call_sid: row.created_at for row in reversed(world.events)}
    for write in (write for wave in world.waves for write in wave if write.call_sid in started):
        assert created[write.lead] < started[write.call_sid]


def test_repairs_are_signed_and_mostly_explained(world: World) -> None:
    assert {repair.command for repair in world.repairs} == {
        "link_call",
        "unlink_call",
        "relink_call",
        "set_aside_call",
        "restore_call",
        "undo_link_event",
    }
    assert len({repair.actor for repair in world.repairs}) >= 3
    assert sum(bool(repair.reason) for repair in world.repairs) > len(world.repairs) * 0.7
    assert any(repair.batch for repair in world.repairs)
    for place, repair in enumerate(world.repairs):
        if repair.undoes is not None:
            assert repair.undoes < place and world.repairs[repair.undoes].call_sid == repair.call_sid


def _e164(text: str) -> str:
    cleaned = re.sub(r"\.0$", "", text.strip())
    cleaned = "+" + cleaned[2:] if cleaned.startswith("00") else cleaned
    for region in ("US", "GB", "AU", "FR", "DE"):
        number = phonenumbers.parse(cleaned, region)
        found = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if is_fictional(found):
            return found
    return found
