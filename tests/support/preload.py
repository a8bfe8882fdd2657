"""Runs the scenarios of ``preload_process.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROGRAM = [sys.executable, str(HERE / "preload_process.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent)}


def run_scenario(scenario: str) -> Any:
    completed = subprocess.run(
        [*PROGRAM, scenario],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)
