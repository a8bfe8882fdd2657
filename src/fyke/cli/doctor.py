"""``fyke doctor``: checks of this machine, with remedies."""

from __future__ import annotations

from dataclasses import asdict

import typer

from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.doctor_browser import check_browser
from fyke.cli.doctor_database import check_blobs, check_database, check_shared_settings
from fyke.cli.doctor_machine import check_machine, check_registries
from fyke.cli.doctor_node import check_node, check_node_settings
from fyke.cli.doctor_result import FAILED, OK, WARNING, CheckResult
from fyke.cli.doctor_sandbox import check_isolation, users_of_sandboxes, waiting_sandboxes
from fyke.cli.doctor_server import check_health, check_port, running_server
from fyke.cli.errors import Exit
from fyke.cli.output import Output
from fyke.cli.settings import settings_to_look_at


def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check this machine: Python, data folder, port, processes, database, registries of packages,
    sandbox, browser.

    Creates no data folder: before the first start, name it with FYKE_HOME, not with --home, unless
    it is the default one. Every line that is not ok has a remedy. Exit status 1 unless the sandbox
    is complete and no other check has failed.

    \b
    Examples:
      fyke doctor
      fyke doctor --json | jq '.checks[] | select(.state != "ok")'
    """
    from fyke.app.folder import is_node

    settings = settings_to_look_at(home)
    joined = is_node(settings.home)
    server = None if joined else running_server(settings, home)
    lines = [*check_machine(settings)]
    if joined:  # it has no port, database or blobs
        lines.append(check_node(settings.home))
        lines += check_node_settings(settings)
    else:
        lines += [check_port(settings, server), *check_health(server)]
        lines += check_database(settings)
        lines += check_shared_settings(settings)
        lines += check_blobs(settings)
    lines += check_registries(settings)
    level, reason, isolation = check_isolation(settings, server)
    lines += [*isolation, *waiting_sandboxes(server), *users_of_sandboxes(settings)]
    lines += check_browser(settings, server)
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
    out.line("")
    for state, title in ((FAILED, "Failed"), (WARNING, "Warnings")):
        if names := dict.fromkeys(line.name for line in lines if line.state == state):
            out.line(f"{title}: {', '.join(names)}", styles[state])
    out.line(f"Sandbox: {level}", "green" if level == "full" else "red")
