"""Output and exit status of the first job."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fyke.cli import first_job, tour
from fyke.cli.errors import CommandFailed, Exit
from fyke.settings import Settings

BASE = "http://127.0.0.1:8100"
SETUP = f"{BASE}/setup?token=x"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a running platform whose owner has no password yet."""
    monkeypatch.setattr(first_job, "wait_until_ready", lambda *_, give_up: None)
    monkeypatch.setattr(first_job, "publish_shipped", lambda *_: None)
    monkeypatch.setattr(first_job, "setup_link", lambda *_: SETUP)
    (tmp_path / "owner.key").write_text("key")
    return Settings(home=tmp_path, host="127.0.0.1", port=8100)


def show_in_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)


class Tour:
    """A tour with the exit status ``code``."""

    code = 0

    browser = False
    nodes = 0

    def __init__(self, *_: Any, browser: bool, nodes: int) -> None:
        Tour.browser, Tour.nodes = browser, nodes

    def run(self) -> int:
        return self.code


def do(
    settings: Settings,
    *,
    tour: bool = False,
    once: bool = False,
    as_json: bool = False,
    browser: bool = False,
    nodes: int = 0,
) -> int:
    return first_job.first_job(settings, BASE, tour, None, once, as_json, browser, nodes)


def test_a_start_prints_the_url_and_the_setup_link(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show_in_terminal(monkeypatch)
    assert do(settings) == Exit.OK
    output = capsys.readouterr()
    assert output.out == ""
    assert f"Fyke is running at {BASE}" in output.err and SETUP in output.err
    assert not settings.setup_link_file.exists()


def test_the_options_for_another_data_folder_are_named(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    do(settings)
    named = f"--home {settings.home}, or with the environment variable FYKE_HOME={settings.home}."
    assert named in capsys.readouterr().err
    monkeypatch.setattr(first_job, "SYSTEM_HOME", settings.home)
    do(settings.model_copy(update={"launcher": True}))
    assert "FYKE_HOME" not in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True])
def test_a_log_or_pipe_gets_the_path_of_a_private_file(
    settings: Settings, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    settings.setup_link_file.write_text("an older link")
    settings.setup_link_file.chmod(0o644)
    do(settings, as_json=as_json)
    output = capsys.readouterr()
    assert "token" not in output.out + output.err
    assert str(settings.setup_link_file) in (output.out if as_json else output.err)
    assert settings.setup_link_file.read_text() == f"{SETUP}\n"
    assert settings.setup_link_file.stat().st_mode & 0o777 == 0o600


def test_the_file_is_removed_once_there_is_a_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setup_link_file.write_text("an older link")
    monkeypatch.setattr(first_job, "setup_link", lambda *_: "")
    do(settings)
    assert not settings.setup_link_file.exists()
    assert "password" not in capsys.readouterr().err


@pytest.mark.parametrize("link", [SETUP, ""])
def test_json_has_the_url_and_any_setup_link(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    link: str,
) -> None:
    monkeypatch.setattr(first_job, "setup_link", lambda *_: link)
    show_in_terminal(monkeypatch)
    do(settings, as_json=True)
    output = capsys.readouterr()
    expected = {"url": BASE, "home": str(settings.home)} | ({"setup_url": link} if link else {})
    assert json.loads(output.out) == expected
    assert "password" not in output.err


@pytest.mark.parametrize(
    ("code", "once", "stays"),
    [(0, False, True), (0, True, False), (1, False, False), (1, True, False)],
)
def test_the_platform_continues_after_a_successful_tour(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    once: bool,
    stays: bool,
) -> None:
    monkeypatch.setattr(tour, "Tour", Tour)
    monkeypatch.setattr(Tour, "code", code)
    assert do(settings, tour=True, once=once, browser=once, nodes=3) == code
    assert (Tour.browser, Tour.nodes) == (once, 3)
    assert ("Fyke is running" in capsys.readouterr().err) is stays


def test_a_folder_without_the_owner_key_starts_and_names_the_remedy(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.owner_key_file.unlink()
    assert do(settings) == Exit.OK
    output = capsys.readouterr().err
    assert "no owner.key" in output and "fyke db owner-key" in output
    assert f"Fyke is running at {BASE}" in output and SETUP not in output
    with pytest.raises(CommandFailed, match=r"no owner\.key"):
        do(settings, tour=True)
