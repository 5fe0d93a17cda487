"""Conflicts in words, and which SID is the right one."""

import pytest

from core.model.conflicts import Conflict, changed_columns, listed, sentence, standard_sid, to_normalise

SID = "CA" + "0a" * 16


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        (SID, SID),
        (SID.lower(), SID),
        (SID.upper(), SID),
        (f" {SID} ", SID),
        ("CA1234567890abcdef", "CA1234567890abcdef"),
        ("ca1234567890abcdef ", "ca1234567890abcdef"),
        (f"\t{SID}", f"\t{SID}"),
        ("XX" + "0a" * 16, "XX" + "0a" * 16),
    ],
)
def test_the_standard_writing_of_a_sid(written: str, standard: str) -> None:
    assert standard_sid(written) == standard
    assert standard_sid(standard) == standard


def conflict(kind: str, rows: int = 2, leads: tuple[int, ...] = (), sids: tuple[str, ...] = (SID,)) -> Conflict:
    return Conflict(kind, sids[0] if sids else None, None, leads, rows, sids, "merge_rows")  # type: ignore[arg-type]


def test_only_variants_are_rewritten() -> None:
    assert to_normalise(conflict("sid_variant", sids=(SID, SID.lower(), f"{SID} "))) == (SID.lower(), f"{SID} ")
    assert to_normalise(conflict("sid_variant", sids=("CA12", "ca12"))) == (), "nobody can say which is right"


def test_sentences() -> None:
    assert sentence(conflict("duplicate_event_rows", 3)) == "3 event rows describe this one call; merged they agree."
    assert sentence(conflict("two_leads_claim", leads=(4, 9))).startswith("Leads 4 and 9 claim this call")
    assert "in 2 ways" in sentence(conflict("sid_variant", sids=(SID, SID.lower())))
    assert "nothing stands in the way" in sentence(conflict("missing_constraint", 0, sids=()))
    assert "1 SID stands" in sentence(conflict("missing_constraint", 1, sids=()))
    assert "different numbers" in sentence(conflict("contradicting_event_rows"))


def test_ids_as_words() -> None:
    assert [listed(range(1, n)) for n in (1, 2, 3, 6, 7, 9)] == [
        "", "1", "1 and 2", "1, 2, 3, 4 and 5", "1, 2, 3, 4, 5 and 1 other", "1, 2, 3, 4, 5 and 3 others",
    ]  # fmt: skip


def test_which_columns_differ() -> None:
    rows = [
        {"id": 1, "to_number": "+1", "duration": None, "created_at": "a"},
        {"id": 2, "to_number": "+2", "duration": " "},
    ]
    assert changed_columns(rows) == ("to_number",)
    assert changed_columns([]) == changed_columns(rows[:1]) == ()
