"""The sandbox, as ``fyke doctor`` checks it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import fyke_client
from fyke.app import sandbox_users
from fyke.cli import doctor_browser, doctor_sandbox, local_folder
from fyke.cli.doctor_result import FAILED, OK, CheckResult
from fyke.cli.doctor_sandbox import LIMITS_REMEDY, SANDBOX_REMEDY
from fyke.sandbox.process.user_claims import ActiveClaim
from fyke.settings import Settings
from fyke_client import ApiError
from support.doctor_client import SERVER, Client, runner


def test_nodes_do_not_decide_about_the_sandbox_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", [runner("full"), runner("no-limits", "slurm-7")])
    reported = doctor_sandbox._reported(SERVER)
    assert reported is not None
    assert reported[0] == "full" and len(reported[2]) == 1
    monkeypatch.setattr(Client, "answer", [runner("no-limits", "slurm-7")])
    assert doctor_sandbox._reported(SERVER) is None


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
    reported = doctor_sandbox._reported(SERVER)
    assert reported is not None
    level, reason, lines = reported
    assert (level, reason) == (worst, f"it is {worst}")
    assert [line.state for line in lines] == [OK if level == "full" else FAILED for level in levels]
    assert [line.remedy for line in lines] == remedies


def test_the_waiting_sandboxes_of_each_runner_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", [runner("full")])
    detail = "4, 16.8 MB, for the next starts (settings warm_sandboxes, warm_browsers; runner fu)"
    assert doctor_sandbox.waiting_sandboxes(SERVER) == [
        CheckResult("waiting sandboxes", OK, detail)
    ]
    assert doctor_sandbox.waiting_sandboxes(None) == []
    monkeypatch.setattr(Client, "answer", ApiError(403, 403, "not for you"))
    assert doctor_sandbox.waiting_sandboxes(SERVER) == []


@pytest.mark.parametrize("answer", [[], ApiError(403, 403, "not for you")])
def test_without_a_report_of_runners_a_sandbox_is_probed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Any
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", answer)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    checks = [["limits", False, "no hard limit"], ["seccomp", True, "mode 2"]]
    probe = {"level": "no-limits", "reason": "limits", "checks": checks}
    monkeypatch.setattr(doctor_sandbox, "_probe", lambda settings: probe)
    assert doctor_sandbox.check_isolation(Settings(home=tmp_path), SERVER) == (
        "no-limits",
        "limits",
        [
            CheckResult("limits", FAILED, "no hard limit", LIMITS_REMEDY),
            CheckResult("seccomp", OK, "mode 2", SANDBOX_REMEDY),
        ],
    )


def test_before_the_first_start_a_sandbox_is_probed_in_a_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    probed: list[Path] = []

    def run(local: Settings, job: Any, request: Mapping[str, str]) -> None:
        probed.append(local.home)
        job.write("result.json", json.dumps({"action": request["action"]}).encode())

    monkeypatch.setattr(local_folder, "run_job", run)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    settings = Settings(home=tmp_path / "home")
    assert doctor_sandbox._probe(settings)["action"] == "probe"
    assert doctor_browser._probe_browser(settings)["action"] == "browser"
    assert [home.parent.parent.name[:12] for home in probed] == ["fyke-doctor-"] * 2
    assert list(tmp_path.iterdir()) == []
    settings.home.mkdir()
    doctor_sandbox._probe(settings)
    assert probed[2] == settings.home / "local" / "0"


def test_root_sees_the_users_of_sandboxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = [
        ActiveClaim(range(30_000, 34_096), "/srv/other"),
        ActiveClaim(range(34_096, 38_192), str(tmp_path)),
    ]
    monkeypatch.setattr(sandbox_users, "active_claims", lambda: claims)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    [line] = doctor_sandbox.users_of_sandboxes(Settings(home=tmp_path))
    assert (line.state, line.detail) == (OK, "34096 to 38191, claimed on this machine")
    assert list(doctor_sandbox.users_of_sandboxes(Settings(home=tmp_path / "x"))) == []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert list(doctor_sandbox.users_of_sandboxes(Settings(home=tmp_path))) == []


def test_a_user_without_rights_to_the_data_folder_probes_in_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with doctor_sandbox.local_to_probe(Settings(home=tmp_path)) as local:
        assert "fyke-doctor-" in str(local.home) and not local.home.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []
