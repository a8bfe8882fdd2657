"""The names of the hosted platform, which lead to the services of a sandbox."""

from __future__ import annotations

import pytest

from fyke.kit.hostports import parse_host
from fyke.kit.inside_names import (
    BROWSER_NAMES,
    PROXY_NAMES,
    is_browser,
    is_browser_authority,
    is_inside,
)


@pytest.mark.parametrize("name", [*BROWSER_NAMES, *PROXY_NAMES, "camoufox-inner.coreclaw.com"])
def test_names_are_known_in_every_spelling(name: str) -> None:
    for text in (name, name.upper(), f"{name}."):
        assert is_inside(parse_host(text))


@pytest.mark.parametrize(
    "host", ["coreclaw.com", "www.coreclaw.com", "a-inner.coreclaw.com.example", "127.0.0.1", "::1"]
)
def test_other_hosts_are_sites(host: str) -> None:
    assert not is_inside(parse_host(host))


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("chrome-http-inner.coreclaw.com", True),
        ("CHROME-WS-INNER.cafescraper.com.:80", True),
        ("lightpanda-inner.coreclaw.com:9222", True),
        ("chrome-http-inner.coreclaw.com:443", False),
        ("127.0.0.1:9222", True),
        ("localhost:9222", True),
        ("127.0.0.1", False),  # a server of the Worker
        ("127.0.0.2:9222", False),
        ("proxy-inner.coreclaw.com:80", False),
        ("site.example:9222", False),
        ("a b:80", False),
        ("localhost:x", False),
    ],
)
def test_the_browser_is_known_by_host_and_port(authority: str, expected: bool) -> None:
    assert is_browser_authority(authority) is expected


def test_an_address_is_not_compared_as_text() -> None:
    assert is_browser(parse_host("127.0.0.1"), 9222)
    assert not is_browser(parse_host("[::1]"), 9222)
