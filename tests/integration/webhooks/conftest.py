"""An app that delivers its outbox, and a listening receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fyke.domain.alerts.monitor import AlertMonitor
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.notify.http import HttpNotifier
from fyke.timers.alerts import AlertTimer
from fyke.timers.callbacks import CallbackTimer
from support.app import SECRET, App, open_app
from support.receivers import Receiver, listening


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates) as app:
        await app.register_runner()
        yield app


@pytest.fixture
async def working(app: App) -> AsyncIterator[App]:
    """Run the timers of callbacks and alerts."""
    notifier = HttpNotifier(AddressRules(["127.0.0.0/8"]))
    watch = AlertMonitor(app.storage, app.results)
    timers = [
        CallbackTimer(app.storage, notifier, app.signals, SystemClock(), SECRET, at_once=50),
        AlertTimer(watch, app.signals, SystemClock()),
    ]
    tasks = [asyncio.create_task(timer.tick()) for timer in timers]
    yield app
    for task in tasks:
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    notifier.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver
