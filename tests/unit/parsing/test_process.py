"""A single parser process: its replies, and its end with its parent."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fyke.contracts.parsing import QUICK
from fyke.domain.runs.split import split
from fyke.errors import InvalidRequest
from fyke.parsing import frames
from fyke.parsing.frames import ReplyKind

pytestmark = pytest.mark.slow


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "fyke.parsing.process", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as started:
        yield started
        started.kill()


def replies(process: subprocess.Popen[bytes], function: Any, *args: Any) -> list[Any]:
    """All replies to one call."""
    assert process.stdin and process.stdout
    process.stdin.write(frames.encode((function, args, QUICK)))
    found = []
    with open(process.stdout.fileno(), "rb", closefd=False, buffering=0) as source:
        buffered = _Whole(source)
        while not found or found[-1][0] is ReplyKind.ITEM:
            found.append(frames.read(buffered))  # type: ignore[arg-type]
    return found


class _Whole:
    """Reads exactly as many bytes as asked for from a pipe."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (part := self._source.read(size - len(data))):
            data += part
        return data


def test_results_and_errors_are_replies(process: subprocess.Popen[bytes]) -> None:
    assert replies(process, sum, [1, 2]) == [(ReplyKind.RESULT, 3)]
    assert replies(process, print, "no reply") == [(ReplyKind.RESULT, None)]
    [(kind, (type_, args, attributes))] = replies(process, split, None, [])
    assert (kind, type_) == (ReplyKind.ERROR, InvalidRequest)
    assert args == ("custom parameters must contain a single JSON object",)
    assert attributes["message"] == args[0]
    [(kind, text)] = replies(process, int, "x")
    assert kind is ReplyKind.FAILURE and "ValueError" in text
    assert replies(process, bytes, 2**33) == [(ReplyKind.LIMIT, None)]
    assert replies(process, os.getppid) == [(ReplyKind.RESULT, os.getpid())]


def test_it_ends_when_its_input_ends(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    process.stdin.close()
    assert process.wait(30) == 0


def test_it_ends_with_its_parent() -> None:
    code = (
        "import asyncio, os\n"
        "from fyke.parsing.pools import ProcessPool\n"
        "async def main():\n"
        "    pool = ProcessPool()\n"
        "    print(await pool.run('a', os.getpid), flush=True)\n"
        "    await pool.run('a', sum, range(10**14))\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        ended = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        assert select.select([ended], [], [], 30)[0]
        os.close(ended)
