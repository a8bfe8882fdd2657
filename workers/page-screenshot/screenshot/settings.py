"""The checked input of a run. Every error names the field and the rule."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fields import BadInput, Fields

VIEWPORT, FULL_PAGE = "viewport", "full_page"
PNG, JPEG, PDF = "png", "jpeg", "pdf"
IDLE, LOAD = "idle", "load"
MAX_AREA = 30_000_000  # pixels of a picture; Chromium uses about 14 bytes for each, of 1024 MiB
_NO_HOST = re.compile(r"[\s%\"'<>\\^`{|},;!$&()*+=~]")  # what no host has
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\d)")  # and no port


@dataclass(frozen=True)
class Settings:
    """What to take, of which pages. Sizes are in CSS pixels, times in seconds."""

    urls: list[str]
    mode: str = VIEWPORT
    format: str = PNG
    width: int = 1280
    height: int = 800
    scale: float = 1.0
    wait: str = IDLE
    selector: str = ""
    delay: float = 0.0
    timeout: float = 30.0


def read(custom: dict[str, Any]) -> Settings:
    """Parse the input of a subtask. Raise ``BadInput``."""
    field = Fields(custom)
    settings = Settings(
        urls=_urls(field),
        mode=field.choice("mode", (VIEWPORT, FULL_PAGE)),
        format=field.choice("format", (PNG, JPEG, PDF)),
        width=int(field.number("width", 1280, 100, 3840, whole=True)),
        height=int(field.number("height", 800, 100, 3840, whole=True)),
        scale=field.number("scale", 1, 0.25, 3),
        wait=field.choice("wait", (IDLE, LOAD)),
        selector=field.text("selector", ""),
        delay=field.number("delay_seconds", 0, 0, 60),
        timeout=field.number("timeout_seconds", 30, 1, 300),
    )
    area = round(settings.width * settings.height * settings.scale**2)
    if settings.format != PDF and area > MAX_AREA:
        raise BadInput(
            f"scale: width, height and scale make {area:,} pixels, and at most {MAX_AREA:,} are "
            "possible; take a smaller scale or window"
        )
    return settings


def _urls(field: Fields) -> list[str]:
    found = [_url(text) for text in dict.fromkeys(field.requests("urls"))]
    if not found:
        raise BadInput("urls: at least one address is needed, for example https://example.com/")
    return found


def _url(text: str) -> str:
    """An address that a user has typed; the default scheme is https."""
    has_scheme = "://" in text or _SCHEME.match(text)
    url = text if has_scheme else f"https://{text.lstrip('/')}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_web = parts.scheme in ("http", "https") and host != "" and not _NO_HOST.search(host)
    except ValueError:
        is_web = False
    if not is_web:
        raise BadInput(
            f"urls: {text[:200]!r} is not a web address; an example is https://example.com/"
        )
    return url
