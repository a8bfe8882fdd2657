"""Results and remedies of ``fyke doctor``."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import time
from collections import namedtuple
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import msgspec
import pytest
from typer.testing import CliRunner

import fyke_client
from fyke.app import local, node_folder, registries, sandbox_users
from fyke.app.local import MachineBrowser
from fyke.app.prepare import prepare
from fyke.cli import doctor
from fyke.cli.context import Location
from fyke.cli.doctor import (
    BROWSER_NOT_CHECKED,
    BROWSER_REMEDY,
    DRIVER_REMEDY,
    FAILED,
    LIMITS_REMEDY,
    OK,
    SANDBOX_REMEDY,
    WARNING,
    WHOSE_REGISTRIES,
    CheckResult,
)
from fyke.cli.main import app
from fyke.errors import InvalidRequest
from fyke.kit.certificates import new_authority, new_request, sign_client
from fyke.model.health import Level
from fyke.reasons import OWN_MACHINE
from fyke.sandbox.packages.registry_report import RegistryReport, RegistryUse
from fyke.sandbox.process.user_claims import ActiveClaim
from fyke.settings import Settings
from fyke.wire.nodes import KnownNode, UnknownNode
from fyke_client import ApiError
from fyke_client.types.fyke.overview import HealthCheckItem, IsolationCheck, RunnerItem
from support.prepared import rows_in, state_in

Usage = namedtuple("Usage", "total used free")
OWN = OWN_MACHINE
SERVER = doctor._RunningServer(Location("http://127.0.0.1:8100", "k"))


def program(file: Path, text: str) -> str:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("text", "state", "detail"),
    [
        ("echo Python 3.11.2", OK, "Python 3.11.2"),
        ("echo Python 3.14.0rc1", OK, "Python 3.14.0rc1"),
        ("echo Python 3.9.18", FAILED, "Python 3.9.18"),
        ("exit 1", FAILED, "is missing"),
    ],
)
def test_workers_need_python_3_11(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, state: str, detail: str
) -> None:
    monkeypatch.setattr(doctor, "PYTHON", program(tmp_path / "python3", text))
    line = doctor._workers_python()
    assert (line.state, line.detail[-len(detail) :]) == (state, detail)
    assert "install Python 3.11 or newer" in line.remedy


def test_the_data_folder_must_be_private_and_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "will be created" in doctor._folder(tmp_path / "none").detail
    tmp_path.chmod(0o711)
    assert doctor._folder(tmp_path) == CheckResult("data folder", OK, str(tmp_path))
    tmp_path.chmod(0o755)
    line = doctor._folder(tmp_path)
    assert (line.state, line.remedy) == (WARNING, f"chmod 711 {tmp_path}")
    tmp_path.chmod(0o711)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    line = doctor._folder(tmp_path)
    assert (line.state, "--home" in line.remedy) == (FAILED, True)


@pytest.mark.parametrize(
    ("text", "mode", "names"),
    [
        ('s3_secret = "x"', 0o644, "s3_secret"),
        ('database_url = "postgresql://fyke:pw@db/fyke"\nport = 9', 0o604, "database_url"),
        ('smtp_url = "smtps://a:pw@b"\ns3_secret = "x"', 0o644, "smtp_url, s3_secret"),
        ('egress_upstreams = {US = "http://u:pw@h:1"}', 0o644, "egress_upstreams"),
        ('s3_secret = "x"', 0o640, ""),
        ('s3_secret = ""\ns3_endpoint = "https://a.example"', 0o644, ""),
        (None, 0, ""),
    ],
)
def test_a_configuration_with_secrets_should_not_be_readable_by_others(
    tmp_path: Path, text: str | None, mode: int, names: str
) -> None:
    path = tmp_path / "config.toml"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    lines = [*doctor._config_file(Settings(home=tmp_path))]
    detail = f"{path} contains {names} and can be read by others"
    expected = CheckResult("config.toml", WARNING, detail, f"chmod o-r {path}")
    assert lines == ([expected] if names else [])


@pytest.mark.parametrize(
    ("free", "state"),
    [
        (2 * 10**9, OK),
        (2 * 10**9 - 1, WARNING),
        (200 * 10**6, WARNING),
        (200 * 10**6 - 1, FAILED),
    ],
)
def test_the_free_space_of_a_new_folder_is_that_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    paths: list[Path] = []
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: paths.append(path) or Usage(10**12, 0, free)
    )
    assert doctor._disk(tmp_path / "a" / "b").state == state
    assert paths == [tmp_path]


def test_limits_that_are_too_low_are_named_with_what_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = {
        resource.RLIMIT_NOFILE: resource.RLIM_INFINITY,
        resource.RLIMIT_FSIZE: resource.RLIM_INFINITY,
        resource.RLIMIT_NPROC: 384,
    }
    monkeypatch.setattr(resource, "getrlimit", lambda number: (1, limits[number]))
    assert doctor._process_limits().state == OK
    limits |= {resource.RLIMIT_NOFILE: 40, resource.RLIMIT_NPROC: 12}
    line = doctor._process_limits()
    assert (line.state, line.detail) == (
        FAILED,
        "open files (ulimit -n) 40, 4096 needed; processes (ulimit -u) 12, 384 needed",
    )


def test_a_missing_optional_program_is_not_a_failure() -> None:
    line = doctor._program("fyke-no-such-program", "only needed for this test")
    assert (line.state, line.detail) == (OK, "not found; only needed for this test")


# --- the server


def test_a_port_in_use_is_a_failure(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="127.0.0.1", port=0)
    assert "is free" in doctor._port(settings, None).detail
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = doctor._port(settings.model_copy(update={"port": port}), None)
    assert (line.state, "--port or FYKE_PORT" in line.remedy) == (FAILED, True)
    assert f"127.0.0.1:{port} is taken" in line.detail


def test_a_server_without_a_runner_is_a_failure(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert doctor._port(settings, SERVER).state == OK
    line = doctor._port(settings, doctor._RunningServer(SERVER.location, "no runner is alive"))
    assert (line.state, line.detail) == (
        FAILED,
        "http://127.0.0.1:8100 answers, but no runner is alive",
    )


# --- the database


def test_a_database_is_new_current_old_or_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    [line] = doctor._database(Settings(home=tmp_path / "none"))
    assert line.detail == "SQLite, will be created at the first start"
    [line] = doctor._database(Settings(home=tmp_path))
    assert (line.state, line.detail) == (OK, "SQLite, will be created at the first start")
    state_in(tmp_path)
    [line] = doctor._database(Settings(home=tmp_path))
    assert (line.state, line.detail[-8:]) == (WARNING, "and none")
    assert "fyke db migrate" in line.remedy
    (tmp_path / "rows.db").unlink(missing_ok=True)
    rows_in(tmp_path)
    [line] = doctor._database(Settings(home=tmp_path))
    assert (line.state, line.remedy) == (OK, "")
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    [line] = doctor._database(Settings(home=tmp_path))
    assert (line.state, "FYKE_DATABASE_URL" in line.remedy) == (FAILED, True)


# --- registries


def test_registries_are_listed_with_their_source_and_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(settings: Settings, environ: Mapping[str, str]) -> list[RegistryReport]:
        assert environ["HOME"] == "/somewhere"
        use = RegistryUse("https://corp.invalid/simple", "UV_INDEX", login=True)
        other = RegistryUse("https://pypi.org/simple", "uv's default", login=False)
        return [
            RegistryReport("Python", (use, other)),
            RegistryReport("Node.js", problem="~/.npmrc cannot be used"),
            RegistryReport("Go", note="its package client is not installed"),
        ]

    async def problems(*_: object) -> dict[str, str]:
        return {"https://pypi.org/simple": "no connection within 3 s"}

    monkeypatch.setattr(registries, "registries_of", found)
    monkeypatch.setattr(registries, "connection_problems", problems)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/somewhere")
    lines = list(doctor._registries(Settings(home=tmp_path)))
    assert [(line.name, line.state, line.detail) for line in lines] == [
        ("packages", OK, WHOSE_REGISTRIES),
        ("packages for Python", OK, "https://corp.invalid/simple (UV_INDEX, with a login)"),
        (
            "packages for Python",
            WARNING,
            "https://pypi.org/simple (uv's default, without a login): no connection within 3 s",
        ),
        ("packages for Node.js", FAILED, "~/.npmrc cannot be used"),
        ("packages for Go", OK, "its package client is not installed"),
    ]


# --- processes and isolation


class Client:
    """A client of a server with the runners in ``answer``."""

    answer: Any = ()

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None: ...

    def runners(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def health(self) -> Any:
        return self.runners()


def test_the_processes_are_listed_as_the_watchdog_knows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    remedy = "it is restarted"
    checks = [
        HealthCheckItem("disk", Level.BAD, "full", "free some"),
        HealthCheckItem("process runner", Level.BAD, "it has not reported for 8 s", remedy),
        HealthCheckItem("process server", Level.GOOD, "it reports", ""),
    ]
    monkeypatch.setattr(Client, "answer", checks)
    assert doctor._health(SERVER) == [
        CheckResult("process runner", FAILED, "it has not reported for 8 s", remedy),
        CheckResult("process server", OK, "it reports"),
    ]
    assert doctor._health(None) == []
    monkeypatch.setattr(Client, "answer", ApiError(403, 403, "not for you"))
    assert doctor._health(SERVER) == []


def runner(isolation: str, node: str = OWN) -> RunnerItem:
    return RunnerItem(
        isolation[:2],
        node,
        isolation,
        f"it is {isolation}",
        1,
        1,
        1,
        [],
        False,
        "",
        4,
        16_800_000,
        6,
        "",
        [],
        browser_display=False,
    )


def test_nodes_with_trouble_are_named_and_do_not_fail_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    names = (
        ("node n1", Level.BAD),
        ("node n2", Level.GOOD),
        ("disk of n2", Level.WARNING),
        ("clock of n2", Level.WARNING),
        ("clock of n3", Level.GOOD),
        (f"browsers of {OWN}", Level.WARNING),
        ("settings of servers", Level.WARNING),
        (f"runner of {OWN}", Level.BAD),
        ("proxy of other regions", Level.BAD),
    )
    checks = [HealthCheckItem(name, level, "why", "what to do") for name, level in names]
    monkeypatch.setattr(Client, "answer", checks)
    assert doctor._health(SERVER) == [
        CheckResult(name, WARNING, "why", "what to do")
        for name in ("node n1", "disk of n2", "clock of n2")
    ]


def test_nodes_do_not_decide_about_the_sandbox_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", [runner("full"), runner("no-limits", "slurm-7")])
    reported = doctor._reported(SERVER)
    assert reported is not None
    assert reported[0] == "full" and len(reported[2]) == 1
    monkeypatch.setattr(Client, "answer", [runner("no-limits", "slurm-7")])
    assert doctor._reported(SERVER) is None


@pytest.mark.parametrize(
    ("levels", "worst", "remedies"),
    [
        (["full"], "full", [SANDBOX_REMEDY]),
        (["full", "no-limits"], "no-limits", [SANDBOX_REMEDY, LIMITS_REMEDY]),
        (["no-limits", "none", "full"], "none", [LIMITS_REMEDY, SANDBOX_REMEDY, SANDBOX_REMEDY]),
        (["full", "unheard-of"], "unheard-of", [SANDBOX_REMEDY, SANDBOX_REMEDY]),
    ],
)
def test_the_worst_runner_decides(
    monkeypatch: pytest.MonkeyPatch, levels: list[str], worst: str, remedies: list[str]
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", [runner(level) for level in levels])
    reported = doctor._reported(SERVER)
    assert reported is not None
    level, reason, lines = reported
    assert (level, reason) == (worst, f"it is {worst}")
    assert [line.state for line in lines] == [OK if level == "full" else FAILED for level in levels]
    assert [line.remedy for line in lines] == remedies


def test_the_waiting_sandboxes_of_each_runner_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", [runner("full")])
    detail = "4, 16.8 MB, for the next starts (settings warm_sandboxes, warm_browsers; runner fu)"
    assert doctor._waiting_sandboxes(SERVER) == [CheckResult("waiting sandboxes", OK, detail)]
    assert doctor._waiting_sandboxes(None) == []
    monkeypatch.setattr(Client, "answer", ApiError(403, 403, "not for you"))
    assert doctor._waiting_sandboxes(SERVER) == []


@pytest.mark.parametrize("answer", [[], ApiError(403, 403, "not for you")])
def test_without_a_report_of_runners_a_sandbox_is_probed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Any
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", answer)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    checks = [["limits", False, "no hard limit"], ["seccomp", True, "mode 2"]]
    probe = {"level": "no-limits", "reason": "limits", "checks": checks}
    monkeypatch.setattr(doctor, "_probe", lambda settings: probe)
    assert doctor._isolation(Settings(home=tmp_path), SERVER) == (
        "no-limits",
        "limits",
        [
            CheckResult("limits", FAILED, "no hard limit", LIMITS_REMEDY),
            CheckResult("seccomp", OK, "mode 2", SANDBOX_REMEDY),
        ],
    )


def browser_lines(
    monkeypatch: pytest.MonkeyPatch, home: Path, found: MachineBrowser, probe: dict[str, Any]
) -> list[CheckResult]:
    monkeypatch.setattr(local, "machine_browser", lambda: found)
    monkeypatch.setattr(doctor, "_probe_browser", lambda settings: probe)
    return list(doctor._browser(Settings(home=home), None))


def test_a_machine_without_a_browser_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [line] = browser_lines(monkeypatch, tmp_path, MachineBrowser({}, "", False, 0, []), {})
    assert line.state == OK
    assert "apt install chromium-headless-shell" in line.detail


def test_the_browser_is_listed_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    versions = {"headless-shell": "156.0.1.2", "chromium": "156.0.1.2"}
    good = MachineBrowser(versions, "156.0.1.3", True, 40, [])
    passed = {"reason": "", "checks": [("browser: seccomp", True, "mode 2")]}
    assert browser_lines(monkeypatch, tmp_path, good, passed) == [
        CheckResult("browser", OK, "headless-shell 156.0.1.2, chromium 156.0.1.2"),
        CheckResult("browser driver", OK, "156.0.1.3", DRIVER_REMEDY),
        CheckResult("browser display", OK, "Xvfb"),
        CheckResult("fonts", OK, "40 files", ANY),
        CheckResult("browser sandbox", OK, "effective, and the browser has its own inside"),
    ]
    bad = MachineBrowser(versions, "155.0.0.0", False, 2, ["fonts-liberation"])
    check = ("browser: own sandbox of the browser", False, "no user namespaces")
    lines = browser_lines(monkeypatch, tmp_path, bad, {"reason": "", "checks": [check]})
    assert [line.state for line in lines] == [OK, WARNING, OK, WARNING, WARNING]
    assert lines[1].detail == "155.0.0.0 is of another version than the browser"
    assert "no virtual display was found (apt install xvfb)" in lines[2].detail
    assert lines[3].detail == "2 files, none of fonts-liberation"
    assert lines[3].remedy.startswith("apt install fonts-liberation;")
    assert "empty rectangles" in lines[3].remedy
    assert lines[4].detail == "own sandbox of the browser: no user namespaces"
    without = MachineBrowser(versions, "", True, 40, [])
    lines = browser_lines(monkeypatch, tmp_path, without, {"reason": "broken", "checks": []})
    assert (lines[1].state, lines[4].state, lines[4].detail) == (OK, WARNING, "broken")


def test_a_browser_that_is_switched_off_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = MachineBrowser({"chromium": "156.0.1.2"}, "", True, 40, [])
    monkeypatch.setattr(local, "machine_browser", lambda: found)
    line = list(doctor._browser(Settings(home=tmp_path, browser="off"), None))[-1]
    expected = CheckResult("browser sandbox", OK, "not checked: the setting browser is off")
    assert line == expected


def test_root_sees_what_the_runners_report_of_their_browsers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    reporting = runner("full")
    monkeypatch.setattr(Client, "answer", [reporting])
    settings = Settings(home=tmp_path)
    not_yet = CheckResult("browser sandbox", OK, BROWSER_NOT_CHECKED)
    assert doctor._browser_sandbox(settings, SERVER) == not_yet
    reporting.checks[:] = [IsolationCheck("browser: network", True, "only lo")]
    assert doctor._browser_sandbox(settings, SERVER).state == OK
    reporting.checks[:] += [IsolationCheck("browser: vsock", False, "opened")]
    assert doctor._browser_sandbox(settings, SERVER) == CheckResult(
        "browser sandbox", WARNING, "vsock: opened", BROWSER_REMEDY
    )


@pytest.mark.parametrize(
    ("installed", "reported", "state", "detail"),
    [
        (True, {"browser_programs": ["chromium"]}, OK, "chromium, for up to 6 attempts at once"),
        (True, {}, OK, "a browser, for up to 6 attempts at once"),  # it was not looked for yet
        (True, {"browser_problem": "no room"}, WARNING, "no room"),
        (True, {"browsers": 0}, WARNING, f"Workers get no browser: {doctor.SERVES_NONE}"),
        (False, {"browsers": 0}, OK, f"Workers get no browser: {doctor.SERVES_NONE}"),
    ],
)
def test_the_running_fyke_says_what_its_workers_get(
    monkeypatch: pytest.MonkeyPatch,
    installed: bool,
    reported: dict[str, object],
    state: str,
    detail: str,
) -> None:
    """Its settings may be others than those of the shell."""
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", [msgspec.structs.replace(runner("full"), **reported)])
    [line] = doctor._runner_browsers(SERVER, installed=installed)
    assert (line.name, line.state) == ("runner browser", state)
    assert line.detail == f"{detail} (runner fu)"


def test_the_sandbox_of_a_browser_is_not_checked_where_browsers_are_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(local, "machine_browser", lambda: MachineBrowser({}, "", False, 0, []))
    monkeypatch.setattr(Client, "answer", [msgspec.structs.replace(runner("full"), browsers=0)])
    line = doctor._browser_sandbox(Settings(home=tmp_path), SERVER)
    assert line == CheckResult("browser sandbox", OK, "not checked: no runner serves browsers")
    names = [line.name for line in doctor._browser(Settings(home=tmp_path), SERVER)]
    assert names == ["runner browser", "browser"]


@pytest.mark.parametrize(("level", "code"), [("full", 0), ("no-limits", 1), ("none", 1)])
def test_only_a_complete_sandbox_is_exit_status_0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, level: str, code: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor, "_registries", lambda settings: iter([]))
    monkeypatch.setattr(doctor, "_browser", lambda *_: iter([]))
    monkeypatch.setattr(
        doctor, "_machine", lambda settings: iter([CheckResult("uv", OK, "uv 1", "x")])
    )
    monkeypatch.setattr(
        doctor,
        "_isolation",
        lambda *_: (level, "why", [CheckResult("limits", WARNING, "w", "do this")]),
    )
    arguments = ["doctor", "--home", str(tmp_path)]
    monkeypatch.setenv("FYKE_PORT", "0")
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    report = json.loads(answer.stdout)
    assert (answer.exit_code, report["ok"], report["level"]) == (code, code == 0, level)
    remedies = {check["name"]: check["remedy"] for check in report["checks"]}
    assert (remedies["uv"], remedies["limits"]) == ("", "do this")  # no remedy without a problem
    text = CliRunner().invoke(app, arguments).stdout
    assert "-> do this" in text and "-> x" not in text
    assert text.splitlines()[-1] == f"Sandbox: {level}"


def test_the_folder_of_a_node_is_checked_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_machine", "_registries", "_browser"):
        monkeypatch.setattr(doctor, name, lambda *_: iter([]))
    monkeypatch.setattr(doctor, "_isolation", lambda *_: ("full", "", []))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def lines() -> list[str]:
        return CliRunner().invoke(app, ["doctor", "--home", str(tmp_path)]).stdout.splitlines()

    with socket.create_server(("127.0.0.1", 0)) as gateway:
        where = f"127.0.0.1:{gateway.getsockname()[1]}"
    join_as_node(tmp_path, where, expires_in=3600)
    missing = lines()
    assert f"no answer of the gateway {where}: No connection to {where}: Conn" in missing[0]
    assert missing[0].startswith("failed") and "reaches the port" in missing[1]
    answers: list[Any] = [KnownNode("192.0.2.3", 1_790_000_000_000)]
    monkeypatch.setattr(node_folder, "ask_gateway", lambda *_: answers[0])
    known = lines()
    assert known[0].startswith("ok ") and known[0].endswith(" at 192.0.2.3")
    assert "n1 of the pool eu; certificate until 20" in known[0]
    assert f"gateway {where} knows it, last seen 2026-09-2" in known[0]
    assert not any(name in line for line in known for name in ("server", "database"))
    (tmp_path / "config.toml").write_text("site_rate = 5\nrunner_slots = 3\n")
    ignored = lines()
    assert ignored[1].split(None, 2) == [
        "warning",
        "settings",
        "site_rate: ignored, because a node uses those of its installation",
    ]
    (tmp_path / "config.toml").unlink()
    answers[0] = UnknownNode()
    forgotten = lines()
    assert forgotten[0].startswith("failed") and "has forgotten this node" in forgotten[0]
    assert f"delete {tmp_path / 'node.json'} and join again" in forgotten[1]
    monkeypatch.setattr(node_folder, "ask_gateway", raising(InvalidRequest("another protocol")))
    earlier = lines()
    assert earlier[0].startswith("warning") and "cannot say whether it knows" in earlier[0]
    assert "upgrade the installation" in earlier[1]
    join_as_node(tmp_path, where, expires_in=-3600)
    expired = lines()
    assert expired[0].startswith("failed") and f"delete {tmp_path / 'node.json'}" in expired[1]
    (tmp_path / "node.json").write_text("{")
    damaged = lines()
    assert damaged[0].endswith(f"{tmp_path / 'node.json'} is damaged: it is not JSON")
    assert damaged[1].endswith("-> delete it, and join again with fyke node join")
    monkeypatch.setattr(node_folder, "read_node", raising(PermissionError(13, "Permission denied")))
    others = lines()
    assert others[0].endswith("node.json cannot be read: Permission denied")
    assert others[1].endswith("-> run this command as its owner")


def test_settings_that_differ_from_those_of_the_installation_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # the folder is not that of a service user
    settings = Settings(home=tmp_path / "home")
    assert not [*doctor._shared_settings(settings)]  # before the first start
    prepare(settings, print)
    [same] = doctor._shared_settings(settings)
    assert same.state == "ok" and same.detail.startswith("version 1 of the installation, stored ")
    [other] = doctor._shared_settings(settings.model_copy(update={"keep_days": 9}))
    assert other.state == "warning"
    assert other.detail.startswith("keep_days: other values than in version 1")


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def join_as_node(home: Path, gateway: str, *, expires_in: float) -> None:
    """The folder of a node whose certificate expires in these seconds."""
    now = time.time()
    authority = new_authority("test", now - 7200, 9000)
    request = new_request()
    own = sign_client(authority, request.certificate, "fyke:n1", now - 7200, 7200 + expires_in)
    kept = {"name": "n1", "pool": "eu", "labels": {}, "gateways": [gateway]}
    keys = {"authority": authority.certificate, "certificate": own, "key": request.key}
    (home / "node.json").write_text(json.dumps(kept | keys))


def test_root_sees_the_users_of_sandboxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = [
        ActiveClaim(range(30_000, 34_096), "/srv/other"),
        ActiveClaim(range(34_096, 38_192), str(tmp_path)),
    ]
    monkeypatch.setattr(sandbox_users, "active_claims", lambda: claims)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    [line] = doctor._sandbox_users(Settings(home=tmp_path))
    assert (line.state, line.detail) == (OK, "34096 to 38191, claimed on this machine")
    assert list(doctor._sandbox_users(Settings(home=tmp_path / "x"))) == []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert list(doctor._sandbox_users(Settings(home=tmp_path))) == []
