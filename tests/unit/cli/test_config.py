from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.app.configuration import masked, origins_of
from fyke.cli.main import app
from fyke.settings import Settings


def test_the_origin_of_each_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text('port = 9000\nhost = "::1"\n')
    monkeypatch.setenv("FYKE_PORT", "9001")
    settings = Settings(home=tmp_path)
    origins = origins_of(settings, {"home": tmp_path}, {"FYKE_PORT": "9001"})
    assert settings.port == 9001
    assert origins["home"] == "flag"
    assert origins["port"] == "environment (FYKE_PORT)"
    assert origins["host"] == f"file ({tmp_path / 'config.toml'})"
    assert origins["keep_days"] == "default"
    assert set(origins) == set(Settings.model_fields)


def test_secrets_are_masked() -> None:
    assert masked("postgresql://fyke:secret@db/fyke") == "postgresql://fyke:***@db/fyke"
    assert masked({"DE": "socks5://u:secret@p:1080"}) == {"DE": "socks5://u:***@p:1080"}
    assert masked(("a", Path("/b"))) == ["a", "/b"]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FYKE_DATABASE_URL", "postgresql://fyke:secret@db/fyke")
    (tmp_path / "config.toml").write_text("")
    run = CliRunner().invoke
    text = run(app, ["config", "show", "--origin", "--home", str(tmp_path)]).output
    assert "environment (FYKE_DATABASE_URL)" in text
    assert ":secret" not in text
    values = json.loads(run(app, ["config", "show", "--home", str(tmp_path), "--json"]).output)
    assert values["home"] == str(tmp_path)
    assert values["port"] == 8100
