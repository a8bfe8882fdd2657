"""The results of ``bench/browser_sessions.py`` accumulate in a file, and the page shows them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

from browser_sessions import (
    Sample,
    Sitting,
    growth,
    note_samples,
    page_part,
    read_sittings,
    sessions_of,
    store,
)


def test_growth_is_the_slope_of_all_samples() -> None:
    samples = [Sample(sessions, 9000 + sessions // 10, 20) for sessions in range(0, 1000, 50)]
    assert growth(samples) == pytest.approx(100)
    outlier = [*samples[:-1], Sample(950, 20_000, 20)]
    assert growth(outlier) > 1000
    assert growth(samples[:1]) == 0


def test_a_call_continues_what_others_have_stored(tmp_path: Path) -> None:
    path = tmp_path / "sessions.toml"
    assert read_sittings(path) == []
    older = Sitting("abc", "2026-11-29 05:00", sessions=300)
    store(path, older)
    sitting = Sitting("def", "2026-11-29 06:00")
    samples = {"runner": [Sample(50, 2048, 30), Sample(100, 3072, 31)]}
    for sessions in (50, 100):
        sitting.sessions = sessions
        note_samples(sitting, samples)
        store(path, sitting)
    assert read_sittings(path) == [older, sitting]
    assert sessions_of(read_sittings(path), "def") == 100
    assert sitting.memory == {"runner": [2.0, 3.0, 20480.0]}
    assert sitting.descriptors == {"runner": [30, 31]}


def test_the_page_names_commits_and_what_was_left() -> None:
    sittings = [
        Sitting("abc", "2026-11-28 05:00", 300, wrong=1),
        Sitting("abc", "2026-11-29 05:00", 700, left=2, memory={"egress": [31.25, 31.5, 12.4]}),
    ]
    sittings[1].descriptors = {"egress": [16, 17]}
    part = page_part(sittings)
    assert "| `abc` | 1,000 | 1 | 2 | 2026-11-28 to 2026-11-29 |" in part
    assert "| egress | 31.2 to 31.5 | 12 | 16 to 17 |" in part
