"""``fyke doctor``: checks of this machine, with remedies."""

from __future__ import annotations

import io
import json
import os
import traceback
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.doctor_browser import check_browser
from fyke.cli.doctor_database import check_blobs, check_database, check_shared_settings
from fyke.cli.doctor_machine import check_machine, check_registries
from fyke.cli.doctor_node import check_node, check_node_settings
from fyke.cli.doctor_result import FAILED, OK, WARNING, CheckResult
from fyke.cli.doctor_sandbox import check_isolation, users_of_sandboxes, waiting_sandboxes
from fyke.cli.doctor_server import RunningServer, check_health, check_port, running_server
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output
from fyke.cli.settings import settings_to_look_at

if TYPE_CHECKING:
    from fyke.settings import Settings


@dataclass(frozen=True, slots=True)
class Checks:
    """The results of all checks, and the level of the sandbox with the reason for it."""

    lines: list[CheckResult]
    level: str
    reason: str

    @property
    def failed(self) -> bool:
        return self.level != "full" or any(line.state == FAILED for line in self.lines)


def doctor(
    file: Annotated[
        str | None, typer.Argument(help="With --bundle: the archive (.tar.gz).", metavar="[FILE]")
    ] = None,
    bundle: Annotated[
        bool,
        typer.Option("--bundle", help="Write an archive for a maintainer, with secrets masked."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check this machine: Python, data folder, port, processes, database, registries of packages,
    sandbox, browser.

    Creates no data folder: before the first start, name it with FYKE_HOME, not with --home, unless
    it is the default one. Every line that is not ok has a remedy. Exit status 1 unless the sandbox
    is complete and no other check has failed.

    With --bundle the result is written to an archive, with versions, settings, facts about the
    machine, the last part of the log, migrations, numbers of runs, and nodes; then the exit status
    is 0 whatever the checks have found. It works while the server or the database is down. Secrets
    are masked, and rows and inputs of runs are not in it.

    \b
    Examples:
      fyke doctor
      fyke doctor --json | jq '.checks[] | select(.state != "ok")'
      fyke doctor --bundle fyke-doctor.tar.gz
    """
    if file and not bundle:
        raise CommandFailed(f"{file}: a file is written only with --bundle", Exit.USAGE)
    out = Output(as_json)
    settings = settings_to_look_at(home)
    if bundle:
        _write_bundle(out, settings, home, file)
        return
    checks = _check(settings, home, _server(settings, home))
    if as_json:
        out.json(_data(checks))
    else:
        _print(out, checks)
    if checks.failed:
        raise typer.Exit(Exit.FAILED)


def _server(settings: Settings, home: str | None) -> RunningServer | None:
    from fyke.app.folder import is_node

    return None if is_node(settings.home) else running_server(settings, home)


def _check(settings: Settings, home: str | None, server: RunningServer | None) -> Checks:
    from fyke.app.folder import is_node

    lines = [*check_machine(settings)]
    if is_node(settings.home):  # it has no port, database or blobs
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
    return Checks(lines, level, reason)


def _data(checks: Checks) -> dict[str, Any]:
    lines = [asdict(line) | ({"remedy": ""} if line.state == OK else {}) for line in checks.lines]
    return {
        "ok": not checks.failed,
        "level": checks.level,
        "reason": checks.reason,
        "checks": lines,
    }


def _write_bundle(out: Output, settings: Settings, home: str | None, name: str | None) -> None:
    from fyke.app.secret_values import secret_values
    from fyke.cli import doctor_bundle

    file = doctor_bundle.file_of(name)
    server = _server(settings, home)
    secrets = secret_values(settings, os.environ)
    bundle = doctor_bundle.collect(settings, server, _texts(settings, home, server))
    size = doctor_bundle.write(file, bundle, secrets)
    if out.as_json:
        files = {name: len(text.encode()) for name, (text, _) in bundle.files.items()}
        out.json({"file": str(file), "bytes": size, "files": files, "missing": bundle.missing})
        return
    out.raw(str(file))
    for line in doctor_bundle.report(bundle, size):
        out.say(line)


def _texts(settings: Settings, home: str | None, server: RunningServer | None) -> dict[str, str]:
    """The results of the checks as text and as JSON; the error of a check that cannot be done."""
    try:
        checks = _check(settings, home, server)
    except Exception as error:  # what is broken in an unforeseen way needs a maintainer the most
        problem = "".join(traceback.format_exception(error))
        return {"doctor.txt": f"The checks have failed:\n{problem}"}
    text = io.StringIO()
    _print(Output(False, stdout=text), checks)
    return {
        "doctor.txt": text.getvalue(),
        "doctor.json": json.dumps(_data(checks), indent=1) + "\n",
    }


def _print(out: Output, checks: Checks) -> None:
    lines, level = checks.lines, checks.level
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
