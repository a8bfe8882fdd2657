"""Parts of ``fyke up``; the e2e tests run all of it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fyke.cli import up
from fyke.cli.errors import CommandFailed, Exit
from fyke.settings import Settings
from support.commands import command


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, host="127.0.0.1", port=8100)


def test_a_large_log_is_renamed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "MAX_LOG_BYTES", 4)
    log = settings.home / "fyke.log"
    log.write_text("four")
    with up._log_file(settings) as file:
        file.write(b"+")
    assert log.read_text() == "four+"
    with up._log_file(settings) as file:
        file.write(b"new")
    assert (log.read_text(), log.with_suffix(".log.1").read_text()) == ("new", "four+")


def test_the_roles_get_the_settings_in_flags(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_PORT", "9999")
    monkeypatch.setenv("FYKE_LOG_LEVEL", "debug")
    environment = up._role_environment(settings, browser=True)
    assert environment["FYKE_PORT"] == "8100"
    assert environment["FYKE_SERVERS"] == "1"
    assert environment["FYKE_HOME"] == str(settings.home)
    assert environment["FYKE_LOG_LEVEL"] == "debug"
    assert "FYKE_BROWSER" not in environment
    assert up._role_environment(settings, browser=False)["FYKE_BROWSER"] == "off"


def test_a_port_in_use_leaves_no_half_made_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        for _ in range(2):  # missing, and empty as a volume of a container
            _, _, error = command("up", "--home", home, "--port", port)
            assert isinstance(error, CommandFailed) and "is in use" in str(error)
            assert not home.exists() or not list(home.iterdir())
            home.mkdir(exist_ok=True)


def test_options_and_settings_can_be_checked_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert command("up", "--check", "--home", home, "--port", "0")[0] == 0
    assert command("up", "--check", "--home", home, "--port", "99999")[0] == Exit.USAGE
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        _, _, error = command("up", "--check", "--home", home, "--port", port)
    assert isinstance(error, CommandFailed) and f"Port {port} on 127.0.0.1 is in use" in str(error)
    monkeypatch.setenv("FYKE_SERVERS", "65")
    _, _, error = command("up", "--check", "--home", home)
    assert isinstance(error, CommandFailed) and error.code is Exit.USAGE
    assert list(tmp_path.iterdir()) == []
