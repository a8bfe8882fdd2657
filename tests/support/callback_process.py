"""A server that is killed after its first callback was answered, before it records the answer.

Arguments: URL of the database.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from fyke.contracts.delivery import ReceiverResponse
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.notify.http import HttpNotifier
from fyke.storage.sql.state.storage import open_storage
from fyke.timers.callbacks import CallbackTimer
from support.callback_trials import LocalSignals
from support.callbacks import MASTER


class Fatal:
    """A notifier that kills its process as soon as a message was answered."""

    def __init__(self) -> None:
        self._inner = HttpNotifier(AddressRules(["127.0.0.0/8"]))

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        answer = await self._inner.post(url, body, headers)
        os.kill(os.getpid(), signal.SIGKILL)
        return answer


async def main(url: str) -> None:
    storage = open_storage(url, durable=True, notify=str, hiding=frozenset())
    await CallbackTimer(storage, Fatal(), LocalSignals(), SystemClock(), MASTER).tick()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
