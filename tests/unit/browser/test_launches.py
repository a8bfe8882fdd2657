"""The requests of the programs ``chromium`` and ``chromedriver`` in a Worker's sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.browser.launches import (
    MAX_ARGUMENT,
    MAX_ARGUMENTS,
    BadLaunch,
    driver_path,
    instance_path,
    parse_launch,
)


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_launch() -> None:
    launch = parse_launch(body(arguments=["--headless", "--window-size=1,2"]))
    assert launch.arguments == ["--headless", "--window-size=1,2"]
    assert launch.display is False


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (body(), "arguments"),
        (body(arguments="x"), "arguments"),
        (body(arguments=[1]), "arguments"),
        (body(arguments=[], port=1), "port"),
        (body(arguments=["x"] * (MAX_ARGUMENTS + 1)), "at most 64 arguments, not 65"),
        (body(arguments=["--a=" + "é" * (MAX_ARGUMENT // 2)]), "longer than 4096 bytes"),
        (body(arguments=["a\0b"]), "NUL"),
    ],
)
def test_a_refused_launch_says_why(content: bytes, words: str) -> None:
    with pytest.raises(BadLaunch, match=words):
        parse_launch(content)


def test_paths() -> None:
    assert instance_path("/fyke/instance/12/json/version") == (12, "/json/version")
    assert driver_path("/fyke/driver/3/session/a/url?b") == (3, "/session/a/url?b")
    for path in ("/fyke/instance/0/x", "/fyke/instance/1", "/fyke/instance/x/y", "/x"):
        assert instance_path(path) is None
    assert driver_path("/fyke/driver/") is None
    assert driver_path("/fyke/driver/1000000/status") == (1_000_000, "/status")
