"""The input of the crawler."""

from __future__ import annotations

from typing import Any

import pytest
from crawler.settings import BadInput, read

URL = "https://example.com/"


@pytest.mark.parametrize(
    "custom",
    [
        {"start_urls": [{"url": URL}]},
        {"start_urls": [URL]},
        {"start_urls": [URL, "", None, {"url": URL}]},
        {"start_urls": "example.com"},
        {"url": URL},
        {"url": URL, "start_urls": [""]},
    ],
)
def test_start_urls_have_several_forms(custom: dict[str, Any]) -> None:
    assert read(custom).start_urls == [URL]


def test_values_are_read_leniently() -> None:
    settings = read(
        {
            "url": URL,
            "max_depth": "3",
            "max_results": 7.0,
            "use_sitemap": "true",
            "respect_robots": 0,
            "delay_seconds": None,
            "include_patterns": ["/a*", {"string": "/b*"}, {"key": "/c*"}, "", {}],
            "stay_on": "",
        }
    )
    assert (settings.max_depth, settings.max_results) == (3, 7)
    assert (settings.use_sitemap, settings.respect_robots) == (True, False)
    assert settings.delay == 0.25
    assert settings.include == ("/a*", "/b*", "/c*")
    assert settings.stay_on == "host"


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({}, "start_urls: at least one address is needed"),
        ({"start_urls": ["ftp://x"]}, "start_urls: 'ftp://x' is not a web address"),
        ({"max_depth": -1}, "max_depth: -1 must be a whole number from 0 to 100"),
        ({"max_results": 1.5}, "max_results: 1.5 must be a whole number"),
        ({"max_results": True}, "max_results: True is not a whole number"),
        ({"delay_seconds": "soon"}, "delay_seconds: 'soon' is not a number"),
        ({"delay_seconds": float("nan")}, "delay_seconds: nan must be a number from 0 to 60"),
        ({"max_results": float("inf")}, "max_results: inf must be a whole number"),
        ({"use_sitemap": "maybe"}, "use_sitemap: 'maybe' is neither true nor false"),
        ({"stay_on": "moon"}, "stay_on: 'moon' must be one of host, domain, prefix"),
        ({"render": "sometimes"}, "render: 'sometimes' must be one of never, auto, always"),
        ({"user_agent": "a\nb"}, "user_agent: at most 500 printable ASCII characters"),
        ({"exclude_patterns": ["x" * 501]}, "exclude_patterns: a pattern has more than 500"),
    ],
)
def test_errors_name_the_field_and_the_rule(custom: dict[str, Any], message: str) -> None:
    fields = custom if "start_urls" in custom or not custom else {"url": URL, **custom}
    with pytest.raises(BadInput) as caught:
        read(fields)
    assert str(caught.value).startswith(message)
