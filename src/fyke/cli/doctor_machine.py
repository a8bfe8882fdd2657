"""Checks of ``fyke doctor``: the machine, and the registries that it reaches."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fyke.cli import formatting
from fyke.cli.doctor_result import FAILED, OK, WARNING, CheckResult
from fyke.cli.errors import CommandFailed

if TYPE_CHECKING:
    from fyke.settings import Settings

PYTHON = "/usr/bin/python3"
OLDEST_PYTHON = (3, 11)
LOW_DISK = 2 * 10**9
NO_DISK = 200 * 10**6
NOT_OURS_REMEDY = (
    "use the user that runs Fyke, or root; as this user, name another folder with --home, and give "
    "commands for the running server --url and --key"
)
REGISTRY_REMEDY = "until then the dependencies of these Workers cannot be installed"
AWAY_REMEDY = "check the registry; until then only cached packages can be installed"
WHOSE_REGISTRIES = (
    "the next lines are for the settings of this shell; a running Fyke has read its settings when "
    "it was started"
)


def check_machine(settings: Settings) -> Iterator[CheckResult]:
    yield CheckResult("python", OK, sys.version.split()[0])
    yield _workers_python()
    yield _folder(settings.home)
    yield from _config_file(settings)
    yield _disk(settings.home)
    yield _process_limits()
    yield _uv()
    yield _program("git", "only needed to import Workers from repositories")
    yield _program("node", "only needed for Workers in Node.js")


def _workers_python() -> CheckResult:
    """Workers run on the system's interpreter, not on that of Fyke."""
    name, remedy = "python for Workers", f"install Python 3.11 or newer as {PYTHON}"
    output = _first_line(PYTHON, "--version")
    if not output:
        return CheckResult(name, FAILED, f"{PYTHON} is missing", remedy)
    version = tuple(int(part) for part in output.split()[-1].split(".")[:2] if part.isdigit())
    return CheckResult(name, OK if version >= OLDEST_PYTHON else FAILED, output, remedy)


def _folder(home: Path) -> CheckResult:
    if not home.exists():
        return CheckResult("data folder", OK, f"{home} will be created at the first start")
    if home.stat().st_mode & 0o044:
        return CheckResult(
            "data folder",
            WARNING,
            f"{home} can be read by others",
            f"chmod 711 {shlex.quote(str(home))}",
        )
    if os.geteuid() != 0 and not os.access(home, os.W_OK):
        return CheckResult(
            "data folder",
            FAILED,
            f"{home} may not be read and written by this user",
            NOT_OURS_REMEDY,
        )
    return CheckResult("data folder", OK, str(home))


def _config_file(settings: Settings) -> Iterator[CheckResult]:
    """A line only for a file that all users of the machine can read, with a secret in it. The data
    folder does not protect it: others can reach files in it by name.
    """
    from fyke.app.configuration import secrets_in_file

    path = settings.home / "config.toml"
    if path.exists() and path.stat().st_mode & 0o004 and (names := secrets_in_file(settings)):
        detail = f"{path} contains {', '.join(names)} and can be read by others"
        yield CheckResult("config.toml", WARNING, detail, f"chmod o-r {shlex.quote(str(path))}")


def _disk(home: Path) -> CheckResult:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{formatting.size(free)} free at {existing}"
    state = FAILED if free < NO_DISK else WARNING if free < LOW_DISK else OK
    return CheckResult(
        "disk", state, detail, "free some space: rows, logs and dependencies are stored there"
    )


def _process_limits() -> CheckResult:
    """The hard limits of this process, which a platform that is started from here inherits."""
    import resource

    from fyke.contracts.execution import SandboxLimits
    from fyke.contracts.tools import ToolLimits

    sandbox, tool = SandboxLimits(cpus=1, memory=0), ToolLimits(seconds=1)
    needed = (
        ("open files (ulimit -n)", resource.RLIMIT_NOFILE, tool.open_files),
        ("file size in bytes (ulimit -f)", resource.RLIMIT_FSIZE, tool.work_size),
        ("processes (ulimit -u)", resource.RLIMIT_NPROC, sandbox.processes + tool.processes),
    )
    low = [
        f"{name} {hard}, {minimum} needed"
        for name, number, minimum in needed
        if (hard := resource.getrlimit(number)[1]) != resource.RLIM_INFINITY and hard < minimum
    ]
    remedy = "raise these hard limits (limits.conf, LimitNOFILE= ... of a systemd unit)"
    return CheckResult("ulimit", FAILED if low else OK, "; ".join(low) or "high enough", remedy)


def _uv() -> CheckResult:
    from uv import find_uv_bin

    try:
        version = _first_line(find_uv_bin(), "--version")
    except FileNotFoundError:
        version = ""
    remedy = "reinstall Fyke with script/up; uv installs the dependencies of Workers"
    return CheckResult("uv", OK if version else FAILED, version or "missing", remedy)


def _program(name: str, purpose: str) -> CheckResult:
    version = _first_line(name, "--version")
    return CheckResult(name, OK, version or f"not found; {purpose}")


def _first_line(*command: str) -> str:
    """The first line of a program's output, ``""`` if it cannot be run."""
    try:
        completed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (completed.stdout.splitlines() or [""])[0].strip() if completed.returncode == 0 else ""


def check_registries(settings: Settings) -> Iterator[CheckResult]:
    """One line for each registry. The settings are those of this shell and of the user that Fyke
    runs as.
    """
    import asyncio

    from fyke.app.registries import connection_problems, registries_of
    from fyke.cli.owner import as_owner

    environ = dict(os.environ)
    if os.geteuid() == 0:
        environ["HOME"] = str(settings.home)
    try:
        with as_owner(settings.home, settings.service_user):
            reports = asyncio.run(registries_of(settings, environ))
            problems = asyncio.run(connection_problems(settings, reports))
    except CommandFailed as error:
        yield CheckResult("packages", WARNING, str(error))
        return
    yield CheckResult("packages", OK, WHOSE_REGISTRIES)
    for report in reports:
        name = f"packages for {report.language}"
        for registry in report.registries:
            login = "with a login" if registry.login else "without a login"
            detail = f"{registry.url} ({registry.source}, {login})"
            if problem := problems.get(registry.url):
                yield CheckResult(name, WARNING, f"{detail}: {problem}", AWAY_REMEDY)
            else:
                yield CheckResult(name, OK, detail)
        if report.problem:
            yield CheckResult(name, FAILED, report.problem, REGISTRY_REMEDY)
        elif report.note:
            yield CheckResult(name, OK, report.note)
