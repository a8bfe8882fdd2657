"""The machine and its registries, as ``fyke doctor`` checks them."""

from __future__ import annotations

import os
import resource
import shutil
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path

import pytest

from fyke.app import registries
from fyke.cli import doctor_machine
from fyke.cli.doctor_machine import WHOSE_REGISTRIES
from fyke.cli.doctor_result import FAILED, OK, WARNING, CheckResult
from fyke.sandbox.packages.registry_report import RegistryReport, RegistryUse
from fyke.settings import Settings

Usage = namedtuple("Usage", "total used free")


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
    monkeypatch.setattr(doctor_machine, "PYTHON", program(tmp_path / "python3", text))
    line = doctor_machine._workers_python()
    assert (line.state, line.detail[-len(detail) :]) == (state, detail)
    assert "install Python 3.11 or newer" in line.remedy


def test_the_data_folder_must_be_private_and_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "will be created" in doctor_machine._folder(tmp_path / "none").detail
    tmp_path.chmod(0o711)
    assert doctor_machine._folder(tmp_path) == CheckResult("data folder", OK, str(tmp_path))
    tmp_path.chmod(0o755)
    line = doctor_machine._folder(tmp_path)
    assert (line.state, line.remedy) == (WARNING, f"chmod 711 {tmp_path}")
    tmp_path.chmod(0o711)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    line = doctor_machine._folder(tmp_path)
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
    lines = [*doctor_machine._config_file(Settings(home=tmp_path))]
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
    assert doctor_machine._disk(tmp_path / "a" / "b").state == state
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
    assert doctor_machine._process_limits().state == OK
    limits |= {resource.RLIMIT_NOFILE: 40, resource.RLIMIT_NPROC: 12}
    line = doctor_machine._process_limits()
    assert (line.state, line.detail) == (
        FAILED,
        "open files (ulimit -n) 40, 4096 needed; processes (ulimit -u) 12, 384 needed",
    )


def test_a_missing_optional_program_is_not_a_failure() -> None:
    line = doctor_machine._program("fyke-no-such-program", "only needed for this test")
    assert (line.state, line.detail) == (OK, "not found; only needed for this test")


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
    lines = list(doctor_machine.check_registries(Settings(home=tmp_path)))
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
