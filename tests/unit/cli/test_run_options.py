"""How commands read run options, and name them in errors."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fyke.cli import context
from fyke.cli.main import app
from fyke.cli.run_options import (
    RUN_OPTIONS,
    GivenOptions,
    _members_of,
    use_option_names,
    with_option_names,
)
from fyke.model.browser import BrowserProgram
from fyke_client.errors import ApiError
from support.scripted import ScriptedServer

PROGRAM = BrowserProgram.CHROMIUM
SYSTEM = "input.parameters.system."


class Server(ScriptedServer):
    def close(self) -> None:
        """As a ``ServerContext``, which has a connection."""


def started(monkeypatch: pytest.MonkeyPatch, *words: str, **answers: Any) -> tuple[Any, Any]:
    server = Server(**{"start": "R1"} | answers)
    monkeypatch.setattr(context, "ServerContext", lambda *_: server)
    result = CliRunner().invoke(app, ["run", "start", "owner/reader", *words])
    return result, server.client.calls


@pytest.mark.parametrize(
    ("types", "sent"),
    [
        ("images,fonts", ["images", "fonts"]),
        (" Images , FONTS", ["images", "fonts"]),
        ("media", ["media"]),
    ],
)
def test_types_that_are_not_loaded_may_have_blanks_and_capitals(
    monkeypatch: pytest.MonkeyPatch, types: str, sent: list[str]
) -> None:
    result, [(*_, request)] = started(monkeypatch, "--browser-block", types)
    assert result.exit_code == 0
    assert request["system"] == {"browser_block": sent}


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("", '"" must be one of images, media, fonts, stylesheets'),
        ("images,,fonts", '"" must be one of'),
        ("images images", '"images images" must be one of'),
        ("images;fonts", "separate several by commas"),
    ],
)
def test_other_types_are_refused(monkeypatch: pytest.MonkeyPatch, types: str, message: str) -> None:
    result, calls = started(monkeypatch, "--browser-block", types)
    assert (result.exit_code, calls) == (2, [])
    assert message in " ".join(result.stderr.replace("│", "").split())


def test_retries_are_a_number_up_to_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    _, [(*_, request)] = started(monkeypatch, "--max-retries", "0")
    assert request["system"] == {"max_retries": 0}
    result, calls = started(monkeypatch, "--max-retries", "11")
    assert (result.exit_code, calls) == (2, [])


def test_the_program_may_have_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    _, [(*_, request)] = started(monkeypatch, "--browser-program", "Chromium")
    assert request["system"] == {"browser_program": "chromium"}


def test_pool_and_labels_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    options = "--pool", "eu", "--label", "gpu=yes", "--label", "disk=a=b"
    _, [(*_, request)] = started(monkeypatch, *options)
    assert request["system"] == {"pool": "eu", "labels": {"gpu": "yes", "disk": "a=b"}}
    result, calls = started(monkeypatch, "--label", "gpu")
    assert (result.exit_code, calls) == (2, [])


def test_every_option_of_a_start_has_its_name_in_errors() -> None:
    given = dict.fromkeys(RUN_OPTIONS, 1) | {"browser_block": "media", "label": ["gpu=yes"]}
    for name, member in zip(given, GivenOptions(given | {"browser_program": PROGRAM}), strict=True):
        named = with_option_names(f"{SYSTEM}{member} is", {name: 1})
        assert named == f"--{name.replace('_', '-')} is"
    assert with_option_names(f"{SYSTEM}max_total_charge is", {"max_charge": 0.0}) == (
        "--max-charge is"
    )
    assert with_option_names(f"{SYSTEM}browser is", {"headful": True}) == "--headful is"
    assert with_option_names(f"{SYSTEM}browser is", {"headful": False}) == "--headless is"


def test_an_option_of_the_input_keeps_its_path() -> None:
    text = f"{SYSTEM}browser_memory is; {SYSTEM}browser_block is"
    expected = f"{SYSTEM}browser_memory is; --browser-block is"
    given = {"browser_block": "media", "browser_memory": None, "worker": "owner/reader"}
    error = ApiError(200, 4000, text, [text])
    use_option_names(error, given)
    assert (error.message, error.details) == (expected, [expected])


def test_a_refused_start_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ApiError(200, 4000, f"{SYSTEM}browser_block is for the browser")
    result, _ = started(monkeypatch, "--browser-block", "media", start=refused)
    assert str(result.exception.message) == "--browser-block is for the browser"


@pytest.mark.parametrize(
    ("names", "members"),
    [
        (None, []),
        (["browser-block", "--timeout"], ["browser_block", "execute_limit_time_seconds"]),
        (["browser_block", "HEADLESS"], ["browser_block", "browser"]),
        (["memory"], ["memory", "memory_bytes"]),
    ],
)
def test_options_are_removed_by_their_names(names: list[str] | None, members: list[str]) -> None:
    assert _members_of(names) == members


def test_the_name_of_an_unknown_option_is_refused_with_those_that_exist() -> None:
    with pytest.raises(typer.BadParameter, match=r"one of memory, cpus, timeout, .*browser-block"):
        _members_of(["memory", "colour"])
