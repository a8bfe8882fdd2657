"""A sandbox that cannot be removed."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.contracts.execution import SandboxFault, SandboxLimits
from fyke.sandbox.isolated import IsolatedSandbox
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.sandbox_process import ProcessPipes

pytestmark = pytest.mark.anyio


async def test_close_closes_the_descriptors_when_the_sandbox_does_not_end() -> None:
    control, other = socket.socketpair()
    listeners = [socket.socket() for _ in range(4)]
    (out, out_in), (err, err_in) = os.pipe(), os.pipe()

    async def close() -> None:
        raise SandboxStartFailed("the sandbox did not end")

    spawned = SimpleNamespace(ends=ProcessPipes(control, listeners, out, err), close=close)
    sandbox = IsolatedSandbox(cast(Any, spawned), cast(Any, None), SandboxLimits(1, 2**20, 2**20))
    with pytest.raises(SandboxFault):
        await sandbox.close()
    assert control.fileno() == -1
    for descriptor in (out, err):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    for rest in (out_in, err_in):
        os.close(rest)
    for end in (other, *listeners):
        end.close()
