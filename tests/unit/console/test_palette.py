"""The keys that open the palette."""

from __future__ import annotations

import os
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.mark.needs("node")
def test_control_k_is_left_to_a_mac() -> None:
    script = files("fyke.console") / "static" / "js" / "palette.js"
    ended = subprocess.run(
        ["node", "--test", Path(__file__).with_name("palette.test.mjs")],
        env=os.environ | {"PALETTE_JS": str(script)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
