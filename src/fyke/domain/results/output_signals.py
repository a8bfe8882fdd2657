"""Notifies the streams of a run that there is more to read, at most four times a second.

The first notification is sent at once, so that a quiet run is streamed without delay; output that
is stored within the pause after it shares one notification at the end of the pause.
"""

from __future__ import annotations

import asyncio

from fyke.contracts.signals import Signals, output_topic

PAUSE = 0.25


class OutputSignals:
    """Signals new output. A runner has one; ``stored`` must be called in its event loop."""

    def __init__(self, signals: Signals, pause: float = PAUSE) -> None:
        self._signals = signals
        self._pause = pause
        self._pausing: dict[str, bool] = {}  # by run: whether output was stored in the pause

    def stored(self, run_id: str) -> None:
        """Notify soon that output of the run was committed."""
        if run_id in self._pausing:
            self._pausing[run_id] = True
        else:
            self._notify(run_id)

    def _notify(self, run_id: str) -> None:
        self._pausing[run_id] = False
        self._signals.notify(output_topic(run_id))
        asyncio.get_running_loop().call_later(self._pause, self._end_pause, run_id)

    def _end_pause(self, run_id: str) -> None:
        if self._pausing.pop(run_id):
            self._notify(run_id)
