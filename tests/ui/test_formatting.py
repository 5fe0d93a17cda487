"""Facts as words: pure functions."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.model import causes
from core.model.records import LinkEvent
from dashboard import formatting

NOW = datetime(2026, 11, 22, 13, 0, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0, "0s"), (48, "48s"), (60, "1m 00s"), (192, "3m 12s"), (3840, "1h 04m"), (-5, "0s")],
)
def test_duration(seconds: int | None, words: str) -> None:
    assert formatting.duration(seconds) == words


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(minutes=12, seconds=40), "12 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=35), "35 d ago"),
        (timedelta(days=100), "3 months ago"),
        (timedelta(days=1000), "2 years ago"),
        (timedelta(minutes=-5), "in 5 min"),
    ],
)
def test_relative(ago: timedelta, words: str) -> None:
    assert formatting.relative(NOW - ago, now=NOW) == words


def test_times_are_in_the_viewers_zone() -> None:
    assert formatting.exact(NOW, BERLIN) == "22 Nov 2026, 14:00:00 CET"
    assert formatting.clock(NOW, BERLIN, now=NOW) == "14:00:00"
    assert formatting.clock(NOW - timedelta(days=2), BERLIN, now=NOW) == "20 Nov 14:00"
    assert formatting.clock(NOW - timedelta(days=400), BERLIN, now=NOW) == "18 Oct 2025 15:00"


@pytest.mark.parametrize("name", [None, "", "Nowhere/Atlantis", "../etc/passwd"])
def test_an_unknown_zone_is_read_as_utc(name: str | None) -> None:
    assert formatting.zone_of(name).key == "UTC"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+14155552671", "+1 415 555 2671"),
        ("+441632960564", "+44 1632 960564"),
        (None, "–"),
        ("anonymous", "anonymous"),
        ("+", "+"),
        ("(415) 555-2671", "(415) 555-2671"),
    ],
)
def test_phone(number: str | None, shown: str) -> None:
    assert formatting.phone(number) == shown


def test_short_sid() -> None:
    assert formatting.short_sid("CA3f" + "0" * 26 + "9c1e") == "CA3f…9c1e"
    assert formatting.short_sid("CA_short") == "CA_short"


def test_every_cause_has_its_words() -> None:
    assert set(formatting.CAUSE_WORDS) == set(causes.CAUSES)
    assert formatting.words("format_mismatch") == "format mismatch"
    assert formatting.words("something_new") == "something new"
    assert formatting.words(None) == "–"


@pytest.mark.parametrize(
    "text", ["*bold*", "[x](http://evil.example)", "![i](http://evil.example/i.png)", "`code`", "a|b"]
)
def test_free_text_is_never_markup(text: str) -> None:
    shown = formatting.plain(text)
    for sign in "*[]()`|!":
        assert shown.count(sign) == shown.count(f"\\{sign}")


def test_long_text_is_clipped_on_one_line() -> None:
    assert formatting.clip("a\n b", 10) == "a b"
    assert len(formatting.clip("x" * 500, 80)) == 80


def test_white_space_that_makes_a_difference_is_seen() -> None:
    assert formatting.visible("CAab\t ") == "CAab⇥␣"


def test_digits_that_mean_withheld_are_no_number() -> None:
    assert formatting.phone("+266696687") == "withheld"
    assert formatting.phone("+14155550100") == "+1 415 555 0100"


def test_counts_and_shares() -> None:
    assert formatting.count(1, "call") == "1 call"
    assert formatting.count(1204, "call") == "1,204 calls"
    assert formatting.share(931, 1000) == "93.1 %"
    assert formatting.share(0, 0) == "–"


@pytest.mark.parametrize(
    ("action", "before", "after", "words"),
    [
        ("link", {"call_lead": None}, {"call_lead": 2, "leads": {"2": "CAx"}}, "linked to lead 2 as its current call"),
        ("link", {"call_lead": None}, {"call_lead": 2, "leads": {}}, "linked to lead 2 as history"),
        ("unlink", {"call_lead": 2}, {"call_lead": None}, "unlinked from lead 2"),
        ("relink", {"call_lead": 2}, {"call_lead": 3, "leads": {"2": None, "3": "CAx"}},
         "moved from lead 2 to lead 3 as its current call"),
        ("set_aside", {"call_lead": None}, {"call_lead": None, "set_aside": True}, "set aside"),
        ("undo", {"call_lead": 2}, {"call_lead": None}, "change 7 undone: unlinked"),
        ("something_new", {}, {}, "something new"),
    ],
)  # fmt: skip
def test_event_words(action: str, before: dict, after: dict, words: str) -> None:
    event = LinkEvent(8, NOW, "ana", "person", action, "CAx", 2, before, after, undoes=7)
    assert formatting.event_words(event) == words


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("person", "ana"),
        ("outside", "another program (ana)"),
        ("baseline", "installation"),
        ("worker", "worker link (ana)"),
    ],
)
def test_actor_words(source: str, words: str) -> None:
    event = LinkEvent(8, NOW, "ana", source, "link", "CAx", 2, {}, {})
    assert formatting.actor_words(event) == words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("number is empty", "Number is empty"),
        ("leads.phone is empty", "leads.phone is empty"),
        ("lead_id is 0", "lead_id is 0"),
        ("gone.", "Gone."),
        ("", ""),
    ],
)
def test_sentences_begin_with_a_capital_and_names_stay_as_they_are(text: str, told: str) -> None:
    assert formatting.sentence(text) == told
