"""Notifies the streams of a run that there is more to read, at most four times a second.

Only for runs that are followed: each stream says so (``OutputFollower``), and output
that no stream reads is not signalled. The first notification is sent at once, so that a quiet run
is streamed without delay; output that is stored within the pause after it shares one notification
at the end of the pause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from fyke.contracts.signals import FOLLOWED, Signals, output_topic

PAUSE = 0.25
SAY_SECONDS = 10.0  # after which a follower says again that it is there
FOLLOWED_SECONDS = 2.5 * SAY_SECONDS  # one signal may be lost


class OutputSignals:
    """Signals new output. A runner has one; its methods must be called in its event loop."""

    def __init__(self, signals: Signals, pause: float = PAUSE) -> None:
        self._signals = signals
        self._pause = pause
        self._pausing: dict[str, bool] = {}  # by run: whether output was stored in the pause
        self._followed: dict[str, float] = {}  # by run: until when, in the order of the times

    def followed(self, run_id: str) -> None:
        """A stream follows the run, and says so again while it does."""
        now = time.monotonic()
        is_new = self._followed.pop(run_id, 0.0) < now
        self._followed[run_id] = now + FOLLOWED_SECONDS
        for other, until in list(self._followed.items()):
            if until >= now:
                break
            del self._followed[other]
        if is_new:  # the stream was not notified of what was stored since it has looked
            self.stored(run_id)

    def stored(self, run_id: str) -> None:
        """Notify soon that output of the run was committed, if it is followed."""
        if self._followed.get(run_id, 0.0) < time.monotonic():
            return
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


class OutputFollower:
    """Says for one stream which runs it follows."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._said: dict[str, float] = {}

    def follow(self, run_ids: Iterable[str]) -> None:
        """These are followed now, and no others. Called before each wait."""
        now = time.monotonic()
        said = {run_id: self._said.get(run_id, -SAY_SECONDS) for run_id in run_ids}
        for run_id, at in said.items():
            if now - at >= SAY_SECONDS:
                self._signals.notify(FOLLOWED + run_id)
                said[run_id] = now
        self._said = said
