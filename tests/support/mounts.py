"""Mounts that only some processes see."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from collections.abc import Callable

CLONE_NEWNS = 0x20000


def in_a_thread(work: Callable[[], None]) -> None:
    """Call ``work`` in a thread that can have namespaces of its own; raise its error."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def new_mounts() -> None:
    """Give this thread and its children their own mounts from now on. Needs root."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
