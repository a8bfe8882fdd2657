"""A listening socket inside a box at a port that nobody in the box may bind.

Ports below 1024 need a right over the box's network, which belongs to the outer of two user
namespaces; nothing in the box has it. Root outside does: a thread of its own enters the network
namespace, makes the socket, and ends. The socket stays where it was made.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading

_NEW_NET = 0x40000000  # CLONE_NEWNET


def listen_in(pid: int, port: int) -> socket.socket:
    """Listen on 127.0.0.1 in the network namespace of a process. Raise ``OSError``.

    Blocks for a fraction of a millisecond. Only root of the machine may.
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
