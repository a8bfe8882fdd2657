"""Turning what a Worker prints into lines, whatever it prints."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence

# A line without an end must not gather in memory; the log cuts lines far below this.
MAX_PENDING = 64 * 1024


class OutputLines:
    """Splits the two streams into lines. Bytes that are not UTF-8 become U+FFFD.

    ``mask`` takes secrets of at most ``longest`` characters out of a text. It is only needed here
    for lines that are too long to be kept whole: a secret must not hide by lying across a cut.
    """

    def __init__(self, mask: Callable[[str], str] = str, longest: int = 0) -> None:
        self._mask = mask
        self._longest = longest
        self._pending: dict[str, str] = {}
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def feed(self, stream: str, data: bytes) -> Iterator[str]:
        """Yield the lines that ``data`` completes on ``stream``, without their ends."""
        decoder = self._decoders.setdefault(
            stream, codecs.getincrementaldecoder("utf-8")(errors="replace")
        )
        text = self._pending.get(stream, "") + decoder.decode(data)
        *lines, rest = text.split("\n")
        for line in lines:
            yield line.removesuffix("\r")
        if len(rest) > MAX_PENDING + self._longest:
            rest = self._mask(rest)
        # what is held back is as long as a secret of which only the beginning has come
        while len(rest) > MAX_PENDING + self._longest:
            yield rest[:MAX_PENDING]
            rest = rest[MAX_PENDING:]
        self._pending[stream] = rest

    def rest(self) -> Iterator[tuple[str, str]]:
        """Yield what was left without a line end when the streams closed."""
        for stream, text in self._pending.items():
            if text:
                yield stream, text
        self._pending.clear()


def last_words(lines: Sequence[str]) -> str:
    """The line of a Worker's stderr that says best why it ended: of a traceback the line that
    names the error, else the last one that is not blank."""
    start = 0
    for number, line in enumerate(lines):
        if line.startswith("Traceback (most recent call last)"):
            start = number + 1
    for line in lines[start:] if start else ():
        if line and not line[0].isspace():
            return line.strip()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
