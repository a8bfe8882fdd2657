"""Checks of ``fyke doctor``: the browser of this machine, and what Workers get of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fyke.cli.doctor_result import OK, WARNING, CheckResult
from fyke.cli.doctor_sandbox import local_to_probe
from fyke.cli.doctor_server import own_runners

if TYPE_CHECKING:
    from fyke.cli.doctor_server import RunningServer
    from fyke.settings import Settings

BROWSER_REMEDY = "fix what this line reports; until then Workers that need a browser get none here"
BROWSER_NOT_CHECKED = (
    "not checked yet: a runner does that some seconds after its start, or when a Worker wants a "
    "browser; one that was installed later needs a restart"
)
SERVES_NONE = "the setting browser was off at its start, or the machine had none"
SERVES_NONE_REMEDY = (
    "if Workers are to have one, start Fyke without FYKE_BROWSER=off; a browser that was installed "
    "later also needs a restart"
)
DRIVER_REMEDY = "install the driver of the same version (apt install chromium-driver)"


def check_browser(settings: Settings, server: RunningServer | None) -> Iterator[CheckResult]:
    """The browser of this machine. Only Workers that use one need it, so nothing here is a failure
    of the installation.
    """
    from fyke.app.local import machine_browser
    from fyke.model.browser import BrowserOffer, BrowserProgram

    found = machine_browser()
    yield from _runner_browsers(server, installed=bool(found.versions))
    if not found.versions:
        yield CheckResult(
            "browser",
            OK,
            "not found; only needed for Workers that use one (apt install chromium-headless-shell)",
        )
        return
    programs = ", ".join(f"{name} {version or '?'}" for name, version in found.versions.items())
    yield CheckResult("browser", OK, programs)
    yield _driver(found.driver, set(found.versions.values()))
    offer = BrowserOffer(tuple(map(BrowserProgram, found.versions)), found.display)
    missing = offer.headful_problem
    headful = f"not possible: {missing}; only needed for browsers with windows"
    yield CheckResult("browser display", OK, headful if missing else "Xvfb")
    detail = f"{found.fonts} files"
    if found.missing_fonts:
        detail += f", none of {' and of '.join(found.missing_fonts)}"
    remedy = (
        f"apt install {' '.join(found.missing_fonts)}; without them pages look different, and "
        "characters that no font has are empty rectangles"
    )
    yield CheckResult("fonts", WARNING if found.missing_fonts else OK, detail, remedy)
    if settings.browser == "off":
        yield CheckResult("browser sandbox", OK, "not checked: the setting browser is off")
        return
    yield _browser_sandbox(settings, server)


def _runner_browsers(server: RunningServer | None, *, installed: bool) -> Iterator[CheckResult]:
    """What the running Fyke gives its Workers, which may have other settings than this shell."""
    for runner in own_runners(server) if server else []:
        name, whose = "runner browser", f"(runner {runner.id})"
        if not runner.browsers:
            detail = f"Workers get no browser: {SERVES_NONE} {whose}"
            yield CheckResult(name, WARNING if installed else OK, detail, SERVES_NONE_REMEDY)
        elif runner.browser_problem:
            yield CheckResult(name, WARNING, f"{runner.browser_problem} {whose}", BROWSER_REMEDY)
        else:
            programs = ", ".join(runner.browser_programs)
            detail = f"{programs or 'a browser'}, for up to {runner.browsers} attempts at once"
            yield CheckResult(name, OK, f"{detail} {whose}")


def _driver(version: str, browsers: set[str]) -> CheckResult:
    name = "browser driver"
    if not version:
        return CheckResult(name, OK, "not found; only needed for Selenium (chromium-driver)")
    fits = version.split(".")[0] in {browser.split(".")[0] for browser in browsers}
    detail = version if fits else f"{version} is of another version than the browser"
    return CheckResult(name, OK if fits else WARNING, detail, DRIVER_REMEDY)


def _browser_sandbox(settings: Settings, server: RunningServer | None) -> CheckResult:
    """The worst that the runners report, or the result of starting a browser now."""
    name, prefix = "browser sandbox", "browser: "
    runners = own_runners(server) if server is not None else []
    reported = [check for runner in runners for check in runner.checks]
    checks = [(check.name, check.holds, check.seen) for check in reported]
    fails = any(check[0].startswith(prefix) and not check[1] for check in checks)
    if fails or (os.geteuid() == 0 and server is not None):
        if runners and not any(runner.browsers for runner in runners):
            return CheckResult(name, OK, "not checked: no runner serves browsers")
        reason = ""
    else:
        result = _probe_browser(settings)
        checks, reason = result["checks"], result["reason"]
    failed = [check for check in checks if check[0].startswith(prefix) and not check[1]]
    if failed or reason:
        detail = "; ".join(f"{check[0].removeprefix(prefix)}: {check[2]}" for check in failed)
        return CheckResult(name, WARNING, detail or reason, BROWSER_REMEDY)
    if not any(check[0].startswith(prefix) for check in checks):
        return CheckResult(name, OK, BROWSER_NOT_CHECKED)
    return CheckResult(name, OK, "effective, and the browser has its own inside")


def _probe_browser(settings: Settings) -> dict[str, Any]:
    """Start a real browser, as the user that runs the sandboxes of Workers."""
    from fyke.cli.local_folder import Job, run_job

    with local_to_probe(settings) as local, Job(local.home.parent) as job:
        run_job(local, job, {"action": "browser"})
        result = job.result()
    if "error" in result:
        return {"reason": result["error"], "checks": []}
    return result
