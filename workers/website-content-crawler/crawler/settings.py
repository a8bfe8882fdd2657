"""The checked input of a run. Every error names the field and the rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crawler.scope import HOST, STAY_ON
from crawler.urls import start_url

USER_AGENT = "Mozilla/5.0 (compatible; FykeCrawler/1.0)"
MAX_TEXT = 500


class BadInput(ValueError):
    """A field of the input is invalid."""


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


def read(custom: dict[str, Any]) -> Settings:
    """Parse the input of a subtask. Raise ``BadInput``."""
    field = _Fields(custom)
    return Settings(
        start_urls=field.start_urls(),
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
    )


class _Fields:
    """Reads fields by name. A field that is absent, null or blank has its default."""

    def __init__(self, custom: dict[str, Any]) -> None:
        self._custom = custom

    def start_urls(self) -> list[str]:
        """From ``start_urls`` (strings or objects with ``url``), or from ``url`` of a subtask."""
        single = self._custom.get("url")
        items = [single] if single else self._custom.get("start_urls")
        if not isinstance(items, list):
            items = [items]
        found: list[str] = []
        for item in filter(None, map(_text_of, items)):
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

    def switch(self, name: str, default: bool) -> bool:
        value = self._custom.get(name)
        if value is None or value == "":
            return default
        values = {"true": True, "1": True, "false": False, "0": False}
        found = values.get(str(value).strip().lower())
        if found is None:
            raise BadInput(f"{name}: {value!r} is neither true nor false")
        return found

    def number(
        self, name: str, default: float, minimum: float, maximum: float, whole: bool = False
    ) -> float:
        value = self._custom.get(name)
        if value is None or value == "":
            return default
        kind = "a whole number" if whole else "a number"
        try:
            if isinstance(value, bool):
                raise ValueError
            found = float(value)
        except (TypeError, ValueError):
            raise BadInput(f"{name}: {value!r} is not {kind}") from None
        if not minimum <= found <= maximum or (whole and found != int(found)):
            raise BadInput(f"{name}: {value!r} must be {kind} from {minimum:g} to {maximum:g}")
        return found

    def text(self, name: str, default: str) -> str:
        value = _text_of(self._custom.get(name))
        if len(value) > MAX_TEXT or not (value.isascii() and value.isprintable()):
            raise BadInput(f"{name}: at most {MAX_TEXT} printable ASCII characters are allowed")
        return value or default

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._custom.get(name)
        items = value if isinstance(value, list) else [value]
        found = tuple(filter(None, map(_text_of, items)))
        for text in found:
            if len(text) > MAX_TEXT:
                raise BadInput(f"{name}: a pattern has more than {MAX_TEXT} characters")
        return found

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        value = self.text(name, options[0])
        if value not in options:
            raise BadInput(f"{name}: {value!r} must be one of {', '.join(options)}")
        return value


def _text_of(item: Any) -> str:
    """The text of a list item: a string, or an object's ``url``, ``string`` or first string."""
    if isinstance(item, dict):
        texts = [value for value in item.values() if isinstance(value, str)]
        item = item.get("url") or item.get("string") or (texts[0] if texts else "")
    return item.strip() if isinstance(item, str) else ""
