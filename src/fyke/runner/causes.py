"""The line of a Worker's stderr that says why it ended, and its place in the Worker's code.

The last line is often not that line: Node.js ends with its version or a brace, and after a
traceback Python may report exceptions that it ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

_HEADER = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\)")
_GROUP_MARGIN = re.compile(r"^\s+[|+] ?")  # of the lines of an exception group
_IGNORED = "Exception ignored"

_PYTHON_FRAME = re.compile(r'\s*File "([^"]+)", line (\d+)')
_NODE_FRAME = re.compile(r"\s+at (?:async )?(?:.*\()?(?:file://)?(/[^():]+):(\d+):\d+\)?(?: \{)?$")
_GO_FRAME = re.compile(r"\s+(?:\S*/)?([^/\s]+\.go):(\d+)\b")
_WORK = "/work/"  # the folder of the Worker's files in its sandbox
_SDK = re.compile(r"sdk(?:_pb2|_pb2_grpc|_pb|_grpc_pb)?\.(?:py|js)")

_AT = re.compile(r"\s+at ")
_CARET = re.compile(r"\s*\^+\s*")
_NAMED = re.compile(r"(?:Error|Exception|UnhandledPromiseRejection)\b")
_REJECTION = "UnhandledPromiseRejection"  # a rejection with a value that is not an Error
_REASON = ' with the reason "'
_CAUSE = re.compile(r"\s+\[cause\]: (.+?)(?: \{)?$")
_GO_PANIC = re.compile(r"(?:panic|fatal error): ")
_NATIVE = re.compile(r"----- (?:Native|JavaScript) stack trace -----")
_NATIVE_FATAL = re.compile(r"FATAL ERROR: ")
_NATIVE_FRAME = re.compile(r"\s*\d+: (?:.*\()?(?:file://)?(/[^():]+):(\d+):\d+\)?$")
_WARNING = re.compile(r"\S.*:\d+: \w*Warning: ")
_NOISE = re.compile(r"Node\.js v\d|\(Use `node |[\]})]+[,;]?$")


def cause(lines: Sequence[str]) -> str:
    """The cause in ``lines``, the last ones of stderr; ``""`` if all are blank."""
    return _python(lines) or _go(lines) or _native(lines) or _node(lines) or _last(lines)


def _python(lines: Sequence[str]) -> str:
    """The exception of the last traceback that ended the program."""
    plain = [_GROUP_MARGIN.sub("", line, count=1) for line in lines]
    start = _traceback(plain)
    frames = [index for index, line in enumerate(plain) if _PYTHON_FRAME.match(line)]
    if start is None and not frames:
        return ""
    # without a header: an error of syntax, or the header is not among these lines
    first = frames[-1] + 1 if start is None else start + 1
    for index, line in enumerate(plain[first:], first):
        if line and not line[0].isspace():
            return _with_place(line, reversed(plain[start or 0 : index]), _PYTHON_FRAME)
    return ""


def _traceback(lines: Sequence[str]) -> int | None:
    """The index of the last header whose exception was not ignored, else of the last one."""
    headers = [index for index, line in enumerate(lines) if _HEADER.match(line)]
    counted = [
        header for header in headers if header == 0 or not lines[header - 1].startswith(_IGNORED)
    ]
    return max(counted or headers, default=None)


def _go(lines: Sequence[str]) -> str:
    """The first panic, which the runtime reports with the stacks of the goroutines."""
    if not any(line.startswith("goroutine ") for line in lines):
        return ""
    for index, line in enumerate(lines):
        if _GO_PANIC.match(line):
            places = lines[index + 1 :]
            own = [after for name, after in pairwise(places) if name.startswith("main.")]
            return _with_place(line, own, _GO_FRAME)
    return ""


def _native(lines: Sequence[str]) -> str:
    """The fatal error of Node.js, which ends itself with a native stack."""
    if not any(_NATIVE.match(line) for line in lines):
        return ""
    fatal = next((line for line in reversed(lines) if _NATIVE_FATAL.match(line)), "aborted")
    return _with_place(fatal, lines, _NATIVE_FRAME)


def _node(lines: Sequence[str]) -> str:
    """The error above the last stack, with its own cause."""
    head = _node_head(lines)
    if head is None:
        return ""
    text, below = lines[head].removesuffix(" {").rstrip(":"), lines[head:]
    if text.startswith(_REJECTION):
        reason = text.partition(_REASON)[2].rpartition('"')[0]
        return f"{_REJECTION}: {reason or text}"
    causes = [match[1] for item in below if (match := _CAUSE.match(item))]
    return _with_place(": ".join([text, *causes[:1]]), below, _NODE_FRAME)


def _node_head(lines: Sequence[str]) -> int | None:
    """The index of the first line of the error above the last stack.

    That is the line after the caret below the source. Without a caret it is the nearest line that
    names an error, or the line above the stack.
    """
    stack = max((index for index, line in enumerate(lines) if _AT.match(line)), default=None)
    texts: list[int] = []  # indexes of lines above the stack, the nearest first
    for index in range(stack if stack is not None else -1, -1, -1):
        line = lines[index]
        if _CARET.fullmatch(line) and texts:
            return texts[-1]
        if texts and _AT.match(line):
            break
        if line and not line[0].isspace():
            texts.append(index)
    return next((index for index in texts if _NAMED.search(lines[index])), next(iter(texts), None))


def _last(lines: Sequence[str]) -> str:
    """The last line with text, preferably one that does not match ``_NOISE``. Warnings of Python,
    each with the line of the source below it, are none.
    """
    pairs = pairwise(["", *lines])
    written = [
        line.strip()
        for before, line in pairs
        if line.strip() and not _WARNING.match(line) and not _is_source(before, line)
    ]
    useful = [line for line in written if not _NOISE.match(line)]
    return (useful or written or [""])[-1]


def _is_source(before: str, line: str) -> bool:
    return line.startswith("  ") and _WARNING.match(before) is not None


def _with_place(text: str, frames: Iterable[str], pattern: re.Pattern[str]) -> str:
    """``text`` with the first of ``frames`` that is in a file of the Worker."""
    for line in frames:
        frame = pattern.match(line)
        file, number = frame.groups() if frame else ("<", "")
        file = file.removeprefix(_WORK)
        of_worker = not file.startswith(("/", "<")) and "node_modules/" not in file
        if of_worker and not _SDK.fullmatch(file):
            return f"{text.strip()} ({file}:{number})"
    return text.strip()
