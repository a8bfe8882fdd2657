"""A Unix socket without a name: only processes that get its address as a descriptor can connect.

Its file is removed at once. The descriptor (``O_PATH``) still leads to it, so nothing is left in a
folder when processes end, and other users of the machine cannot find it.
"""

from __future__ import annotations

import os
import socket
import tempfile


def listen_unnamed() -> tuple[socket.socket, int]:
    """Return the listener, and the descriptor of its address; both belong to the caller. Raise
    ``OSError``.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with tempfile.TemporaryDirectory(prefix="fyke-") as folder:
            at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                listener.bind(f"/proc/self/fd/{at}/socket")  # a path of any folder is short so
                address = os.open("socket", os.O_PATH | os.O_CLOEXEC, dir_fd=at)
            finally:
                os.close(at)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener, address


def path_of(address: int) -> str:
    """The path that leads to a listener, for ``connect`` of a Unix socket in this process."""
    return f"/proc/self/fd/{address}"
