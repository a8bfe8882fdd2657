"""The log of the platform: one JSON record per event on standard error, keys and passwords masked.

The output of Workers goes to the logs of their runs instead.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

_SECRETS = re.compile(
    r"(scraper_api_[0-9A-Z]{4})[0-9A-Z]+"
    r"|(whsec_)[A-Za-z0-9+/=_-]+"
    r"|((?:token|api-key|apikey|password)=)[^&\s\"']+"
    r"|(://[^/\s:@]+:)[^@\s/]+@"
    r"|(fyken_)[A-Za-z0-9_.-]+"
)


def redact(text: str) -> str:
    """Mask API keys, tokens for nodes, webhook secrets, ``token=`` values and passwords in URLs."""
    return _SECRETS.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    prefix = next(group for group in match.groups() if group is not None)
    return f"{prefix}***@" if match.group(4) else f"{prefix}***"


def _redact_event(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


class StandardError:
    """Standard error for the log. A line that cannot be written, because the disk is full or the
    reader of a pipe has ended, is lost, and the work that it reports continues. ``copy`` is the
    descriptor of a file that gets all lines as well.
    """

    def __init__(self, copy: int | None = None) -> None:
        files = () if copy is None else (open(copy, "a", buffering=1, closefd=False),)  # noqa: SIM115
        self._streams = (sys.stderr, *files)

    def write(self, text: str) -> None:
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.write(text)

    def flush(self) -> None:
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.flush()


def configure(role: str, level: str, *, copy: int | None = None) -> None:
    """Write the records of structlog and ``logging`` to standard error as JSON lines, and those of
    structlog also to the descriptor ``copy``.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact_event,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, StandardError(copy))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    handler = logging.StreamHandler(StandardError())
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


class _JsonFormatter(logging.Formatter):
    """Formats records of libraries like those of the platform."""

    def format(self, record: logging.LogRecord) -> str:
        event: MutableMapping[str, Any] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return str(structlog.processors.JSONRenderer()(None, "", _redact_event(None, "", event)))
