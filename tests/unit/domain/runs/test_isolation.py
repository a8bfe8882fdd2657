"""Which Workers a runner carries out, by its level."""

from __future__ import annotations

import pytest

from fyke.domain.runs.isolation import refusal, refusal_of_builds
from fyke.model.runner import RunnerInfo
from support.memory import a_version, a_worker


def runner(level: str, *, unsafe: bool = False) -> RunnerInfo:
    return RunnerInfo("r", "node", level, "no controller", 1, 512, 0, unsafe=unsafe)


@pytest.mark.parametrize(
    ("levels", "own", "refused"),
    [
        ((), False, False),
        (("full",), False, False),
        (("no-limits",), True, False),
        (("no-limits",), False, True),
        (("none",), True, True),
        (("none", "no-limits"), True, False),
        (("no-limits", "full"), False, False),
    ],
)
def test_one_runner_that_carries_it_is_enough(
    levels: tuple[str, ...], own: bool, refused: bool
) -> None:
    said = refusal([runner(level) for level in levels], own=own)
    assert bool(said) is refused
    assert not said or f'at level "{levels[0]}" (no controller)' in said


def test_an_unsafe_runner_carries_out_everything() -> None:
    assert refusal([runner("none", unsafe=True)], own=False) == ""


def test_only_what_asks_for_builds_needs_leave() -> None:
    worker = a_worker("acme")
    asking = a_version(worker.id, builds=True)
    assert "has not allowed that" in refusal_of_builds(worker, asking)
    assert refusal_of_builds(worker, a_version(worker.id)) == ""
    assert refusal_of_builds(a_worker("acme", builds_allowed=True), asking) == ""
