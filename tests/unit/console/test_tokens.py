"""The colours of the console: each pair that ``1-tokens.css`` names has enough contrast."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fyke.console import statics
from fyke.console.hues import HUES

CSS = Path(statics.__file__).parent / "static" / "css"
TOKENS = (CSS / "1-tokens.css").read_text(encoding="utf-8")
LIGHT_DARK = r"light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)"
COLOURS = {
    name: (light, dark) for name, light, dark in re.findall(rf"--([\w-]+): {LIGHT_DARK};", TOKENS)
}
NEEDED = {"text": 7.0, "mark": 3.0}
# name, what it is used as, the surfaces below it
NOTES = re.findall(rf"--([\w-]+): {LIGHT_DARK};\s*/\* (text|mark) on ([\w, -]+)", TOKENS)
PAIRS = [
    (name, use, ground.strip(), theme)
    for name, _, _, use, grounds in NOTES
    for ground in grounds.split(",")
    for theme in (0, 1)
]
# What is only ever a surface or a line that carries no meaning, and so is named on the right alone.
GROUNDS = {
    "page", "surface", "raised", "sunken", "line", "rim", "accent-strong", "accent-strong-hover",
    "accent-soft", "good-soft", "bad-soft", "bad-strong", "warn-soft", "busy-soft", "mute-soft",
    "mark", *(f"hue-{n}-soft" for n in range(HUES)),
}  # fmt: skip


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_ratio_is_computed_as_in_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize(("name", "use", "ground", "theme"), PAIRS)
def test_each_pair_has_enough_contrast(name: str, use: str, ground: str, theme: int) -> None:
    ratio = contrast(COLOURS[name][theme], COLOURS[ground][theme])
    assert ratio >= NEEDED[use], f"--{name} on --{ground}, {('light', 'dark')[theme]}: {ratio:.2f}"


def test_every_colour_is_a_background_or_names_its_background() -> None:
    with_background = {name for name, *_ in NOTES}
    assert len(NOTES) >= 15
    assert with_background | GROUNDS == set(COLOURS)
    assert with_background & GROUNDS == set()


def test_no_other_style_sheet_contains_a_colour() -> None:
    named = {
        (sheet.name, found)
        for sheet in CSS.glob("*.css")
        if sheet.name != "1-tokens.css"
        for found in re.findall(
            r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|\brgba?\([^)]*\)|\bhsla?\([^)]*\)", sheet.read_text()
        )
    }
    assert named == set()
