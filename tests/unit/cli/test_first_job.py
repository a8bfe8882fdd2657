"""What a start prints and stops for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fyke.cli import first_job, tour
from fyke.cli.errors import Exit
from fyke.settings import Settings

BASE = "http://127.0.0.1:8100"
SETUP = f"{BASE}/setup?token=x"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The platform answers, and the owner has no password yet."""
    monkeypatch.setattr(first_job, "wait_until_ready", lambda *_: None)
    monkeypatch.setattr(first_job, "publish_shipped", lambda *_: None)
    monkeypatch.setattr(first_job, "setup_link", lambda *_: SETUP)
    return Settings(home=tmp_path, host="127.0.0.1", port=8100)


class Tour:
    """A tour that ends with this code."""

    code = 0

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def run(self) -> int:
        return self.code


def do(settings: Settings, *, tour: bool = False, once: bool = False, as_json: bool = False) -> int:
    return first_job.first_job(settings, BASE, tour, None, once, as_json)


def test_a_start_prints_where_it_is_and_the_link_for_the_password(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert do(settings) == Exit.OK
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
    monkeypatch.setattr(first_job, "setup_link", lambda *_: link)
    do(settings, as_json=True)
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
    assert do(settings, tour=True, once=once) == code
    assert ("Fyke is running" in capsys.readouterr().err) is stays
