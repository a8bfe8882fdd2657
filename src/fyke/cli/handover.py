"""Going on as another program in the same process, which imports less than the command line.

The process keeps its number, its parent, its working folder and its umask. What the program needs
to know goes through a pipe, so that ``ps`` shows a short command.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def continue_as(
    module: str, known: Mapping[str, Any], environment: Mapping[str, str], *descriptors: int
) -> NoReturn:
    """Replace this program by ``python -m MODULE``; ``descriptors`` stay open in it.

    ``known`` (JSON, less than a pipe has room for) is what it gets from ``handed_over``. Signals
    that would stop it wait until ``accept_signals``.
    """
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        json.dump(known, pipe)
    for descriptor in (reading, *descriptors):
        os.set_inheritable(descriptor, True)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # a mask, unlike handlers, stays
    command = [sys.executable, "-P", "-m", module, str(reading)]  # -P: not from the working folder
    os.execve(command[0], command, environment)  # noqa: S606


def handed_over() -> dict[str, Any]:
    """What the program before passed to ``continue_as``."""
    with os.fdopen(int(sys.argv[1])) as pipe:
        known: dict[str, Any] = json.load(pipe)
    return known


def stopping_signals() -> list[signal.Signals]:
    """Signals that stop the platform; one that is ignored, as SIGHUP by ``nohup``, is not among
    them.
    """
    return [each for each in STOPPING if signal.getsignal(each) is not signal.SIG_IGN]


def accept_signals() -> None:
    """Take the signals that have waited since ``continue_as``; their handlers are set by now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
