"""The runner's reports and ends when the state is away or something unforeseen happens."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.domain.runs.model import Outcome
from fyke.errors import Unavailable
from fyke.runner import attempt
from fyke.runner.attempt import Carrier, End
from fyke.runner.loop import Runner

pytestmark = pytest.mark.anyio


class Silent:
    """An intake that stores nothing."""

    def __init__(self) -> None:
        self.first_call = asyncio.Event()

    def log(self, *_args: Any, **_options: Any) -> None:
        """Nobody reads it."""

    async def close(self) -> int:
        return 3


class Flaky:
    """Ends an attempt only at the second try."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    async def ended(self, _attempt: Any, outcome: Outcome, *_rest: Any, actor: str) -> None:
        self.outcomes.append(outcome)
        if len(self.outcomes) == 1:
            raise Unavailable("the disk is full")


def carrier(**tools: Any) -> Carrier:
    lease = SimpleNamespace(
        attempt=SimpleNamespace(id="A", number="1", runner_id="R"), run=SimpleNamespace(id="X")
    )
    egress = SimpleNamespace(traffic=lambda _id: SimpleNamespace(total=0))
    return Carrier(
        cast(Any, lease),
        cast(Any, None),
        cast(Any, None),
        True,
        cast(Any, SimpleNamespace(egress=egress, **tools)),
    )


async def test_a_success_is_told_again_until_the_state_takes_it() -> None:
    attempts = Flaky()
    await carrier(attempts=attempts)._finish(cast(Any, Silent()), End(Outcome.SUCCEEDED))
    assert attempts.outcomes == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]


async def test_a_worker_that_never_calls_leaves_no_task_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempt, "BOOT_GRACE_SECONDS", 0.01)
    limited = asyncio.Event()

    async def apply() -> None:
        limited.set()

    before = asyncio.all_tasks()
    box = SimpleNamespace(apply_cpu_limit=apply)
    await carrier()._limit_cpu_after_boot(cast(Any, Silent()), cast(Any, box))
    assert limited.is_set()
    assert asyncio.all_tasks() == before


async def test_a_report_that_fails_in_any_way_does_not_end_the_runner() -> None:
    failures = iter([Unavailable("away"), ValueError("unforeseen")])

    async def report(*_args: Any) -> None:
        raise next(failures)

    none = cast(Any, None)
    attempts = cast(Any, SimpleNamespace(report=report))
    engine = cast(Any, SimpleNamespace(lease_seconds=15.0))
    identity = cast(Any, SimpleNamespace(id="R"))
    runner = Runner(identity, none, engine, none, attempts, none, none)
    runner._carriers["A"] = cast(Any, SimpleNamespace(report=lambda: None))
    await runner._report_safely()
    await runner._report_safely()
    assert next(failures, None) is None
