"""``BrowserSandboxes``: starts the sandboxes of browsers, once it has checked that this works."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import structlog

from fyke.contracts.browser import BrowserInfo, BrowserProgram, BrowserSpec
from fyke.contracts.execution import IdleSandboxes, SandboxFault
from fyke.sandbox import installed_browser
from fyke.sandbox.browser_sandbox import BrowserSandbox, order_of
from fyke.sandbox.isolation import browser_inspection
from fyke.sandbox.isolation.checks import Check
from fyke.sandbox.process.folders import check_disk
from fyke.sandbox.process.spawner import Spawner

log = structlog.get_logger()

NOT_CHECKED = "the browser of this machine has not been checked yet"
NONE_FOUND = (
    "no browser was found on this machine; the operator can install one "
    f"({installed_browser.INSTALL})"
)


class BrowserSandboxes:
    """Implements ``Browsers``. None is opened before ``prepare`` has found that it can be."""

    def __init__(self, work_dir: Path, spawner: Spawner, program: BrowserProgram) -> None:
        """``work_dir`` is where the spawner creates work folders; ``program`` is preferred, another
        is used where it is missing.
        """
        self._work_dir = work_dir
        self._spawner = spawner
        self._wanted = program
        self._info = BrowserInfo(program, reason=NOT_CHECKED)
        self._checks: tuple[Check, ...] = ()

    def info(self) -> BrowserInfo:
        return self._info

    def checks(self) -> tuple[Check, ...]:
        """The layers of isolation of a browser; empty until ``prepare`` has ended."""
        return self._checks

    async def find(self) -> None:
        """Find the browser of this machine and its version, without starting it."""
        programs = await asyncio.to_thread(installed_browser.find_programs)
        names = [name for name in (self._wanted, *BrowserProgram) if name.value in programs]
        if not names:
            self._info = BrowserInfo(self._wanted, reason=NONE_FOUND)
            return
        found = [name for name in BrowserProgram if name.value in programs]
        driver = installed_browser.find_driver()
        *numbers, driver_version = await asyncio.gather(
            *(asyncio.to_thread(installed_browser.version_of, programs[name]) for name in found),
            asyncio.to_thread(installed_browser.version_of, driver) if driver else _nothing(),
        )
        versions = dict(zip(found, numbers, strict=True))
        self._info = BrowserInfo(
            names[0],
            versions[names[0]],
            driver_version,
            versions=versions,
            display=bool(installed_browser.find_display()),
            reason=self._info.reason,
        )

    async def prepare(self) -> bool:
        """Find the browser of this machine, start one and check its isolation. Takes about a second
        of CPU time. Return whether the result is final: without one, a browser could not be
        started now, and it is worth another try.
        """
        is_final = True
        try:
            await self._examine()
        except Exception as error:
            if not isinstance(error, SandboxFault):
                log.exception("browser_not_checked")
            reason = f"the browser could not be checked: {str(error) or type(error).__name__}"
            self._info, self._checks = replace(self._info, reason=reason), ()
            is_final = False
        missing = browser_inspection.own_sandbox_problem(self._checks)
        is_complete = self._info.own_sandbox or self._info.reason == NONE_FOUND
        report = log.info if is_complete and not missing else log.warning
        report(
            "browser_checked",
            program=self._info.program.value,
            version=self._info.version,
            own_sandbox=self._info.own_sandbox,
            reason=self._info.reason or missing,
        )
        return is_final

    async def _examine(self) -> None:
        if self._info.reason != NOT_CHECKED or not self._info.version:  # not just found
            await self.find()
        info = self._info
        if info.reason == NONE_FOUND:
            return
        if not info.version:
            raise SandboxFault(f"{info.program.value} does not say its version")
        own_sandbox, checks = await browser_inspection.inspect(self._spawner, info.program.value)
        failed = browser_inspection.first_failure(checks)
        reason = f"{failed[0]}: {failed[2]}" if failed else ""
        self._info = replace(info, own_sandbox=own_sandbox, reason=reason)
        self._checks = tuple(checks)

    async def open(self, spec: BrowserSpec) -> BrowserSandbox:
        if self._info.reason:
            raise SandboxFault(self._info.reason)
        if spec.display and (problem := self._info.offer.headful_problem):
            raise SandboxFault(problem)
        check_disk(self._work_dir)
        order = order_of(
            spec.name,
            spec.limits,
            own_sandbox=self._info.own_sandbox,
            program=spec.program,
            cache=spec.cache,
            display=spec.display,
        )
        return BrowserSandbox(await self._spawner.start(order))

    async def drop_cache(self, name: str) -> None:
        await self._spawner.drop_cache(name)

    async def idle_sandboxes(self) -> IdleSandboxes:
        return IdleSandboxes()


async def _nothing() -> str:
    return ""
