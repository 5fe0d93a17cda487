"""Random link sequences for minutes, on both servers. PATCHBAY_LOAD_EXAMPLES (default 600): sequences of each kind."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.database.link_machine import machine

LONG = settings(
    max_examples=int(os.environ.get("PATCHBAY_LOAD_EXAMPLES", "600")), stateful_step_count=60, deadline=None,
    database=None, print_blob=True, suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.load
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("unique", [True, False], ids=["with UNIQUE", "before UNIQUE"])
@pytest.mark.parametrize("server", ["pg15", "pg18"])
def test_new_sequences_follow_the_rules(request: pytest.FixtureRequest, server: str, unique: bool) -> None:
    cluster: Any = request.getfixturevalue(server)
    run_state_machine_as_test(machine(cluster, unique=unique), settings=LONG)
