"""Processes, threads and signals.

``main.py`` calls the function that the input names and pushes the row that it returns. A function
that does not return, because it never ends or ends the process, pushes its row itself first.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

from sdk import CoreSDK


def push(**row):
    CoreSDK.Result.push_data(row)


def stops_itself():
    push(n=1)
    os.kill(os.getpid(), signal.SIGSTOP)


def bombs_with_threads():
    push(n=1)
    made = 0
    while True:
        try:
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            made += 1
        except RuntimeError:
            time.sleep(0.01)


def children_hold_the_output():
    for _ in range(8):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(60)
    push(n=1)
    os._exit(0)


def makes_zombies():
    for _ in range(60):
        if os.fork() == 0:
            os._exit(0)
    time.sleep(0.2)
    return {"n": 1}


def spins():
    push(n=1)
    while True:
        pass


def spins_in_children():
    push(n=1)
    for _ in range(16):
        if os.fork() == 0:
            break
    while True:
        pass


def raises_in_a_thread():
    def fails():
        raise ValueError("in a thread")

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()
    return {"n": 1}


def aborts():
    push(n=1)
    os.abort()


def segfaults():
    push(n=1)
    ctypes.string_at(0)


def kills_itself_hard():
    push(n=1)
    os.kill(os.getpid(), signal.SIGKILL)


def kills_all_it_can():
    push(n=1)
    for pid in (-1, 1):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def exits_with_255():
    push(n=1)
    sys.exit(255)


def exits_with_256():
    """The kernel keeps eight bits of a status: this is 0."""
    push(n=1)
    os._exit(256)


def exits_with_minus_1():
    push(n=1)
    sys.exit(-1)


def exits_as_if_out_of_memory():
    push(n=1)
    os._exit(137)


def recurses():
    return recurses()


def changes_everything_about_itself():
    met = []
    for step in (
        lambda: os.nice(19),
        lambda: os.nice(-20),
        lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
        lambda: os.sched_setaffinity(0, {0}),
        lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (2**20, 2**20)),
        lambda: os.setpgid(0, 0),
        os.setsid,
        lambda: ctypes.CDLL(None).prctl(15, b"systemd", 0, 0, 0),
        lambda: ctypes.CDLL(None).prctl(1, 0, 0, 0, 0),
    ):
        try:
            met.append(str(step()))
        except (OSError, ValueError) as error:
            met.append(type(error).__name__)
    return {"refused": met[1:3] == ["PermissionError"] * 2 and met[4] == "ValueError"}


def locks_memory():
    area = mmap.mmap(-1, 64 * 2**20)
    area[::4096] = b"x" * (64 * 2**8)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mlockall(3)
    return {"error": errno.errorcode.get(ctypes.get_errno(), "none")}


def starts_with_a_huge_environment():
    try:
        subprocess.run(["/bin/true"], env={"X": "x" * 2**22}, check=True)
    except OSError as error:
        return {"error": errno.errorcode[error.errno]}
    return {"error": "none"}


def forks_in_a_chain():
    """Each process forks a child and exits, so the last one is orphaned."""
    push(n=1)
    for _ in range(5000):
        if os.fork():
            os._exit(0)
    while True:
        time.sleep(1)


def waits_on_a_pipe_of_its_own():
    push(n=1)
    os.mkfifo("pipe")
    with open("pipe") as pipe:
        pipe.read()


def listens_on_every_port():
    held = []
    for port in (20086, 1080, 9222, 6000):
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError as error:
            held.append(errno.errorcode[error.errno])
    return {"met": held}
