"""The commands ``number`` and ``number-rule``."""

import pytest

from tests.database.outside import Connection, add_call, add_lead, sid
from tests.database.test_cli import Run, run

__all__ = ["run"]
NUMBER = "+14155550199"


def test_a_number_and_its_rule(run: Run, connection: Connection) -> None:
    lead = add_lead(connection, "Ada", phone="(415) 555-0199")
    add_call(connection, 1, counterpart=NUMBER)
    told = run("number", "(415)", "555-0199", "--json").json
    assert (told["number"], told["verdict"], told["rule"], told["calls"]) == (NUMBER, None, None, 1)
    assert [each["lead_id"] for each in told["leads"]] == [lead]
    assert [(item["call_sid"], item["state"]) for item in told["items"]] == [(sid(1), "unlinked")]
    rule = run(
        "number-rule", "set", NUMBER, "--verdict", "switchboard", "--reason", "Hotel", "--actor", "ana", "--until",
        "2100-01-01", "--json",
    ).json  # fmt: skip
    assert (rule["verdict"], rule["never_link"], rule["author"], rule["reason"]) == (
        "switchboard",
        True,
        "ana",
        "Hotel",
    )
    assert rule["expires_at"] == "2100-01-01T00:00:00+00:00"
    shown = run("number", NUMBER).out
    assert "never linked automatically: switchboard (ana, " in shown and ": Hotel)" in shown and sid(1) in shown
    assert run("number-rule", "end", NUMBER, "--actor", "bo", "--expect-rule", str(rule["id"])).code == 0
    assert "Nothing changed" in run("number-rule", "end", NUMBER).out
    assert run("number", NUMBER, "--json").json["past_rules"][0]["ended_by"] == "bo"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("number", "nonsense"), 2),
        (("number-rule", "set", NUMBER), 2),
        (("number-rule", "set", NUMBER, "--verdict", "villain"), 2),
        (("number-rule", "burn", NUMBER), 2),
        (("number-rule", "end", NUMBER, "--verdict", "test"), 2),
        (("number-rule", "set", NUMBER, "--verdict", "test", "--until", "yesterday"), 2),
        (("number-rule", "set", NUMBER, "--verdict", "test", "--until", "2020-01-01"), 2),
        (("number-rule", "set", NUMBER, "--verdict", "test", "--expect-rule", "99"), 4),
    ],
)
def test_what_cannot_be_meant(run: Run, words: tuple[str, ...], code: int) -> None:
    answer = run(*words)
    assert answer.code == code and answer.err.startswith("error: ")
