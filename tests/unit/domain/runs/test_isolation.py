"""Which Workers a runner executes, by its level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.runs.isolation import can_run, placement_of, refusal, refusal_of_builds
from fyke.model.placement import Placement
from fyke.model.runner import RunnerInfo
from fyke.reasons import Reason, ReasonCode
from support import records
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
def test_one_suitable_runner_is_enough(levels: tuple[str, ...], own: bool, refused: bool) -> None:
    said = refusal([runner(level) for level in levels], own=own)
    code = {"none": ReasonCode.ISOLATION_MISSING, "no-limits": ReasonCode.LIMITS_MISSING}
    assert (said.code if said else None) == (code[levels[0]] if refused else None)
    assert said is None or said.params["detail"] == "no controller"


PLACED = replace(runner("full"), pool="eu", labels={"gpu": "yes", "region": "DE"})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pool": "eu"}, True),
        ({}, False),
        ({"pool": "eu", "labels": {"gpu": "yes"}}, True),
        ({"pool": "eu", "labels": {"gpu": "no"}}, False),
        ({"pool": "eu", "labels": {"gpu": "yes", "disk": "ssd"}}, False),
        ({"pool": "eu", "region": "DE", "region_of_node": True}, True),
        ({"pool": "eu", "region": "FR", "region_of_node": True}, False),
        ({"pool": "eu", "region": "FR"}, True),
        ({"pool": "eu", "cpus": 2}, False),
        ({"pool": "eu", "browser_required": True}, False),
    ],
)
def test_a_runner_takes_runs_that_its_machine_fits(changes: dict[str, Any], expected: bool) -> None:
    assert can_run(PLACED, records.run("A", "W", **changes)) is expected


def test_a_runner_without_limits_takes_only_runs_of_the_operators_workers() -> None:
    limited = replace(PLACED, isolation="no-limits")
    assert not can_run(limited, records.run("A", "W", pool="eu"))
    assert can_run(limited, records.run("A", "W", pool="eu", operators_worker=True))
    labels = (("gpu", "yes"), ("region", "DE"))
    assert placement_of(limited) == Placement("eu", labels, operators_only=True)
    assert placement_of(PLACED) == Placement("eu", labels)
    assert placement_of(replace(PLACED, isolation="none")) is None


def test_an_unsafe_runner_executes_everything() -> None:
    assert refusal([runner("none", unsafe=True)], own=False) is None


def test_only_versions_with_builds_need_permission() -> None:
    worker = a_worker("acme")
    asking = a_version(worker.id, builds=True)
    assert refusal_of_builds(worker, asking) == Reason(ReasonCode.BUILDS_NOT_ALLOWED)
    assert refusal_of_builds(worker, a_version(worker.id)) is None
    assert refusal_of_builds(a_worker("acme", builds_allowed=True), asking) is None
