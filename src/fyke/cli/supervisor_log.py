"""The supervisor's log. Its libraries are imported only with the first error."""

from __future__ import annotations

import os
import sys
from typing import Any


class SupervisorLog:
    """Errors of the supervisor, in the format of ``fyke.telemetry.logging``."""

    def __init__(self, level: str, log_to: int) -> None:
        """``log_to`` is the descriptor of the log of the roles."""
        self._level = level
        self._log_to = log_to
        self._logger: Any = None

    def error(self, event: str, **values: object) -> None:
        """Write one line to standard error, and to the log if that is another file."""
        if self._logger is None:
            import structlog

            from fyke.telemetry.logging import configure

            copy = None if os.path.sameopenfile(sys.stderr.fileno(), self._log_to) else self._log_to
            configure("supervisor", self._level, copy=copy)
            self._logger = structlog.get_logger()
        self._logger.error(event, **values)
