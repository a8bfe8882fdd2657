"""What the checks of an upload store while their claim is renewed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.domain.uploads.service import _Processing
from fyke.model.upload import Upload, UploadSource, UploadState

pytestmark = pytest.mark.anyio


async def test_a_renewal_does_not_store_an_earlier_state() -> None:
    """The last state is committed, but the event loop is busy and has not heard of it yet."""
    states: list[UploadState] = []
    committed, goes_on = asyncio.Event(), asyncio.Event()

    def update(upload: Upload) -> bool:
        states.append(upload.state)
        return True

    tx = SimpleNamespace(now=1, uploads=SimpleNamespace(update=update), notify=lambda _: None)

    async def write(work: Callable[[Any], Upload]) -> Upload:
        stored = work(tx)
        committed.set()
        await goes_on.wait()
        return stored

    upload = Upload("u", "a", UploadSource.ZIP, UploadState.WORKING, "p.zip", steps=())
    none = cast(Any, None)
    storage = cast(Any, SimpleNamespace(write=write))
    processing = _Processing(storage, none, none, none, none, upload, 1.0)
    last = asyncio.create_task(processing._report(replace(upload, state=UploadState.READY)))
    await committed.wait()
    renewal = asyncio.create_task(processing._report(None))
    goes_on.set()
    await asyncio.gather(last, renewal)
    assert states == [UploadState.READY, UploadState.READY]
