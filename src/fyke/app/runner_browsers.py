"""The browsers of a runner: their sandboxes, their limits, and the gateway for their Workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

from fyke.app.browser_availability import serves_browsers
from fyke.browser.client import GatewayClient
from fyke.contracts.browser import (
    WAIT_SECONDS,
    BrowserEnded,
    BrowserLimits,
    BrowserNote,
    BrowserProgram,
    BrowserWanted,
)
from fyke.model.browser import BrowserActivity
from fyke.model.last_page import KeepPages
from fyke.runner.browser_dependencies import BrowserDependencies
from fyke.runner.loop import Runner
from fyke.runner.run_caches import RunCaches
from fyke.sandbox.browsers import BrowserSandboxes
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.warm_browsers import WarmBrowsers

if TYPE_CHECKING:
    from fyke.settings import Settings

BROWSERS_PER_CORE, MB_PER_BROWSER = 3, 640
QUIET_SECONDS = 10.0  # before a check that no connection waits for: the platform starts first
FIRST_DELAY, LONGEST_DELAY = 1.0, 600.0  # seconds until a check that failed is repeated
_MIB = 2**20


@contextlib.asynccontextmanager
async def open_browsers(
    settings: Settings,
    sandbox: BubblewrapSandboxes,
    *,
    cpus: float,
    memory_mb: int,
    check_unasked: bool = True,
    need_gateway: Callable[[bool], None] | None = None,
) -> AsyncIterator[BrowserDependencies | None]:
    """Browsers for a runner with this capacity; None where they are switched off, or where there is
    none. The browser of the machine is checked in the background, when the first connection wants
    one, or with ``check_unasked`` a while after the start. ``need_gateway`` is as in
    ``GatewayClient``.
    """
    if not serves_browsers(settings):
        yield None
        return
    browsers = sandbox.browsers(BrowserProgram(settings.browser_program))
    gateway = GatewayClient(settings.browser_socket, need=need_gateway)
    checked, wanted = asyncio.Event(), asyncio.Event()
    await gateway.start()
    limits = limits_of(settings)
    warm = WarmBrowsers(browsers, limits, settings.warm_browsers, settings.warm_idle_seconds)
    quiet = QUIET_SECONDS if check_unasked else None
    checking = asyncio.create_task(_check(browsers, checked, wanted, quiet))
    try:
        async with warm.kept():
            yield BrowserDependencies(
                browsers=warm,
                gateway=gateway,
                limits=limits,
                places=settings.runner_browsers or default_places(cpus, memory_mb),
                share=settings.browser_reserve_percent / 100,
                checked=checked,
                checks=browsers.checks,
                wanted=wanted,
                keep=KeepPages(settings.browser_keep),
                caches=RunCaches(cache_bytes(settings), browsers.drop_cache),
            )
    finally:
        checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)
        await gateway.stop()


def limits_of(settings: Settings) -> BrowserLimits:
    """The limits of one browser sandbox."""
    return BrowserLimits(
        cpus=settings.browser_cpus,
        memory=settings.browser_memory_mb * _MIB,
        processes=settings.browser_processes,
        tmp_size=settings.browser_tmp_mb * _MIB,
    )


def cache_bytes(settings: Settings) -> int:
    """The most bytes of the HTTP cache of a run, which is in memory while a browser uses it."""
    return min(settings.browser_cache_mb, settings.browser_tmp_mb // 4) * _MIB


def default_places(cpus: float, memory_mb: int) -> int:
    """How many attempts with a browser a runner of this capacity runs at once; at least one."""
    return max(1, min(int(BROWSERS_PER_CORE * cpus), memory_mb // MB_PER_BROWSER))


async def _check(
    browsers: BrowserSandboxes,
    checked: asyncio.Event,
    wanted: asyncio.Event,
    quiet: float | None,
) -> None:
    """Check the browser of the machine until there is a result, from when it is ``wanted``, or
    after ``quiet`` seconds. ``checked`` is also set while the next try is further away than a
    connection waits.
    """
    await browsers.find()  # its version is in the environment of Workers
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(quiet):
            await wanted.wait()
    delay = FIRST_DELAY
    while not await browsers.prepare():
        if delay > WAIT_SECONDS:
            checked.set()
        await asyncio.sleep(delay)
        checked.clear()
        delay = min(2 * delay, LONGEST_DELAY)
    checked.set()


def connect(runner: Runner, browser: BrowserDependencies) -> None:
    """Let the gateway report to the attempts of ``runner``."""
    gateway = browser.gateway

    def on_wanted(wanted: BrowserWanted) -> None:
        if attempt := runner.browser_of(wanted.attempt_id):
            attempt.wanted(wanted)

    def on_started(attempt_id: str, generation: int) -> None:
        if attempt := runner.browser_of(attempt_id):
            attempt.started(generation)

    def on_ended(ended: BrowserEnded) -> None:
        if attempt := runner.browser_of(ended.attempt_id):
            attempt.ended(ended)

    def on_note(note: BrowserNote) -> None:
        if attempt := runner.browser_of(note.attempt_id):
            attempt.noted(note)

    gateway.on_wanted, gateway.on_started = on_wanted, on_started
    gateway.on_ended, gateway.on_note = on_ended, on_note
    gateway.on_activity = partial(_on_activity, runner)


def _on_activity(
    runner: Runner, attempt_id: str, generation: int, activity: BrowserActivity
) -> None:
    if attempt := runner.browser_of(attempt_id):
        attempt.acted(generation, activity)
