"""Problems that repeat until they are over, such as an outage, without a line for each time."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

AGAIN_SECONDS = 60.0
MAX_TEXTS = 16  # of one problem that are logged at once

log = structlog.get_logger()


class RepeatedProblem:
    """Logs a problem as ``event`` when it occurs first or has another text, then at most once a
    minute, and as ``over`` when it is over. ``times`` says how often it has occurred.
    """

    def __init__(
        self,
        event: str,
        over: str,
        *,
        level: str = "error",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._event = event
        self._over = over
        self._level = level
        self._clock = clock
        self._texts: set[str] = set()
        self._logged_at = 0.0
        self._times = 0
        self.text = ""  # the latest, while it is not over

    def occurred(self, text: str, error: Exception | None = None) -> None:
        """Note that the problem has occurred. ``error`` is logged with its traceback."""
        self.text = text
        self._times += 1
        now = self._clock()
        is_new = text not in self._texts and len(self._texts) < MAX_TEXTS
        if not is_new and now - self._logged_at < AGAIN_SECONDS:
            return
        self._texts.add(text)
        self._logged_at = now
        more = {} if error is None else {"exc_info": error}
        getattr(log, self._level)(self._event, error=text, times=self._times, **more)

    def ended(self) -> None:
        """Note that what had the problem has succeeded."""
        if not self._times:
            return
        log.info(self._over, times=self._times)
        self._texts.clear()
        self._times, self.text = 0, ""
