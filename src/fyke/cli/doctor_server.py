"""Checks of ``fyke doctor``: the running server of the data folder, and what it knows."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fyke.cli.context import Location, locate, refuse_unreadable
from fyke.cli.doctor_machine import NOT_OURS_REMEDY
from fyke.cli.doctor_result import FAILED, OK, WARNING, CheckResult
from fyke.cli.errors import CommandFailed
from fyke.cli.nodes_server import missing_server

if TYPE_CHECKING:
    from fyke.settings import Settings
    from fyke_client.types.fyke.overview import RunnerItem


@dataclass(frozen=True, slots=True)
class RunningServer:
    """The running server of this data folder."""

    location: Location
    not_ready: str = ""  # why it is not ready


def running_server(settings: Settings, home: str | None) -> RunningServer | None:
    from fyke_client import ClientError, FykeAdmin

    try:
        location = locate(None, None, home or str(settings.home), {})
        with FykeAdmin(location.url, location.key, timeout=5, retries=0) as client:
            return RunningServer(location, client.not_ready())
    except (CommandFailed, ClientError):
        return None


def check_port(settings: Settings, server: RunningServer | None) -> CheckResult:
    if server is not None:
        problem = f", but {server.not_ready}" if server.not_ready else ""
        return CheckResult(
            "server",
            FAILED if problem else OK,
            f"{server.location.url} answers{problem}",
            'see the log of "fyke up" for the reason',
        )
    try:
        refuse_unreadable(settings.home)
    except CommandFailed:
        detail = f"{settings.home}/server.json may not be read by this user"
        return CheckResult("server", FAILED, detail, NOT_OURS_REMEDY)
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
    command = missing_server(settings) or '"fyke up"'
    return CheckResult("server", OK, f"not running, {address} is free; {command} starts it")


def check_health(server: RunningServer | None) -> list[CheckResult]:
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


def own_runners(server: RunningServer) -> list[RunnerItem]:
    """The runners of the installation itself; nodes have lines of their own."""
    from fyke.reasons import OWN_MACHINE
    from fyke_client import ClientError, FykeAdmin

    try:
        with FykeAdmin(server.location.url, server.location.key, timeout=5, retries=0) as client:
            return [runner for runner in client.runners() if runner.node == OWN_MACHINE]
    except ClientError:
        return []
