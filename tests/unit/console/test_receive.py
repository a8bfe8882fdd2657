"""The script that receives an export in parts."""

from __future__ import annotations

import os
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.mark.needs("node")
def test_an_export_is_received_in_parts() -> None:
    script = files("fyke.console") / "static" / "js" / "receive.js"
    ended = subprocess.run(
        ["node", "--test", Path(__file__).with_name("receive.test.mjs")],
        env=os.environ | {"RECEIVE_JS": str(script)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
