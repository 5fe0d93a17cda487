"""schemathesis tries to break the API by its own description, through the door, over a real server."""

import os
import subprocess
import sys
from pathlib import Path

from tests.api.conftest import Api

EXAMPLES = 40
CONFIGURATION = """
[[operations]]
include-name = "GET /api/calls"
# A cursor is one that an earlier page gave, and since lies before until: no schema says so.
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404"]
"""


def test_the_description_holds(api: Api, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.base}/openapi.json",
        "--header", f"Authorization: Bearer {api.tokens['operator']}",
        "--max-examples", str(EXAMPLES), "--seed", "20261122", "--checks", "all", "--workers", "1",
    ]  # fmt: skip
    environment = {**os.environ, "NO_COLOR": "1"}
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=600, cwd=tmp_path, env=environment, check=False
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
