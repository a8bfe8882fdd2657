"""A parser process: calls functions, each within limits of processor time and memory.

``python -m fyke.parsing.process PARENT``, started by ``ProcessPool``. A call is a frame on standard
input with function, arguments and limits, its replies are frames on standard output. A call that
exceeds its processor time is ended by the kernel, with the process. Nothing but functions of this
program is called, and no setting is read.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from fyke.contracts.parsing import ParserLimits
from fyke.errors import FykeError
from fyke.kit.prctl import end_with_parent
from fyke.parsing import frames
from fyke.parsing.frames import Call, ReplyKind

_PAGE = resource.getpagesize()


def main() -> None:
    """Answer calls until standard input ends."""
    end_with_parent(int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGHUP):  # from the terminal, meant for the parent
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    calls, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that a print is not taken for a reply
    try:
        while True:
            for reply in answers(frames.read(calls)):
                replies.write(reply)
                replies.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # the parent is gone or needs this process no longer


def answers(call: Call) -> Iterator[bytes]:
    """Yield the replies to a call as frames."""
    function, args, limits = call
    _limit(limits)
    try:
        result = function(*args)
        if isinstance(result, Generator):
            result = yield from _items(result)
        yield frames.encode((ReplyKind.RESULT, result))
    except FykeError as error:
        yield frames.encode((ReplyKind.ERROR, (type(error), error.args, vars(error))))
    except (MemoryError, RecursionError):
        yield frames.encode((ReplyKind.LIMIT, None))
    except Exception:
        yield frames.encode((ReplyKind.FAILURE, traceback.format_exc()))


def _items(items: Generator[Any, None, Any]) -> Generator[bytes, None, Any]:
    while True:
        try:
            yield frames.encode((ReplyKind.ITEM, next(items)))
        except StopIteration as end:
            return end.value


def _limit(limits: ParserLimits) -> None:
    """Set the limits of this process for one call."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(usage.ru_utime + usage.ru_stime) + limits.cpu_seconds
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    for kind, value in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, pages * _PAGE + limits.memory),
    ):
        _, hard = resource.getrlimit(kind)
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (soft, hard))


if __name__ == "__main__":
    main()
