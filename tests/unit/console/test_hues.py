"""The colours of Workers."""

from __future__ import annotations

import re
from colorsys import rgb_to_hls
from pathlib import Path

from fyke.console import statics
from fyke.console.hues import HUES, hue_of

CSS = Path(statics.__file__).parent / "static" / "css"


def test_a_worker_keeps_its_colour_and_others_have_others() -> None:
    assert hue_of("ada/prices") == hue_of("ada/prices")
    found = {hue_of(f"ada/worker-{n}") for n in range(100)}
    assert found == {f"hue-{n}" for n in range(HUES)}


def test_every_colour_has_its_tokens_and_its_class() -> None:
    tokens = (CSS / "1-tokens.css").read_text("utf-8")
    classes = (CSS / "6-workers.css").read_text("utf-8")
    assert len(re.findall(r"--hue-\d+:", tokens)) == HUES
    assert len(re.findall(r"--hue-\d+-soft:", tokens)) == HUES
    assert len(re.findall(r"^\.hue-\d+ \{", classes, re.MULTILINE)) == HUES


def test_no_worker_is_red_or_green_like_the_state_of_a_run() -> None:
    tokens = (CSS / "1-tokens.css").read_text("utf-8")
    for colour in re.findall(r"--hue-\d+: light-dark\(#([0-9a-f]{6})", tokens):
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
        degrees = rgb_to_hls(red, green, blue)[0] * 360
        assert 15 < degrees < 75 or 165 < degrees < 335, colour
