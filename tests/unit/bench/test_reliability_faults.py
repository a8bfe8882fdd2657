"""Several faults of one round, and what they are together."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

from reliability.faults import Kind, inject
from reliability.stage import Injected, Stage


@pytest.fixture
def site() -> Stage:
    return object.__new__(Stage)


def injected(stage: Stage, faults: Sequence[Injected]) -> tuple[Injected, int]:
    """The whole, and how many of ``faults`` were not injected."""
    waiting, number = list(faults), len(faults)
    kind = Kind("kill", {}, lambda stage, rng: waiting.pop(0), faults=(number, number), gap=0)
    return inject(kind, stage, random.Random(1)), len(waiting)


def test_faults_of_a_round_are_added_up(site: Stage) -> None:
    faults = [
        Injected(["server"], 1.0, harmless=True, paused=2.0),
        Injected(["runner"], 5.0, paused=3.0),
        Injected(["egress"], 9.0, harmless=True, findings=["one"]),
    ]
    whole, left = injected(site, faults)
    assert whole == Injected(
        ["server", "runner", "egress"], 9.0, paused=5.0, seen=[], down=[], left=[], findings=["one"]
    )
    assert left == 0
    assert injected(site, faults[:1])[0].harmless


@pytest.mark.parametrize("wrong", [{"down": ["it did not start"]}, {"left": ["process 7"]}])
def test_nothing_is_injected_after_what_went_wrong(site: Stage, wrong: dict[str, Any]) -> None:
    faults = [Injected(["tree"], 1.0, **wrong), Injected(["server"], 2.0)]
    whole, left = injected(site, faults)
    assert (whole.targets, left) == (["tree"], 1)
    assert [*whole.down, *whole.left] == next(iter(wrong.values()))
