"""Types that threads decode into for the first time at the same moment."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from fyke.kit.typed import convert, decode

# msgspec.convert in place of convert ends this process with a segmentation fault, nearly always
# with the first type.
MANY_THREADS = """
import sys, threading
from dataclasses import make_dataclass
from fyke.kit.typed import convert

sys.setswitchinterval(1e-6)
inner = {"x": 1}
for number in range(40):
    names = [f"p{each}" for each in range(10)]
    parts = [(name, make_dataclass(f"Part{number}{name}", [("x", int)])) for name in names]
    model = make_dataclass(f"Whole{number}", parts)
    values = dict.fromkeys(names, inner)
    ready, done = threading.Barrier(6), []
    def first_use():
        ready.wait()
        done.append(convert(values, model))
    threads = [threading.Thread(target=first_use) for _ in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert done == [done[0]] * 6
print("all decoded")
"""


class Point(msgspec.Struct):
    x: int


@pytest.mark.slow
def test_threads_can_decode_a_type_concurrently() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MANY_THREADS], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (0, "all decoded\n"), ran.stderr[-2000:]


def test_values_are_checked_like_those_of_msgspec() -> None:
    assert convert({"x": 1}, Point) == Point(1) == decode('{"x": 1}', Point)
    assert convert({"x": "1"}, Point, strict=False) == Point(1)
    with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
        convert({"x": "1"}, Point)
    with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
        decode('{"x": "1"}', Point)
    with pytest.raises(msgspec.DecodeError):
        decode("{", Point)
