"""Archives that need far more time or memory than their size suggests.

    python -m support.bombs NAME FOLDER

Unpacks one and prints ``[CPU seconds, bytes of additional memory, message of the refusal]``. The
process is limited to 10 s of CPU time and 150 MiB of additional address space.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from fyke.domain.workers.archive import unpack
from fyke.errors import InvalidRequest
from support.zips import End, Entry, make_zip

SECONDS, MEMORY = 10, 150 * 2**20
MAIN = Entry("main.py", b"print(1)\n")
PARTS = 32


def zeros(size: int) -> bytes:
    """``size`` zero bytes (whole MiB), compressed a thousandfold."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(2**20)
    return b"".join(compressor.compress(block) for _ in range(size >> 20)) + compressor.flush()


def hollow(name: str, payload: bytes, size: int) -> Entry:
    return Entry(name, payload=payload, size=size, crc=0)


def deep(count: int, parts: int) -> bytes:
    """Deeply nested files without a common folder."""
    names = ("/".join([f"{number:05d}", *["abcdef"] * (parts - 1)]) for number in range(count))
    return make_zip([Entry(name, b"", 0) for name in names])


def overlapping(kernel: Entry, count: int) -> bytes:
    rest = [Entry(f"k{n}", b"", 0, offset=0) for n in range(1, count)]
    return make_zip([kernel, *rest])


def nested(levels: int) -> bytes:
    data = zeros(2**25)
    for level in range(levels):
        data = make_zip([MAIN, *[Entry(f"{level}-{n}.zip", data) for n in range(16)]])
    return data


def escaping(count: int) -> bytes:
    """Names whose length changes with case folding or normalization."""
    return make_zip([Entry("\u1e9e\u0390\ufb03" * 20 + str(n), b"", 0) for n in range(count)])


BOMBS: dict[str, Callable[[], bytes]] = {
    "declares its size": lambda: make_zip([MAIN, hollow("a", zeros(600 << 20), 600 << 20)]),
    "claims ten bytes": lambda: make_zip([MAIN, hollow("a", zeros(600 << 20), 10)]),
    "claims what is allowed": lambda: make_zip([MAIN, hollow("a", zeros(600 << 20), 499 << 20)]),
    "in nine parts": lambda: make_zip(
        [MAIN, *[hollow(f"p{n}", zeros(64 << 20), 64 << 20) for n in range(9)]]
    ),
    "many entries": lambda: make_zip([Entry(f"f{n}", b"", 0) for n in range(20_001)]),
    "a million entries claimed": lambda: make_zip([MAIN], End(count=0xFFFE)),
    "many folders": lambda: deep(20_000, PARTS),
    "many folders declared": lambda: make_zip(
        [Entry(f"d{n}/", b"", 0, mode=0o040755) for n in range(19_999)]
    ),
    "overlaps": lambda: overlapping(hollow("k0", zeros(32 << 20), 32 << 20), 15_000),
    "nested": lambda: make_zip([MAIN, Entry("n", nested(2)), hollow("z", b"", 2**31)]),
    "long names": lambda: make_zip([Entry("x" * 65_000 + str(n), b"", 0) for n in range(500)]),
    "long extra fields": lambda: make_zip(
        [Entry(f"f{n}", extra=b"\1\0\0\0" * 16_000) for n in range(500)] + [MAIN, MAIN]
    ),
    "marks of an end": lambda: make_zip([MAIN], End(comment=b"PK\5\6" * 16_000)) + b"x",
    "names that grow": lambda: escaping(20_000) + b"x",
    "empty blocks": lambda: make_zip(
        [MAIN, hollow("a", b"\0\0\0\xff\xff" * 2_000_000 + b"\1\0\0\xff\xff", 1)]
    ),
}


def peak() -> int:
    """The peak memory of the process since its start or ``forget_peak``, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    data = BOMBS[sys.argv[1]]()
    forget_peak()
    initial_peak = peak()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (space + MEMORY, space + MEMORY))
    seconds = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds + SECONDS, seconds + SECONDS))
    started, message = time.process_time(), ""
    try:
        unpack(data, Path(sys.argv[2]) / "target")
    except InvalidRequest as error:
        message = error.message
    print(json.dumps([time.process_time() - started, peak() - initial_peak, message]))


if __name__ == "__main__":
    main()
