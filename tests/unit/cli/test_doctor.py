"""The output and the exit status of ``fyke doctor``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.cli import doctor, doctor_machine
from fyke.cli.doctor_result import OK, WARNING, CheckResult
from fyke.cli.main import app


@pytest.mark.parametrize(("level", "code"), [("full", 0), ("no-limits", 1), ("none", 1)])
def test_only_a_complete_sandbox_is_exit_status_0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, level: str, code: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor, "check_registries", lambda settings: iter([]))
    monkeypatch.setattr(doctor, "check_browser", lambda *_: iter([]))
    monkeypatch.setattr(
        doctor, "check_machine", lambda settings: iter([CheckResult("uv", OK, "uv 1", "x")])
    )
    monkeypatch.setattr(
        doctor,
        "check_isolation",
        lambda *_: (level, "why", [CheckResult("limits", WARNING, "w", "do this")]),
    )
    (tmp_path / "config.toml").write_text("")
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
    [warnings] = [line for line in text.splitlines() if line.startswith("Warnings: ")]
    assert "limits" in warnings and "uv" not in warnings


def test_before_the_first_start_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor, "check_registries", lambda settings: iter([]))
    monkeypatch.setattr(doctor, "check_browser", lambda *_: iter([]))
    monkeypatch.setattr(doctor, "check_isolation", lambda *_: ("full", "", []))
    monkeypatch.setattr(doctor_machine, "_first_line", lambda *_: "")  # it starts programs
    for name in ("FYKE_HOME", "FYKE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FYKE_PORT", "0")
    report = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    details = {check["name"]: check["detail"] for check in report["checks"]}
    home = tmp_path / ".fyke"
    assert details["data folder"] == f"{home} will be created at the first start"
    assert details["database"] == "SQLite, will be created at the first start"
    assert list(tmp_path.iterdir()) == []
