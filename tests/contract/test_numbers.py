"""Rules about numbers by psycopg and through PostgREST: the same rows, the same refusals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import BadInput, RequestIdReused, Stale
from core.linking import Linking, ruled_numbers
from core.settings import Settings


@pytest.fixture
def linking(gateway: Any) -> Linking:
    return Linking(gateway, Settings(actor="tester"))


def test_a_rule_is_set_read_changed_and_ended(linking: Linking, gateway: Any, request: pytest.FixtureRequest) -> None:
    number = f"+141555502{sum(map(ord, request.node.name)) % 100:02}"  # one for each way
    until = datetime.now(UTC) + timedelta(days=9)
    rule = linking.set_number_rule(number, "switchboard", reason="Front “desk”", until=until, request_id=number)
    assert rule is not None and (rule.never_link, rule.author, rule.expires_at) == (True, "tester", until)
    again = linking.set_number_rule(number, "switchboard", reason="Front “desk”", until=until, request_id=number)
    assert again == rule
    assert ruled_numbers.never_linked(gateway)[number] == rule
    with pytest.raises(RequestIdReused):
        linking.set_number_rule(number, "test", request_id=number)
    with pytest.raises(Stale):
        linking.end_number_rule(number, expect=None)
    told = linking.number(number)
    assert told.rule == rule and told.figures.calls == 0 and told.page.items == ()
    ended = linking.end_number_rule(number, reason="Gone", expect=rule.id)
    assert ended is not None and ended.end_reason == "Gone"
    assert linking.end_number_rule(number) is None
    assert number not in ruled_numbers.in_force(gateway)


def test_what_the_database_refuses(gateway: Any) -> None:
    with pytest.raises(BadInput, match="E\\.164"):
        gateway.call("set_number_rule", p_number="555", p_verdict="test", p_options={})
    with pytest.raises(BadInput, match="expired"):
        options = {"expires_at": "2020-01-01T00:00:00+00:00"}
        gateway.call("set_number_rule", p_number="+14155550299", p_verdict="test", p_options=options)
