"""The contract of ``ParserPool``, over both implementations."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from fyke.contracts.parsing import ParserLimits, ParserPool
from fyke.domain.runs.split import split
from fyke.domain.uploads.checking import check, first_steps
from fyke.errors import InvalidRequest, TooComplex
from fyke.model.upload import StepState, Upload, UploadSource, UploadState
from fyke.parsing.pools import ProcessPool, ThreadPool
from support.projects import python_project

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(params=["processes", "threads"])
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[ParserPool]:
    if request.param == "threads":
        yield ThreadPool()
        return
    processes = ProcessPool()
    yield processes
    await processes.close()


async def test_a_call_returns_or_raises_what_the_function_does(pool: ParserPool) -> None:
    assert await pool.run("a", sorted, [2, 1]) == [1, 2]
    with pytest.raises(InvalidRequest, match="must contain a single JSON object"):
        await pool.run("a", split, None, [])


async def test_the_items_of_a_generator_arrive_before_its_result(pool: ParserPool) -> None:
    upload = Upload(
        "U", "A", UploadSource.ZIP, UploadState.WORKING, "a.zip", first_steps(UploadSource.ZIP)
    )
    items: list[Upload] = []

    async def note(item: Upload) -> None:
        items.append(item)

    checked = await pool.run_steps(
        "a", check, upload, python_project("from sdk import CoreSDK\n"), on_item=note
    )
    assert checked.state is UploadState.READY
    assert [item.steps for item in items] == sorted(
        (item.steps for item in items), key=lambda steps: sum(map(_done, steps))
    )
    assert len(items) == len(checked.steps)


def _done(step: object) -> bool:
    return step.state is not StepState.WAITING  # type: ignore[attr-defined]


async def test_a_call_ends_at_its_deadline(pool: ParserPool) -> None:
    with pytest.raises(TooComplex):
        await pool.run("a", time.sleep, 3, limits=ParserLimits(1, 0.1))
