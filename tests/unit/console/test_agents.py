"""The names of browsers in the list of sessions."""

from __future__ import annotations

import pytest

from fyke.console.agents import browser_name

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/140 Safari/537.36", "Chrome on Windows"),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/140 Safari/537 Edg/140",
            "Edge on Windows",
        ),
        (f"Mozilla/5.0 (Linux; Android 16) {WEBKIT} Chrome/140 Mobile", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) Safari/605.1", "Safari on macOS"),
        ("curl/8.9", "curl/8.9"),
        ("<b>" * 100, ("<b>" * 100)[:60]),
        ("", "Unknown program"),
    ],
)
def test_user_agents_are_named(agent: str, name: str) -> None:
    assert browser_name(agent) == name
