"""The checked input of a run. Every error names the field and the rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fields import BadInput, Fields

from crawler.scope import HOST, STAY_ON
from crawler.urls import start_url

USER_AGENT = "Mozilla/5.0 (compatible; FykeCrawler/1.0)"
NEVER, AUTO, ALWAYS = "never", "auto", "always"
RENDER = (NEVER, AUTO, ALWAYS)


@dataclass(frozen=True)
class Settings:
    """The settings of a crawl. Times are in seconds."""

    start_urls: list[str]
    use_sitemap: bool = False
    max_depth: int = 2
    max_results: int = 50
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    stay_on: str = HOST
    respect_robots: bool = True
    max_concurrency: int = 4
    delay: float = 0.25
    max_retries: int = 3
    timeout: float = 30.0
    user_agent: str = USER_AGENT
    render: str = NEVER


def read(custom: dict[str, Any]) -> Settings:
    """Parse the input of a subtask. Raise ``BadInput``."""
    field = Fields(custom)
    return Settings(
        start_urls=_start_urls(field),
        use_sitemap=field.switch("use_sitemap", False),
        max_depth=int(field.number("max_depth", 2, 0, 100, whole=True)),
        max_results=int(field.number("max_results", 50, 1, 1_000_000, whole=True)),
        include=field.texts("include_patterns"),
        exclude=field.texts("exclude_patterns"),
        stay_on=field.choice("stay_on", STAY_ON),
        respect_robots=field.switch("respect_robots", True),
        max_concurrency=int(field.number("max_concurrency", 4, 1, 32, whole=True)),
        delay=field.number("delay_seconds", 0.25, 0, 60),
        max_retries=int(field.number("max_retries", 3, 0, 10, whole=True)),
        timeout=field.number("request_timeout_seconds", 30, 1, 300),
        user_agent=field.text("user_agent", USER_AGENT),
        render=field.choice("render", RENDER),
    )


def _start_urls(field: Fields) -> list[str]:
    found: list[str] = []
    for item in field.requests("start_urls"):
        url = start_url(item)
        if url is None:
            raise BadInput(
                f"start_urls: {item[:200]!r} is not a web address; "
                "an example is https://example.com/"
            )
        if url not in found:
            found.append(url)
    if not found:
        raise BadInput(
            "start_urls: at least one address is needed, for example https://example.com/"
        )
    return found
