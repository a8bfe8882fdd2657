"""Secrets in lines that are cut because they are too long."""

from __future__ import annotations

import random

import pytest

from fyke.domain.secrets.masking import Masker
from fyke.runner.output import MAX_PENDING, OutputLines

VALUE = "correct horse battery staple"
MASKER = Masker({"LOGIN": VALUE})


def lines_of(text: str, sizes: list[int]) -> list[str]:
    """Return the log lines of a text that is read in chunks of ``sizes``."""
    lines, found, at = OutputLines(MASKER.text, MASKER.longest), [], 0
    data = text.encode()
    for size in sizes:
        found += lines.feed("stdout", data[at : at + size])
        at += size
    found += lines.feed("stdout", data[at:])
    return [MASKER.text(line) for line in [*found, *(text for _, text in lines.rest())]]


@pytest.mark.parametrize("shift", range(-40, 12, 3))
def test_a_value_across_a_cut_is_masked(shift: int) -> None:
    before = "a" * (MAX_PENDING + shift)
    for rest in ("", "b" * 10, "b" * MAX_PENDING):
        joined = "".join(lines_of(before + VALUE + rest, []))
        assert joined == f"{before}***LOGIN***{rest}"


@pytest.mark.slow
def test_values_are_masked_at_any_place_and_chunk_size() -> None:
    random.seed(5)
    for _ in range(60):
        places = sorted(random.randrange(3 * MAX_PENDING) for _ in range(5))
        text, at = "", 0
        for place in places:
            text += "a" * (place - at) + VALUE
            at = place
        pieces = [random.choice((1, 7, 4096, 65536)) for _ in range(40)]
        joined = "".join(lines_of(text, pieces))
        assert VALUE not in joined
        assert all(VALUE[:n] + "***" not in joined for n in range(4, len(VALUE)))
        assert joined.replace("***LOGIN***", VALUE) == text


def test_output_is_not_held_back_indefinitely() -> None:
    lines = OutputLines(MASKER.text, MASKER.longest)
    pieces = [line for _ in range(50) for line in lines.feed("stdout", b"z" * MAX_PENDING)]
    assert len("".join(pieces)) >= 49 * MAX_PENDING - MASKER.longest
    assert max(map(len, pieces)) == MAX_PENDING
