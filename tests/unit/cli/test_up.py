"""What a start prepares, prints and stops for; the suite of the platform starts the whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fyke.cli import shipped, tour, up
from fyke.cli.errors import Exit
from fyke.settings import Settings

BASE = "http://127.0.0.1:8100"
SETUP = f"{BASE}/setup?token=x"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The platform answers, and the owner has no password yet."""
    monkeypatch.setattr(shipped, "wait_until_ready", lambda *_: None)
    monkeypatch.setattr(shipped, "publish_shipped", lambda *_: None)
    monkeypatch.setattr(shipped, "setup_link", lambda *_: SETUP)
    return Settings(home=tmp_path, host="127.0.0.1", port=8100)


class Tour:
    """A tour that ends with this code."""

    code = 0

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def run(self) -> int:
        return self.code


def first_job(
    settings: Settings, *, tour: bool = False, once: bool = False, as_json: bool = False
) -> int:
    return asyncio.run(up._first_job(settings, BASE, tour, None, once, as_json))


def test_a_start_prints_where_it_is_and_the_link_for_the_password(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first_job(settings) == Exit.OK
    said = capsys.readouterr()
    assert said.out == ""
    assert f"Fyke is running at {BASE}" in said.err and SETUP in said.err


@pytest.mark.parametrize("link", [SETUP, ""])
def test_json_is_for_programs_and_has_the_link_when_there_is_one(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    link: str,
) -> None:
    monkeypatch.setattr(shipped, "setup_link", lambda *_: link)
    first_job(settings, as_json=True)
    said = capsys.readouterr()
    expected = {"url": BASE, "home": str(settings.home)} | ({"setup_url": link} if link else {})
    assert json.loads(said.out) == expected
    assert "password" not in said.err


@pytest.mark.parametrize(
    ("code", "once", "stays"),
    [(0, False, True), (0, True, False), (1, False, False), (1, True, False)],
)
def test_the_platform_stays_after_a_tour_that_went_well(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    once: bool,
    stays: bool,
) -> None:
    monkeypatch.setattr(tour, "Tour", Tour)
    monkeypatch.setattr(Tour, "code", code)
    assert first_job(settings, tour=True, once=once) == code
    assert ("Fyke is running" in capsys.readouterr().err) is stays


def test_a_large_log_is_put_aside_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "LOG_KEPT_BYTES", 4)
    log = settings.home / "fyke.log"
    log.write_text("four")
    with up._log_file(settings) as file:
        file.write(b"+")
    assert log.read_text() == "four+"
    with up._log_file(settings) as file:
        file.write(b"new")
    assert (log.read_text(), log.with_suffix(".log.1").read_text()) == ("new", "four+")


def test_the_roles_get_what_the_command_line_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_PORT", "9999")
    monkeypatch.setenv("FYKE_LOG_LEVEL", "debug")
    environment = up._role_environment(settings)
    assert environment["FYKE_PORT"] == "8100"
    assert environment["FYKE_HOME"] == str(settings.home)
    assert environment["FYKE_LOG_LEVEL"] == "debug"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_is_a_hurry(number: signal.Signals) -> None:
    async def work() -> None:
        asked, hurry = up._on_signals()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(asked.wait(), 10)
        assert not hurry.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(hurry.wait(), 10)

    asyncio.run(work())
