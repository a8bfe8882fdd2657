"""A listening socket inside a sandbox on a port that no process in the sandbox may bind.

Ports below 1024 need a capability over the sandbox's network, which belongs to the outer of two
user namespaces; no process in the sandbox has it. Root on the host has it: a separate thread enters
the network namespace, creates the socket, and ends. The socket stays in that namespace.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading

_NEW_NET = 0x40000000  # CLONE_NEWNET


def listen_in(pid: int, port: int) -> socket.socket:
    """Listen on 127.0.0.1 in the network namespace of a process. Raise ``OSError``.

    Blocks for a fraction of a millisecond. Needs root on the host.
    """
    results: list[socket.socket | OSError] = []

    def run() -> None:
        try:
            _enter_network_of(pid)
            results.append(_listen(port))
        except OSError as error:
            results.append(error)

    thread = threading.Thread(target=run)  # only this thread changes its namespace
    thread.start()
    thread.join()
    [result] = results
    if isinstance(result, OSError):
        raise result
    return result


def _enter_network_of(pid: int) -> None:
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, _NEW_NET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(namespace)


def _listen(port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen(128)
    except OSError:
        server.close()
        raise
    return server
