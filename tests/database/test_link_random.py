"""Any sequence of commands by several people, mixed with outside writers, keeps what the link rules promise."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.database.link_machine import machine

QUICK = settings(
    max_examples=70, stateful_step_count=30, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
"""The same sequences in every run; ``make test-load`` draws new ones, and more."""


@pytest.mark.parametrize("unique", [True, False], ids=["with UNIQUE", "before UNIQUE"])
def test_any_sequence_of_commands_and_outside_writes_follows_the_rules(pg18: Any, unique: bool) -> None:
    run_state_machine_as_test(machine(pg18, unique=unique), settings=QUICK)
