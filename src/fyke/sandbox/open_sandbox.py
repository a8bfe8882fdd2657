"""What the runner does with any sandbox, that of a Worker or of a browser."""

from __future__ import annotations

import abc

from fyke.contracts.execution import SandboxExit
from fyke.sandbox.faults import convert_faults
from fyke.sandbox.process.sandbox_process import ProcessExit
from fyke.sandbox.process.spawner import SpawnedSandbox

MAX_SIGNAL = 64


class OpenSandbox(abc.ABC):
    """A sandbox of a spawner. Its faults are ``SandboxFault``."""

    def __init__(self, spawned: SpawnedSandbox) -> None:
        self._spawned = spawned
        self._closed = False

    async def apply_cpu_limit(self) -> None:
        await convert_faults(self._spawned.limit_cpu())

    async def wait(self) -> SandboxExit:
        return exit_of(await convert_faults(self._spawned.wait()))

    async def kill(self) -> None:
        await convert_faults(self._spawned.kill())

    async def close(self) -> None:
        """End the sandbox and close our descriptors, even when it could not be removed; copies in
        other processes stay open. Safe to repeat.
        """
        try:
            await convert_faults(self._spawned.close())
        finally:
            if not self._closed:
                self._closed = True
                self._close_ends()

    @abc.abstractmethod
    def _close_ends(self) -> None:
        """Close the descriptors; called once."""


def exit_of(ended: ProcessExit) -> SandboxExit:
    """A status above 128 is read as a signal; as in a shell, a program that itself exits with
    128 + n looks the same.
    """
    signal = ended.status - 128
    return SandboxExit(
        code=ended.status,
        signal=signal if 0 < signal <= MAX_SIGNAL else 0,
        out_of_memory=ended.out_of_memory,
    )
