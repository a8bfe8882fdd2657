"""The faults of a spawner as those of the contract."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from fyke.contracts.execution import SandboxFault
from fyke.sandbox.process.process_io import SandboxStartFailed

T = TypeVar("T")


async def convert_faults(step: Awaitable[T]) -> T:
    """Await ``step``; raise its ``SandboxStartFailed`` as ``SandboxFault``."""
    try:
        return await step
    except SandboxStartFailed as error:
        raise SandboxFault(str(error)) from error
