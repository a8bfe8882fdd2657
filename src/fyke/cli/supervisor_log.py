"""The supervisor's log. Its libraries are imported only with the first error."""

from __future__ import annotations

from typing import Any


class SupervisorLog:
    """Errors of the supervisor, in the format of ``fyke.telemetry.logging``."""

    def __init__(self, level: str) -> None:
        self._level = level
        self._logger: Any = None

    def error(self, event: str, **values: object) -> None:
        """Write one line to standard error."""
        if self._logger is None:
            import structlog

            from fyke.telemetry.logging import configure

            configure("supervisor", self._level)
            self._logger = structlog.get_logger()
        self._logger.error(event, **values)
