"""The loops of the runner when the state is unavailable or something else fails."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.domain.runs.attempts import RunnerOrders
from fyke.errors import Unavailable
from fyke.runner import loop
from fyke.runner.loop import Runner

pytestmark = pytest.mark.anyio


async def test_a_report_that_fails_in_any_way_does_not_end_the_runner() -> None:
    failures = iter([Unavailable("away"), ValueError("unforeseen")])

    async def report(*_args: Any) -> None:
        raise next(failures)

    none = cast(Any, None)
    attempts = cast(Any, SimpleNamespace(report=report))
    engine = cast(Any, SimpleNamespace(lease_seconds=15.0))
    identity = cast(Any, SimpleNamespace(id="R"))
    runner = Runner(identity, none, engine, none, attempts, none, none)
    runner._attempt_runners["A"] = cast(Any, SimpleNamespace(report=lambda: None))
    await runner._report_safely()
    await runner._report_safely()
    assert next(failures, None) is None


async def test_a_runner_whose_group_commit_has_ended_ends_too() -> None:
    async def broken() -> None:
        raise OSError("disk on fire")

    committing = asyncio.create_task(broken())
    await asyncio.wait({committing})
    with pytest.raises(RuntimeError, match="group commit has ended") as caught:
        loop._check_committing(committing)
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_lease_that_cannot_be_executed_does_not_delay_the_others() -> None:
    started = []

    class PartlyFailing(Runner):
        def __init__(self) -> None:
            self._attempt_runners = {}
            self._identity = cast(Any, SimpleNamespace(id="r", cpus=1, memory_mb=1, slots=9))
            self._engine = cast(Any, self)

        async def take(self, *_args: Any, **_options: Any) -> list[Any]:
            return [SimpleNamespace(attempt=SimpleNamespace(id=name)) for name in "abc"]

        async def _start_attempt(self, lease: Any) -> None:
            if lease.attempt.id == "a":
                raise Unavailable
            started.append(lease.attempt.id)

    await PartlyFailing()._take_attempts()
    assert started == ["b", "c"]


async def test_the_next_report_comes_when_a_charge_reaches_its_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 5.0)
    times: list[float] = []
    twice = asyncio.Event()

    async def report(*_args: Any) -> RunnerOrders:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 2:
            twice.set()
        return RunnerOrders({}, frozenset(), next_check_ms=50)

    none = cast(Any, None)
    attempts = cast(Any, SimpleNamespace(report=report))
    engine = cast(Any, SimpleNamespace(lease_seconds=15.0))
    runner = Runner(cast(Any, SimpleNamespace(id="R")), none, engine, none, attempts, none, none)
    runner._attempt_runners["A"] = cast(
        Any, SimpleNamespace(report=lambda: None, confirm_report=lambda _report: None)
    )
    await runner._report_safely()
    reporting = asyncio.create_task(runner._report_regularly())
    await asyncio.wait_for(twice.wait(), 4)
    reporting.cancel()
    assert 0.04 <= times[1] - times[0] < 4
