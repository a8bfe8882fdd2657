"""Replace this program by another module, which imports less, in the same process.

Pid, parent, working folder and umask stay the same. Data is passed through a pipe, so that ``ps``
shows a short command.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exec_module(
    module: str, data: Mapping[str, Any], environment: Mapping[str, str], *descriptors: int
) -> NoReturn:
    """Replace this program by ``python -m MODULE``; ``descriptors`` stay open.

    The module gets ``data``, which must be JSON and fit into a pipe, from ``handover_data``.
    Signals that would stop it wait until ``accept_signals``.
    """
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        json.dump(data, pipe)
    for descriptor in (reading, *descriptors):
        os.set_inheritable(descriptor, True)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # a mask, unlike handlers, stays
    command = [sys.executable, "-P", "-m", module, str(reading)]  # -P: not from the working folder
    os.execve(command[0], command, environment)  # noqa: S606


def handover_data() -> dict[str, Any]:
    """The data that the previous program passed to ``exec_module``."""
    with os.fdopen(int(sys.argv[1])) as pipe:
        data: dict[str, Any] = json.load(pipe)
    return data


def stopping_signals() -> list[signal.Signals]:
    """Signals that stop the platform; one that is ignored, as SIGHUP by ``nohup``, is not among
    them.
    """
    return [item for item in STOPPING if signal.getsignal(item) is not signal.SIG_IGN]


def accept_signals() -> None:
    """Take the signals that have waited since ``exec_module``; their handlers are set by now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
