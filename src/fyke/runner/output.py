"""Splits the output of a Worker into lines."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator

# Limits the memory of a line without an end; the log shortens lines far below this.
MAX_PENDING = 64 * 1024


class OutputLines:
    """Splits the two streams into lines. Bytes that are not UTF-8 become U+FFFD.

    ``mask`` replaces secrets of at most ``longest`` characters in a text. It is needed here only
    for lines that are cut because they are too long: a secret across a cut would not be masked
    later.
    """

    def __init__(self, mask: Callable[[str], str] = str, longest: int = 0) -> None:
        self._mask = mask
        self._longest = longest
        self._pending: dict[str, str] = {}
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def feed(self, stream: str, data: bytes) -> Iterator[str]:
        """Yield the lines that ``data`` completes on ``stream``, without line ends."""
        decoder = self._decoders.setdefault(
            stream, codecs.getincrementaldecoder("utf-8")(errors="replace")
        )
        text = self._pending.get(stream, "") + decoder.decode(data)
        *lines, rest = text.split("\n")
        for line in lines:
            yield line.removesuffix("\r")
        if len(rest) > MAX_PENDING + self._longest:
            rest = self._mask(rest)
        # The end of the text is held back: it may be the beginning of a secret.
        while len(rest) > MAX_PENDING + self._longest:
            yield rest[:MAX_PENDING]
            rest = rest[MAX_PENDING:]
        self._pending[stream] = rest

    def rest(self) -> Iterator[tuple[str, str]]:
        """Yield the last lines that had no line end."""
        for stream, text in self._pending.items():
            if text:
                yield stream, text
        self._pending.clear()
