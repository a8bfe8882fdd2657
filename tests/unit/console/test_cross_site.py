"""Cross-site requests are refused."""

from __future__ import annotations

import pytest

from fyke.console.cross_site import refuse_cross_site
from fyke.errors import Forbidden

OWN = "http://127.0.0.1:8100"


def scope(**headers: str) -> dict[str, object]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": pairs}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"origin": OWN},
        {"sec_fetch_site": "same-origin", "origin": OWN},
        {"origin": "https://127.0.0.1:8100"},  # a proxy in front terminates TLS
    ],
)
def test_requests_of_own_pages_are_accepted(headers: dict[str, str]) -> None:
    assert refuse_cross_site(scope(**headers), OWN) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": ""},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1:8101"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8100.evil.example"},
        {"origin": "http://user@127.0.0.1:8100"},
        {"sec_fetch_site": "same-origin", "origin": "null"},
    ],
)
def test_other_sites_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        refuse_cross_site(scope(**headers), OWN)
