"""One typographic system: a font of ours, three weights with a rule for each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from fyke.console import statics
from fyke.console.statics import Statics
from fyke.console.view import CONTENT_POLICY

ROOT = Path(__file__).parents[3]
STATIC = Path(statics.__file__).parent / "static"
SHEETS = {sheet.name: sheet.read_text("utf-8") for sheet in (STATIC / "css").glob("*.css")}
KIB = 1024


def test_the_font_is_the_one_that_its_script_writes() -> None:
    done = subprocess.run([sys.executable, ROOT / "script" / "font", "--check"], text=True)
    assert done.returncode == 0


def test_the_font_is_small_and_beside_its_licence() -> None:
    font = (STATIC / "font" / "inter.woff2").read_bytes()
    assert font[:4] == b"wOF2" and len(font) <= 50 * KIB
    assert "SIL OPEN FONT LICENSE" in (STATIC / "font" / "LICENSE").read_text("utf-8")
    assert Statics()._files["font/inter.woff2"].media_type == "font/woff2"


def test_pages_may_load_the_font_from_this_server_alone() -> None:
    assert "font-src 'self';" in CONTENT_POLICY
    addresses = re.findall(r"url\(\"?([^\")]+)", SHEETS["1-font.css"])
    assert addresses == ["font/inter.woff2"]  # beside app.css


def test_every_weight_is_one_of_the_three() -> None:
    found = {
        (name, weight)
        for name, text in SHEETS.items()
        if name != "1-font.css"
        for weight in re.findall(r"font-weight:\s*([^;}]+)", text)
        if weight not in ("var(--reads)", "var(--acts)", "var(--leads)")
    }
    assert found == set()
    tokens = re.findall(r"--(?:reads|acts|leads): (\d+);", SHEETS["1-tokens.css"])
    assert tokens == ["400", "500", "600"]
