"""Schemathesis makes requests from the API document, valid and not, and looks whether the server keeps its word."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.daemon.api.test_openapi import DescribingExecutor
from tests.daemon.conftest import Start

# No made-up file is a picture.
EXCLUDED = "positive_data_acceptance"
# An empty value in a query counts as none.
CONFIG = """
[parameters]
"path.task_id" = "{task}"

[[operations]]
include-path = "/api/queue/history"
checks.negative_data_rejection.enabled = false

# All values of a form are texts, and JSON may hold the same ones: "0" is a boolean too.
[[operations]]
include-path-regex = "/api/(process|preview|tasks/.*/again|uploads/.*/submit|presets/.*)$"
checks.negative_data_rejection.enabled = false

# As far as the server knows, a model may be called so, and be removed.
[[operations]]
include-path-regex = "/api/models/(pull|switch)$"
checks.allow_header_conformance.enabled = false
"""


ITS_OWN_FAULT = "Unsupported type: 'Binary'"
RUNS = 4


@pytest.mark.long
@pytest.mark.skipif(find_spec("schemathesis") is None, reason="Schemathesis is not installed: pip install -e '.[dev]'")
def test_the_server_keeps_its_word(start: Start, tmp_path: Path) -> None:
    running = start(DescribingExecutor())
    task = running.submit()
    running.finished(task)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(task=task))
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config),
        "run", f"{running.service.url}/openapi.json",
        # Streams do not end, and a deleted task leaves the rest nothing to ask for.
        "--exclude-path-regex", "events", "--exclude-method", "DELETE",
        "--exclude-checks", EXCLUDED, "--max-examples", "200", "--request-timeout", "60", "--no-color",
    ]  # fmt: skip
    for _ in range(RUNS):
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=3000, check=False)
        # With some seeds it stumbles over a file that it made up itself, and ends without a word on the server.
        if ITS_OWN_FAULT not in ended.stdout or "= FAILURES =" in ended.stdout:
            break
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]
    assert list(running.service.context.uploads.glob("*/.part")) == []
