from __future__ import annotations

from typing import Any

import pytest

from fyke.console.waits import estimate_text, wait_text, waits_of
from fyke.domain.runs.waiting import WaitReason
from fyke.reasons import Reason, ReasonCode

FREE = {"free_cpus": 0.0, "free_memory_mb": 2048}
NONE_ALIVE = Reason(ReasonCode.NO_RUNNER)


def room(ahead: int = 0, cpus: float = 0.5, **params: Any) -> Reason:
    code = ReasonCode.QUEUE if ahead else ReasonCode.ROOM
    return Reason.of(code, ahead=ahead or None, cpus=cpus, memory_mb=512, **(params or FREE))


def waits(*reasons: Reason | None) -> list[WaitReason]:
    return [WaitReason(f"r{number}", reason) for number, reason in enumerate(reasons)]


def test_what_all_wait_for_is_said_once() -> None:
    found = waits_of(waits(room(), room(1), room(1200)))
    assert found.common == (
        "The machine with the most room has 0 cores and 2 GiB free. "
        "Each needs 0.5 cores and 512 MiB."
    )
    assert found.own == {
        "r0": "next in the queue",
        "r1": "after one older subtask",
        "r2": "after 1,200 older subtasks",
    }
    assert found.moves


def test_needs_that_differ_are_said_of_each_run() -> None:
    found = waits_of(waits(room(), room(3, cpus=2)))
    assert "Each needs" not in found.common
    assert found.own == {
        "r0": "needs 0.5 cores and 512 MiB",
        "r1": "after 3 older subtasks, needs 2 cores and 512 MiB",
    }


def test_a_run_with_another_reason_has_it_in_its_row() -> None:
    found = waits_of(waits(NONE_ALIVE, NONE_ALIVE, Reason(ReasonCode.PREPARING)))
    assert found.common == (
        "No machine is connected; start one with fyke up. Most runs wait for this."
    )
    assert found.own == {
        "r0": "as most runs",
        "r1": "as most runs",
        "r2": "a machine has taken it and prepares its sandbox",
    }
    assert not found.moves


def test_without_a_common_reason_each_row_has_its_own() -> None:
    found = waits_of(waits(NONE_ALIVE, Reason(ReasonCode.PREPARING)))
    assert found.common == "" and list(found.own) == ["r0", "r1"]


def test_runs_that_are_too_large_for_every_runner_have_one_sentence() -> None:
    large: dict[str, Any] = {"largest_cpus": 2.0, "largest_memory_mb": 1024}
    found = waits_of(waits(room(**large), room(1, **large), room(2, **large)))
    assert found.common == (
        "Each needs 0.5 cores and 512 MiB, more than any machine has in all (2 cores and 1 GiB); "
        "it begins when a machine does nothing else"
    )
    alone = waits_of(waits(room(**large)))
    assert alone.common.startswith("It needs 0.5 cores and 512 MB, more than any machine has")
    assert found.own == {
        "r0": "next in the queue",
        "r1": "after one older subtask",
        "r2": "after 2 older subtasks",
    }


@pytest.mark.parametrize(
    ("params", "start"),
    [
        ({"browsers": 2}, "They need a browser, and all 2 that"),
        ({"cpus": 4.0, "memory_mb": 512}, "Each needs 4 cores and 512 MiB, and a machine has room"),
        (
            {"cpus": 4.0, "memory_mb": 512, "browser_runners": 1, "largest_cpus": 2.0,
             "largest_memory_mb": 1024},
            "Each needs 4 cores and 512 MiB, more than any of the machines with its browser",
        ),
    ],
)  # fmt: skip
def test_what_several_runs_wait_for_is_not_said_of_one(params: dict[str, Any], start: str) -> None:
    found = waits_of(waits(*[Reason(ReasonCode.ROOM, params)] * 2))
    assert found.common.startswith(start)


def test_an_empty_queue_has_no_sentence() -> None:
    assert waits_of([]).common == "" and waits_of(waits(None, None)).common == ""


def test_an_estimate_is_rounded_and_needs_a_pace() -> None:
    assert estimate_text(760, 2345) == (
        "At the present pace, one run every 2 s, the last of them begins in about 30 min."
    )
    assert estimate_text(760, 0) == "" and estimate_text(0, 2345) == ""


def test_one_run_waits_in_the_words_of_the_queue() -> None:
    assert wait_text(room(21, cpus=1)) == (
        "After 21 older subtasks, needs one core and 512 MiB. "
        "The machine with the most room has 0 cores and 2 GiB free."
    )
    text = wait_text(NONE_ALIVE)
    assert text.startswith("No machine is connected") and text.endswith(".")
    assert wait_text(None) == ""
