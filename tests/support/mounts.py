"""Mounts that only some processes see."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from collections.abc import Callable

CLONE_NEWNS = 0x20000


def in_a_thread(work: Callable[[], None]) -> None:
    """Run it in a thread whose namespaces are its own; raise what it raises."""
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
    """From here on this thread, and what it starts, has mounts of its own. Needs root."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
