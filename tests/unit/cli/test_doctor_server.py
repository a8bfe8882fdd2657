"""What ``fyke doctor`` says of the server, its processes and its nodes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import fyke_client
from fyke.cli import doctor_server
from fyke.cli.doctor_result import FAILED, OK, WARNING, CheckResult
from fyke.cli.errors import CommandFailed
from fyke.model.health import Level
from fyke.reasons import OWN_MACHINE
from fyke.settings import Settings
from fyke_client import ApiError
from fyke_client.types.fyke.overview import HealthCheckItem
from support.doctor_client import SERVER, Client

OWN = OWN_MACHINE


def test_a_port_in_use_is_a_failure(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="127.0.0.1", port=0)
    assert "is free" in doctor_server.check_port(settings, None).detail
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = doctor_server.check_port(settings.model_copy(update={"port": port}), None)
    assert (line.state, "--port or FYKE_PORT" in line.remedy) == (FAILED, True)
    assert f"127.0.0.1:{port} is taken" in line.detail


def test_a_server_of_another_user_is_not_called_a_port_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(folder: Path) -> None:
        raise CommandFailed("it may not be read")

    monkeypatch.setattr(doctor_server, "refuse_unreadable", refused)
    line = doctor_server.check_port(Settings(home=tmp_path), None)
    assert line.state == FAILED and "may not be read by this user" in line.detail
    assert "--url and --key" in line.remedy


def test_a_server_without_a_runner_is_a_failure(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert doctor_server.check_port(settings, SERVER).state == OK
    line = doctor_server.check_port(
        settings, doctor_server.RunningServer(SERVER.location, "no runner is alive")
    )
    assert (line.state, line.detail) == (
        FAILED,
        "http://127.0.0.1:8100 answers, but no runner is alive",
    )


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
    assert doctor_server.check_health(SERVER) == [
        CheckResult("process runner", FAILED, "it has not reported for 8 s", remedy),
        CheckResult("process server", OK, "it reports"),
    ]
    assert doctor_server.check_health(None) == []
    monkeypatch.setattr(Client, "answer", ApiError(403, 403, "not for you"))
    assert doctor_server.check_health(SERVER) == []


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
    assert doctor_server.check_health(SERVER) == [
        CheckResult(name, WARNING, "why", "what to do")
        for name in ("node n1", "disk of n2", "clock of n2")
    ]
