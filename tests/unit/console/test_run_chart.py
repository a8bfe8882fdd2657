"""The script that draws the usage of a run."""

from __future__ import annotations

import os
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.mark.needs("node")
def test_marks_and_units_of_the_charts() -> None:
    script = files("fyke.console") / "static" / "js" / "run-chart.js"
    ended = subprocess.run(
        ["node", "--test", Path(__file__).with_name("run_chart.test.mjs")],
        env=os.environ | {"RUN_CHART_JS": str(script)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
