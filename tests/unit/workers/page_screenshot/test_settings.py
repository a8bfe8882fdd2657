"""The input of the Worker that takes pictures."""

from __future__ import annotations

from typing import Any

import pytest
from fields import BadInput
from screenshot.settings import read

URL = "https://example.com/"


@pytest.mark.parametrize(
    ("custom", "urls"),
    [
        ({"urls": [{"url": URL}, URL]}, [URL]),
        ({"url": "example.com/a"}, ["https://example.com/a"]),
        ({"urls": ["http://localhost:8000", ""]}, ["http://localhost:8000"]),
        ({"url": "http://b\xfccher.test/a b"}, ["http://b\xfccher.test/a b"]),
        ({"url": "http://[::1]:8000/"}, ["http://[::1]:8000/"]),
        ({"url": "http://my_host/"}, ["http://my_host/"]),
        ({"url": "localhost:8000/a:b"}, ["https://localhost:8000/a:b"]),
    ],
)
def test_addresses_have_several_forms(custom: dict[str, Any], urls: list[str]) -> None:
    assert read(custom).urls == urls


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({"urls": []}, "urls: at least one address is needed"),
        ({"url": "file:///etc/passwd"}, "urls: 'file:///etc/passwd' is not a web address"),
        ({"url": "chrome://crash"}, "urls: 'chrome://crash' is not a web address"),
        ({"url": "about:blank"}, "urls: 'about:blank' is not a web address"),
        ({"url": "javascript:alert(1)"}, "urls: 'javascript:alert(1)' is not a web address"),
        ({"url": "not a url"}, "urls: 'not a url' is not a web address"),
        ({"url": "https://a%20b/"}, "urls: 'https://a%20b/' is not a web address"),
        ({"url": "http://[::"}, "urls: 'http://[::' is not a web address"),
        ({"url": URL, "mode": "all"}, "mode: 'all' must be one of viewport, full_page"),
        ({"url": URL, "format": "gif"}, "format: 'gif' must be one of png, jpeg, pdf"),
        ({"url": URL, "wait": "ever"}, "wait: 'ever' must be one of idle, load"),
        ({"url": URL, "width": 99}, "width: 99 must be a whole number from 100 to 3840"),
        ({"url": URL, "scale": 4}, "scale: 4 must be a number from 0.25 to 3"),
        (
            {"url": URL, "width": 3840, "height": 2160, "scale": 3},
            "scale: width, height and scale make 74,649,600 pixels, and at most 30,000,000 are",
        ),
        ({"url": URL, "timeout_seconds": 0}, "timeout_seconds: 0 must be a number from 1 to 300"),
    ],
)
def test_errors_name_the_field_and_the_rule(custom: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(custom)
    assert str(caught.value).startswith(message)


def test_a_pdf_may_have_any_window() -> None:
    assert read({"url": URL, "width": 3840, "height": 3840, "scale": 3, "format": "pdf"}).scale == 3
