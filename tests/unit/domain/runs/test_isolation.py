"""Which Workers a runner executes, by its level."""

from __future__ import annotations

import pytest

from fyke.domain.runs.isolation import refusal, refusal_of_builds
from fyke.model.runner import RunnerInfo
from fyke.reasons import Reason, ReasonCode
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


def test_an_unsafe_runner_executes_everything() -> None:
    assert refusal([runner("none", unsafe=True)], own=False) is None


def test_only_versions_with_builds_need_permission() -> None:
    worker = a_worker("acme")
    asking = a_version(worker.id, builds=True)
    assert refusal_of_builds(worker, asking) == Reason(ReasonCode.BUILDS_NOT_ALLOWED)
    assert refusal_of_builds(worker, a_version(worker.id)) is None
    assert refusal_of_builds(a_worker("acme", builds_allowed=True), asking) is None
