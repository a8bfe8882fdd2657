"""What ``fyke doctor`` says of the database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fyke.app.prepare import prepare
from fyke.cli import doctor_database
from fyke.cli.doctor_result import FAILED, OK, WARNING
from fyke.settings import Settings
from support.prepared import rows_in, state_in


def test_a_database_is_new_current_old_or_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    [line] = doctor_database.check_database(Settings(home=tmp_path / "none"))
    assert line.detail == "SQLite, will be created at the first start"
    [line] = doctor_database.check_database(Settings(home=tmp_path))
    assert (line.state, line.detail) == (OK, "SQLite, will be created at the first start")
    state_in(tmp_path)
    [line] = doctor_database.check_database(Settings(home=tmp_path))
    assert (line.state, line.detail[-8:]) == (WARNING, "and none")
    assert "fyke db migrate" in line.remedy
    (tmp_path / "rows.db").unlink(missing_ok=True)
    rows_in(tmp_path)
    [line] = doctor_database.check_database(Settings(home=tmp_path))
    assert (line.state, line.remedy) == (OK, "")
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    [line] = doctor_database.check_database(Settings(home=tmp_path))
    assert (line.state, "FYKE_DATABASE_URL" in line.remedy) == (FAILED, True)


def test_settings_that_differ_from_those_of_the_installation_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # the folder is not that of a service user
    settings = Settings(home=tmp_path / "home")
    assert not [*doctor_database.check_shared_settings(settings)]  # before the first start
    prepare(settings, print)
    [same] = doctor_database.check_shared_settings(settings)
    assert same.state == "ok" and same.detail.startswith("version 1 of the installation, stored ")
    [other] = doctor_database.check_shared_settings(settings.model_copy(update={"keep_days": 9}))
    assert other.state == "warning"
    assert other.detail.startswith("keep_days: other values than in version 1")
