"""What ``bench/browser_costs.py`` attributes to a step, and the order in which it takes things."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import Mock

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

from browser_costs import Steps, turns


def test_a_step_has_what_was_used_since_the_mark_before() -> None:
    # each mark reads twice: what it costs itself belongs to no step
    readings = [1.0, 2.0, 5.0, 6.0, 10.0, 10.0, 11.0, 13.0, 13.0, 20.0]
    meter = Mock(read=Mock(side_effect=[{"gateway": value} for value in readings]))
    steps = Steps(meter)
    steps.mark("start")
    steps.mark("page")
    steps.begin()
    steps.mark("start")
    steps.mark("page")
    steps.mark("page")
    assert steps.rounds == {"page": [{"gateway": 3.0}, {"gateway": 1.0}, {"gateway": 0.0}]}
    assert steps.median("page") == {"gateway": 1.0}
    steps.forget_first()
    assert steps.median("page") == {"gateway": 0.5}


def test_neither_of_two_is_always_the_first_of_a_round() -> None:
    assert turns(["with", "without"], 2) == [
        "with",
        "without",
        "without",
        "with",
        "with",
        "without",
    ]
