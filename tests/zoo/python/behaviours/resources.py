"""Memory, disk and descriptors."""

import contextlib
import errno
import mmap
import os
import signal
import sys
import time

from sdk import CoreSDK

MIB = 2**20
ROW = {"n": 1}


def push(row):
    CoreSDK.Result.push_data(row)


def eats_memory_slowly():
    push(ROW)
    _allocate_slowly()


def _allocate_slowly():
    blocks = []
    while True:
        blocks.append(bytearray(4 * MIB))
        time.sleep(0.005)


def eats_memory_in_a_child():
    push(ROW)
    if os.fork() == 0:
        _allocate_slowly()
    while True:
        with contextlib.suppress(ChildProcessError):
            os.wait()
        time.sleep(0.1)


def maps_memory():
    push(ROW)
    blocks = []
    while True:
        area = mmap.mmap(-1, 16 * MIB)
        area[::4096] = b"x" * (16 * MIB // 4096)
        blocks.append(area)


def reserves_memory():
    """Reserved addresses cost nothing; only touched pages count as memory."""
    areas = [mmap.mmap(-1, 2**30) for _ in range(32)]
    return {"areas": len(areas)}


def _fill(path, limit):
    written = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while written < limit:
                written += file.write(b"x" * MIB)
    except OSError as error:
        return {"error": errno.errorcode[error.errno], "mib": written // MIB}
    return {"error": "none", "mib": written // MIB}


def fills_tmp():
    return _fill("/tmp/x", 2**30)


def fills_shared_memory():
    return _fill("/dev/shm/x", 2**30)


def fills_the_page_cache():
    """Writes and reads a file repeatedly; the kernel can reclaim its cache."""
    for _ in range(20):
        _fill("x", 40 * MIB)
        with open("x", "rb") as file:
            while file.read(MIB):
                pass
    return ROW


def makes_many_files():
    push(ROW)
    number = 0
    while True:
        number += 1
        open(f"f{number}", "w").close()


def makes_many_folders():
    push(ROW)
    number = 0
    while True:
        number += 1
        os.makedirs(f"d{number % 50}/d{number}")


def makes_deep_folders():
    push(ROW)
    while True:
        os.mkdir("d")
        os.chdir("d")
        time.sleep(0.001)


def fills_a_folder_that_cannot_be_read():
    push(ROW)
    os.mkdir("closed")
    _fill("closed/x", 70 * MIB)
    os.chmod("closed", 0)
    os.chmod(".", 0)
    time.sleep(600)


def fills_a_file_without_a_name():
    push(ROW)
    with open("x", "wb", buffering=0) as file:
        os.unlink("x")
        for _ in range(70):
            file.write(b"x" * MIB)
        time.sleep(600)


def makes_a_sparse_file():
    with open("sparse", "wb") as file:
        file.truncate(2**30)
    return {"size": os.stat("sparse").st_size}


def makes_a_file_that_is_too_large():
    with open("large", "wb") as file:
        try:
            file.truncate(2**32)
        except OSError as error:
            return {"error": errno.errorcode[error.errno]}
    return {"error": "none"}


def is_killed_for_a_file_that_is_too_large():
    push(ROW)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    with open("large", "wb") as file:
        file.truncate(2**32)


def opens_all_descriptors():
    held = []
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        for number in held[-8:]:
            os.close(number)
        return {"error": errno.errorcode[error.errno], "many": len(held) > 900}


def replaces_its_own_files():
    for name in os.listdir("."):
        with contextlib.suppress(OSError):
            os.unlink(name)
    with open("main.py", "w") as file:
        file.write("raise SystemExit(9)")
    with contextlib.suppress(OSError), open("/bundle/main.py", "w") as file:
        file.write("raise SystemExit(9)")
    return ROW


def leaves_its_folder():
    os.chdir("/tmp")
    os.rename("/work/talk.py", "/work/moved.py")
    for _ in range(100):
        os.mkdir("x")
        os.chdir("x")
    return ROW


def leaves_links():
    for number, target in enumerate(("/", "/etc/shadow", "/proc/1", "..", "loop", "/work")):
        os.symlink(target, f"link{number}")
    os.symlink("loop", "loop")
    os.mkfifo("pipe")
    os.link("main.py", "second")
    os.chmod("second", 0o6777)
    return ROW


def eats_memory_through_files():
    """Files in memory count as memory, even when another process wrote them."""
    push(ROW)
    for number in range(100):
        _fill(f"/dev/shm/{number}", 64 * MIB)
        os.set_inheritable(os.memfd_create(str(number)), True)
        area = os.memfd_create("x")
        os.truncate(area, 64 * MIB)
        with mmap.mmap(area, 64 * MIB) as held:
            held[::4096] = b"x" * (64 * MIB // 4096)
    sys.exit(1)
