"""Whether the dependencies of a published version are installed, for ``fyke worker``."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import LiveLine

if TYPE_CHECKING:
    from fyke.cli.context import ServerContext
    from fyke_client.types.fyke.versions import EnvironmentItem

FIRST_PAUSE = 0.1
MAX_PAUSE = 1.0
FAULT_SECONDS = 120.0  # after a fault of the platform, which is retried without end


class EnvironmentWatch:
    """Asks for the environment of one version."""

    def __init__(
        self,
        server: ServerContext,
        slug: str,
        version: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._slug = slug
        self._version = version
        self._sleep = sleep
        self._clock = clock

    def now(self) -> EnvironmentItem | None:
        """The environment now; None if nothing is known of it, or if this key may not read it."""
        from fyke_client import ApiError

        try:
            return self._get()
        except ApiError as error:
            if error.status in (403, 404):
                return None
            raise

    def until_prepared(self, seconds: float | None) -> EnvironmentItem | None:
        """Wait until the environment is ready or has failed, at most ``seconds``, and at most
        ``FAULT_SECONDS`` after a fault of the platform.
        """
        end = inf if seconds is None else self._clock() + seconds
        has_fault = False
        live, pause = LiveLine(self._server.out), FIRST_PAUSE
        try:
            while (environment := self._get()) and environment.state == "preparing":
                if environment.reason and not has_fault:
                    end, has_fault = min(end, self._clock() + FAULT_SECONDS), True
                if self._clock() + pause > end:
                    break
                live.show("installing dependencies ...")
                self._sleep(pause)
                pause = min(MAX_PAUSE, pause * 1.5)
            return environment
        finally:
            live.clear()

    def require_ready(self, environment: EnvironmentItem | None) -> None:
        """Raises ``CommandFailed`` for an environment that failed or is not ready yet."""
        if environment is None or environment.state == "ready":
            return
        text = f"{self._version} was published, but is not ready"
        if environment.state == "failed":
            raise CommandFailed(f"{text}: {environment.reason}")
        why = f": {environment.reason}. It is tried again" if environment.reason else ""
        raise CommandFailed(f"{text} yet{why}; fyke worker show shows its state", Exit.TIMEOUT)

    def _get(self) -> EnvironmentItem | None:
        return self._server.client.environment(self._slug, self._version)


def environment_fields(environment: EnvironmentItem | None) -> list[tuple[str, str]]:
    """The state as a line of a list of fields; no line if nothing is known."""
    if environment is None:
        return []
    if environment.state == "ready":
        return [("ready", "yes")]
    if environment.state == "failed":
        return [("ready", f"no: {environment.reason}")]
    if environment.reason:
        return [("ready", f"not yet, it is tried again: {environment.reason}")]
    return [("ready", "not yet, dependencies are being installed")]
