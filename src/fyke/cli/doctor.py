"""``fyke doctor``: checks of this machine, with remedies."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fyke.cli import formatting
from fyke.cli.context import HomeOption, JsonOption, Location, locate
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output
from fyke.cli.settings import load_settings

if TYPE_CHECKING:
    from fyke.app.node_folder import NodeFolder
    from fyke.settings import Settings
    from fyke_client.types.fyke.overview import RunnerItem

PYTHON = "/usr/bin/python3"
OLDEST_PYTHON = (3, 11)
LOW_DISK = 2 * 10**9
NO_DISK = 200 * 10**6
OK, WARNING, FAILED = "ok", "warning", "failed"
LIMITS_REMEDY = (
    "start Fyke as root (script/up), or from a systemd unit with Delegate=yes; until then only the "
    "operator's own Workers run"
)
SANDBOX_REMEDY = "fix what this line reports; until then no Worker runs here"
REGISTRY_REMEDY = "until then the dependencies of these Workers cannot be installed"
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
GATEWAY_REMEDY = "check that Fyke runs there, and that this machine reaches the port"
SETTINGS_REMEDY = (
    "start all servers with the same values; a change is used after a restart of fyke up"
)
BLOBS_SECONDS = 30.0
BLOBS_REMEDY = (
    "correct blobs_url, the address or the login (s3_endpoint, s3_region, s3_key_id, or AWS_* of "
    "this shell), or start the S3 server"
)
AWAY_REMEDY = "check the registry; until then only cached packages can be installed"
WHOSE_REGISTRIES = (
    "the next lines are for the settings of this shell; a running Fyke has read its settings when "
    "it was started"
)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. ``remedy`` is ignored if the state is ok."""

    name: str
    state: str
    detail: str
    remedy: str = ""


def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check this machine: Python, data folder, port, processes, database, registries of packages,
    sandbox, browser.

    Every line that is not ok has a remedy. Exit status 1 unless the sandbox is complete and no
    other check has failed.

    \b
    Examples:
      fyke doctor
      fyke doctor --json | jq '.checks[] | select(.state != "ok")'
    """
    from fyke.app.folder import is_node

    settings = load_settings(home=home)
    joined = is_node(settings.home)
    server = None if joined else _server(settings, home)
    lines = [*_machine(settings)]
    if joined:  # it has no port, database or blobs
        lines.append(_node(settings.home))
        lines += _settings_of_node(settings)
    else:
        lines += [_port(settings, server), *_health(server)]
        lines += _database(settings)
        lines += _shared_settings(settings)
        lines += _blobs(settings)
    lines += _registries(settings)
    level, reason, isolation = _isolation(settings, server)
    lines += [*isolation, *_waiting_sandboxes(server), *_sandbox_users(settings)]
    lines += _browser(settings, server)
    failed = level != "full" or any(line.state == FAILED for line in lines)
    out = Output(as_json)
    if as_json:
        checks = [asdict(line) | ({"remedy": ""} if line.state == OK else {}) for line in lines]
        out.json({"ok": not failed, "level": level, "reason": reason, "checks": checks})
    else:
        _print(out, lines, level)
    if failed:
        raise typer.Exit(Exit.FAILED)


def _print(out: Output, lines: list[CheckResult], level: str) -> None:
    styles = {OK: "green", WARNING: "yellow", FAILED: "red"}
    width = max(len(line.name) for line in lines)
    for line in lines:
        out.line(f"{line.state:<8} {line.name:<{width}}  {line.detail}", styles[line.state])
        if line.remedy and line.state != OK:
            out.line(f"{'':<8} {'':<{width}}  -> {line.remedy}")
    out.line(f"\nSandbox: {level}", "green" if level == "full" else "red")


# --- the machine ----------------------------------------------------------------------------


def _machine(settings: Settings) -> Iterator[CheckResult]:
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
            "data folder", WARNING, f"{home} can be read by others", f"chmod 711 {home}"
        )
    if os.geteuid() != 0 and not os.access(home, os.W_OK):
        return CheckResult(
            "data folder",
            FAILED,
            f"{home} cannot be written by this user",
            "use the user that runs Fyke, or another folder with --home",
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
        yield CheckResult("config.toml", WARNING, detail, f"chmod o-r {path}")


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


# --- the server -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _RunningServer:
    """The running server of this data folder."""

    location: Location
    not_ready: str = ""  # why it is not ready


def _server(settings: Settings, home: str | None) -> _RunningServer | None:
    from fyke_client import ClientError, FykeAdmin

    try:
        location = locate(None, None, home or str(settings.home), {})
        with FykeAdmin(location.url, location.key, timeout=5, retries=0) as client:
            return _RunningServer(location, client.not_ready())
    except (CommandFailed, ClientError):
        return None


def _node(home: Path) -> CheckResult:
    """Of a node: its certificate, and whether its gateways answer and know it."""
    from fyke.app.folder import NODE_FILE
    from fyke.app.node_folder import read_node
    from fyke.errors import Conflict
    from fyke.kit.certificates import expiry_of

    try:
        node = read_node(home)
        expires = expiry_of(node.own.certificate)
    except Conflict as damaged:
        [problem] = damaged.problems
        return CheckResult("joined as node", FAILED, problem.rule, problem.remedy)
    except OSError as error:
        detail = f"{home / NODE_FILE} cannot be read: {error.strerror}"
        is_others = isinstance(error, PermissionError)
        remedy = "run this command as its owner" if is_others else "check the disk of this machine"
        return CheckResult("joined as node", FAILED, detail, remedy)
    detail = f"{node.name} of the pool {node.pool}; certificate until "
    detail += formatting.when_with_zone(int(expires))
    join_again = f"delete {home / NODE_FILE} and join again with fyke node join"
    if expires < time.time():
        return CheckResult("joined as node", FAILED, detail, join_again)
    state, known, remedy = _known(node)
    return CheckResult("joined as node", state, f"{detail}; {known}", remedy or join_again)


def _known(node: NodeFolder) -> tuple[str, str, str]:
    """State, detail and remedy: whether the gateways of a node answer, and know it. The remedy is
    empty when that is to join again.
    """
    from fyke.app.node_folder import ask_gateway
    from fyke.errors import FykeError, InvalidRequest
    from fyke.wire.nodes import UnknownNode

    known = ""
    for address, gateway in zip(node.addresses(), node.gateways, strict=True):
        try:
            answer = ask_gateway(node, address)
        except InvalidRequest:  # of an earlier release
            problem = f"gateway {gateway} answers, but cannot say whether it knows this node"
            return WARNING, problem, "upgrade the installation to the release of this node"
        except FykeError as error:
            return FAILED, f"no answer of the gateway {gateway}: {error}", GATEWAY_REMEDY
        if isinstance(answer, UnknownNode):
            return FAILED, "the installation has forgotten this node, or it has joined again", ""
        seen = formatting.when_with_zone(answer.seen_at // 1000)
        seen += f" at {answer.address}" if answer.address else ""
        known = f"gateway {' '.join(node.gateways)} knows it, last seen {seen}"
    return OK, known, ""


def _port(settings: Settings, server: _RunningServer | None) -> CheckResult:
    if server is not None:
        problem = f", but {server.not_ready}" if server.not_ready else ""
        return CheckResult(
            "server",
            FAILED if problem else OK,
            f"{server.location.url} answers{problem}",
            'see the log of "fyke up" for the reason',
        )
    address = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            remedy = (
                "choose another port with --port or FYKE_PORT, or stop the program that uses it"
            )
            return CheckResult("server", FAILED, f"{address} is taken: {error.strerror}", remedy)
    return CheckResult("server", OK, f'not running, {address} is free; "fyke up" starts it')


def _health(server: _RunningServer | None) -> list[CheckResult]:
    """What the watchdog of the running server's machine knows of its processes, and what is wrong
    with nodes. Other machines do not make this one fail.
    """
    from fyke_client import ClientError, FykeAdmin

    if server is None:
        return []
    try:
        with FykeAdmin(server.location.url, server.location.key, timeout=5, retries=0) as client:
            checks = client.health()
    except ClientError:
        return []
    states = {"good": OK, "warning": WARNING, "bad": FAILED}
    processes = [
        CheckResult(check.name, states[check.level], check.detail, check.remedy)
        for check in checks
        if check.name.startswith("process ")
    ]
    nodes = [
        CheckResult(check.name, WARNING, check.detail, check.remedy)
        for check in checks
        if check.level != "good" and _is_about_node(check.name)
    ]
    return [*processes, *nodes]


def _is_about_node(check: str) -> bool:
    """Whether the check of this name is about a node."""
    from fyke.reasons import OWN_MACHINE

    kind, _, name = check.partition(" of ")
    if not name:
        return check.startswith("node ")
    is_machine = name != "servers" and not name.startswith(OWN_MACHINE)
    return kind in ("disk", "clock", "browsers", "settings") and is_machine


# --- the database ---------------------------------------------------------------------------


def _database(settings: Settings) -> Iterator[CheckResult]:
    from fyke.app import maintenance
    from fyke.app.lost_databases import find_loss
    from fyke.cli.owner import as_owner
    from fyke.errors import FykeError

    kind = "PostgreSQL" if settings.database_url else "SQLite"
    not_created = CheckResult("database", OK, f"{kind}, will be created at the first start")
    if not settings.home.exists():
        yield not_created
        return
    try:
        with as_owner(settings.home, settings.service_user):
            versions, loss = maintenance.versions(settings), find_loss(settings)
    except (FykeError, CommandFailed, OSError) as error:
        remedy = "start the database, or correct the setting database_url (FYKE_DATABASE_URL)"
        yield CheckResult("database", FAILED, f"{kind}: {error}", remedy)
        return
    if loss is not None:
        yield CheckResult("database", FAILED, loss.finding, loss.remedy)
        return
    if not versions.state.current:
        yield not_created
        return
    detail = f"{kind}, tables at {versions.state.current} and {versions.rows.current or 'none'}"
    yield CheckResult("database", WARNING if versions.remedy else OK, detail, versions.remedy)


def _shared_settings(settings: Settings) -> Iterator[CheckResult]:
    """Whether the settings of this shell are those of the installation; nothing before the first
    start, and without the database or with an older one, of which another line says why.
    """
    import asyncio

    from fyke.app import maintenance
    from fyke.app.agreement import compare
    from fyke.cli.owner import as_owner
    from fyke.errors import FykeError

    if not settings.secret_file.exists():
        return
    try:
        with as_owner(settings.home, settings.service_user):
            if maintenance.versions(settings).remedy:
                return
            known, names = asyncio.run(compare(settings))
    except (FykeError, CommandFailed, OSError):
        return
    if not known.number:
        return
    stored = formatting.when_with_zone(known.stored_at // 1000)
    detail = f"version {known.number} of the installation, stored {stored} by {known.stored_by}"
    if names:
        detail = f"{', '.join(names)}: other values than in {detail}, which are used"
    yield CheckResult("settings", WARNING if names else OK, detail, SETTINGS_REMEDY)


def _settings_of_node(settings: Settings) -> Iterator[CheckResult]:
    from fyke.app.configuration import ignored_on_node

    if names := ignored_on_node(settings, os.environ):
        detail = f"{', '.join(names)}: ignored, because a node uses those of its installation"
        yield CheckResult("settings", WARNING, detail, "remove them here, and set them there")


def _blobs(settings: Settings) -> Iterator[CheckResult]:
    """Whether the settings of this shell name the place of the blobs. In S3 one is stored, read,
    listed and deleted.
    """
    import asyncio

    from fyke.app.blobs import try_place
    from fyke.cli.owner import as_owner
    from fyke.errors import FykeError

    try:
        user = as_owner(settings.home, settings.service_user)
        with user if settings.home.exists() else nullcontext():
            asyncio.run(asyncio.wait_for(try_place(settings), BLOBS_SECONDS))
    except (FykeError, TimeoutError) as error:
        detail = str(error) or f"{settings.blobs_url}: no answer in {BLOBS_SECONDS:g} s"
        yield CheckResult("blobs", FAILED, detail, BLOBS_REMEDY)
    except CommandFailed:
        return  # the line of the database says it
    else:
        if settings.blobs_url:
            detail = f"{settings.blobs_url} stores, returns, lists and deletes"
            yield CheckResult("blobs", OK, detail)


# --- registries -----------------------------------------------------------------------------


def _registries(settings: Settings) -> Iterator[CheckResult]:
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


# --- isolation --------------------------------------------------------------------------------


def _isolation(
    settings: Settings, server: _RunningServer | None
) -> tuple[str, str, list[CheckResult]]:
    """The level, its reason, and one result per check."""
    if os.geteuid() == 0 and server is not None:
        reported = _reported(server)
        if reported is not None:
            return reported
    result = _probe(settings)
    lines = [
        CheckResult(name, OK if passed else FAILED, detail, _remedy(name))
        for name, passed, detail in result["checks"]
    ]
    return result["level"], result["reason"], lines


def _reported(server: _RunningServer) -> tuple[str, str, list[CheckResult]] | None:
    """The checks that the runners of the installation itself made at their start; None without
    such runners.
    """
    runners = _runners(server)
    if not runners:
        return None
    lines = [
        CheckResult(
            "sandbox",
            OK if runner.isolation == "full" else FAILED,
            f"{runner.isolation}: {runner.reason} (runner {runner.id})",
            LIMITS_REMEDY if runner.isolation == "no-limits" else SANDBOX_REMEDY,
        )
        for runner in runners
    ]
    order = ("none", "no-limits", "full")
    worst = min(runners, key=lambda r: order.index(r.isolation) if r.isolation in order else 0)
    return worst.isolation, worst.reason, lines


def _waiting_sandboxes(server: _RunningServer | None) -> list[CheckResult]:
    """The sandboxes that each runner has started in advance."""
    return [
        CheckResult(
            "waiting sandboxes",
            OK,
            f"{runner.idle_sandboxes}, {formatting.size(runner.idle_memory)}, for the next starts "
            f"(settings warm_sandboxes, warm_browsers; runner {runner.id})",
        )
        for runner in (_runners(server) if server else [])
    ]


def _runners(server: _RunningServer) -> list[RunnerItem]:
    """The runners of the installation itself; nodes have lines of their own."""
    from fyke.reasons import OWN_MACHINE
    from fyke_client import ClientError, FykeAdmin

    try:
        with FykeAdmin(server.location.url, server.location.key, timeout=5, retries=0) as client:
            return [runner for runner in client.runners() if runner.node == OWN_MACHINE]
    except ClientError:
        return []


def _sandbox_users(settings: Settings) -> Iterator[CheckResult]:
    """The sandbox users, if root started Fyke on this data folder."""
    from fyke.app.sandbox_users import sandbox_users

    users = sandbox_users(settings.home) if os.geteuid() == 0 else None
    if users is not None:
        detail = f"{users.start} to {users.stop - 1}, claimed on this machine"
        yield CheckResult("sandbox users", OK, detail)


def _probe(settings: Settings) -> dict[str, Any]:
    """Start a real sandbox, as the user that runs the sandboxes of Workers."""
    from fyke.cli.local_folder import Job, local_folder, run_job

    with local_folder(settings) as local, Job(local.home.parent) as job:
        run_job(local, job, {"action": "probe"})
        result = job.result()
    if "error" in result:
        return {
            "level": "none",
            "reason": result["error"],
            "checks": [("sandbox", False, result["error"])],
        }
    return result


def _remedy(name: str) -> str:
    return LIMITS_REMEDY if name == "limits" else SANDBOX_REMEDY


# --- the browser --------------------------------------------------------------------------------


def _browser(settings: Settings, server: _RunningServer | None) -> Iterator[CheckResult]:
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


def _runner_browsers(server: _RunningServer | None, *, installed: bool) -> Iterator[CheckResult]:
    """What the running Fyke gives its Workers, which may have other settings than this shell."""
    for runner in _runners(server) if server else []:
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


def _browser_sandbox(settings: Settings, server: _RunningServer | None) -> CheckResult:
    """The worst that the runners report, or the result of starting a browser now."""
    name, prefix = "browser sandbox", "browser: "
    if os.geteuid() == 0 and server is not None:
        runners = _runners(server)
        if runners and not any(runner.browsers for runner in runners):
            return CheckResult(name, OK, "not checked: no runner serves browsers")
        reported = [check for runner in runners for check in runner.checks]
        checks = [(check.name, check.holds, check.seen) for check in reported]
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
    from fyke.cli.local_folder import Job, local_folder, run_job

    with local_folder(settings) as local, Job(local.home.parent) as job:
        run_job(local, job, {"action": "browser"})
        result = job.result()
    if "error" in result:
        return {"reason": result["error"], "checks": []}
    return result
