"""A client with a given answer, for tests of ``fyke doctor``."""

from __future__ import annotations

from typing import Any

from fyke.cli.context import Location
from fyke.cli.doctor_server import RunningServer
from fyke.reasons import OWN_MACHINE
from fyke_client.types.fyke.overview import RunnerItem

SERVER = RunningServer(Location("http://127.0.0.1:8100", "k"))


class Client:
    """Replaces ``FykeAdmin``; ``answer`` are the runners or the checks of the server."""

    answer: Any = ()

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None: ...

    def runners(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def health(self) -> Any:
        return self.runners()


def runner(isolation: str, node: str = OWN_MACHINE) -> RunnerItem:
    return RunnerItem(
        isolation[:2],
        node,
        isolation,
        f"it is {isolation}",
        1,
        1,
        1,
        [],
        False,
        "",
        4,
        16_800_000,
        6,
        "",
        [],
        browser_display=False,
    )
