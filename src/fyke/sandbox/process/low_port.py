"""A listening socket inside a sandbox on a port that no process in the sandbox may bind.

Ports below 1024 need a capability over the sandbox's network, which belongs to the outer of two
user namespaces; no process in the sandbox has it. Root on the host does: a thread of its own enters
the network namespace, makes the socket, and ends. The socket stays in that namespace.
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
    made: list[socket.socket] = []
    problems: list[OSError] = []

    def enter() -> None:
        try:
            _enter_network_of(pid)
            made.append(_listening(port))
        except OSError as error:
            problems.append(error)

    thread = threading.Thread(target=enter)  # what a thread has entered ends with it
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return made[0]


def _enter_network_of(pid: int) -> None:
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, _NEW_NET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(namespace)


def _listening(port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen(128)
    except OSError:
        server.close()
        raise
    return server
