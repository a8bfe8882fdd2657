"""The file with the rows of an ended run, and its frames.

The file has frames of zstd, each with some hundred rows as JSON lines, byte for byte as they were
stored, and at the end a skippable frame with an index as JSON. So ``zstd -dc`` prints the rows. The
program reads single frames, whose places are in ``results_frames``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, repeat
from typing import Protocol

import msgspec

from fyke.contracts.blobs import Blobs
from fyke.contracts.inline import NotInline
from fyke.kit.zstd import zstd_module
from fyke.storage.sql.inline import MAX_VALUE_BYTES
from fyke.storage.sql.results.inline import MAX_READ_BYTES

FRAME_ROWS = 250
FRAME_BYTES = 2**18  # a frame with more has one row
MAX_CACHED = 16 * 2**20  # bytes of decoded frames
MAX_PASSED = 10_000  # rows whose attempts are looked at in one read in the event loop
_LEVEL = 3
_SKIPPABLE = 0x184D2A5F
_attempts = msgspec.json.Decoder(list[int])


class DamagedFrame(Exception):
    """The bytes at the place of a frame are not this frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The place of a frame in the file of a run.

    ``last`` is the position of its last row. ``attempts`` is a JSON array of numbers: of an attempt
    and how many rows it has in succession, then of the next attempt, and so on.
    """

    blob: str
    last: int
    rows: int
    start_byte: int
    length: int
    attempts: bytes

    @property
    def first(self) -> int:
        return self.last - self.rows + 1

    def attempt_of_each(self) -> list[int]:
        """The number of the attempt of each row."""
        return list(chain.from_iterable(repeat(number, count) for _, number, count in self.spans()))

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """Position of the first row, attempt and number of successive rows of one attempt."""
        pairs, position = _attempts.decode(self.attempts), self.first
        for number, count in zip(pairs[::2], pairs[1::2], strict=True):
            yield position, number, count
            position += count


def encode_attempts(attempts: Iterable[int]) -> bytes:
    """The attempts of successive rows as in ``Frame.attempts``."""
    pairs = ((number, sum(1 for _ in rows)) for number, rows in groupby(attempts))
    return msgspec.json.encode(list(chain.from_iterable(pairs)))


def compress(rows: Sequence[bytes]) -> bytes:
    """One frame with a checksum. No row has a line feed."""
    zstd = zstd_module()
    parameter = zstd.CompressionParameter
    options = {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1}
    compressed: bytes = zstd.compress(b"\n".join((*rows, b"")), options=options)
    return compressed


def index(run_id: str, frames: Sequence[Frame], attempts: dict[int, str]) -> bytes:
    """The skippable frame at the end of a file. Its content ends with its length, as four bytes."""
    content = msgspec.json.encode(
        {
            "run": run_id,
            "attempts": {str(number): attempt_id for number, attempt_id in attempts.items()},
            "frames": [
                {
                    "rows": frame.rows,
                    "start_byte": frame.start_byte,
                    "bytes": frame.length,
                    "attempts": msgspec.Raw(frame.attempts),
                }
                for frame in frames
            ],
        }
    )
    size = len(content).to_bytes(4, "little")
    header = _SKIPPABLE.to_bytes(4, "little") + (len(content) + 4).to_bytes(4, "little")
    return header + content + size


class Frames(Protocol):
    """Reads frames. Raises ``OSError`` and ``DamagedFrame``."""

    def text(self, frame: Frame) -> bytes:
        """The rows of a frame with line feeds between them."""
        ...

    def lines(self, frame: Frame, begin: int, end: int) -> list[bytes]:
        """The rows of a frame from index ``begin`` up to ``end``."""
        ...

    def pass_over(self, rows: int) -> None:
        """Called before the attempts of so many rows are looked at."""
        ...


class CachedFrames:
    """``Frames`` from blobs, with a thread-safe LRU cache of decoded frames."""

    def __init__(self, blobs: Blobs | None, limit: int = MAX_CACHED) -> None:
        self._blobs = blobs
        self._limit = limit
        self._texts: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def lines(self, frame: Frame, begin: int, end: int) -> list[bytes]:
        return _lines(self.text(frame), begin, end)

    def pass_over(self, rows: int) -> None:
        pass

    def text(self, frame: Frame) -> bytes:
        text = self.cached(frame)
        if text is None:
            text = self._read(frame)
            self._store((frame.blob, frame.start_byte), text)
        return text

    def cached(self, frame: Frame) -> bytes | None:
        key = frame.blob, frame.start_byte
        with self._lock:
            text = self._texts.get(key)
            if text is not None:
                self._texts.move_to_end(key)
            return text

    def _read(self, frame: Frame) -> bytes:
        if self._blobs is None:
            raise FileNotFoundError(f"no blobs are open for {frame.blob}")
        data = self._blobs.read_range(frame.blob, frame.start_byte, frame.length)
        zstd = zstd_module()
        try:
            text: bytes = zstd.decompress(data)
        except zstd.ZstdError as error:
            raise DamagedFrame(f"{frame.blob} at byte {frame.start_byte}: {error}") from error
        if text[-1:] != b"\n" or text.count(b"\n") != frame.rows:
            raise DamagedFrame(f"{frame.blob} at byte {frame.start_byte} has other rows")
        return text[:-1]

    def _store(self, key: tuple[str, int], text: bytes) -> None:
        with self._lock:
            if len(text) > self._limit or key in self._texts:
                return
            self._texts[key] = text
            self._size += len(text)
            while self._size > self._limit:
                _, evicted = self._texts.popitem(last=False)
                self._size -= len(evicted)


class InlineFrames:
    """``Frames`` for reads in the event loop: only cached frames, and only rows of the sizes that
    are read from the table there. Raises ``NotInline`` for others.
    """

    def __init__(self, frames: CachedFrames) -> None:
        self._frames = frames
        self._read_bytes = 0
        self._passed_rows = 0

    def start(self) -> None:
        """Called before each read, all of whose rows count together."""
        self._read_bytes = 0
        self._passed_rows = 0

    def pass_over(self, rows: int) -> None:
        self._passed_rows += rows
        if self._passed_rows > MAX_PASSED:
            raise NotInline

    def text(self, frame: Frame) -> bytes:
        raise NotInline

    def lines(self, frame: Frame, begin: int, end: int) -> list[bytes]:
        text = self._frames.cached(frame)
        if text is None:
            raise NotInline
        lines = _lines(text, begin, end)
        sizes = [len(line) for line in lines]
        self._read_bytes += sum(sizes)
        if max(sizes, default=0) > MAX_VALUE_BYTES or self._read_bytes > MAX_READ_BYTES:
            raise NotInline
        return lines


def _lines(text: bytes, begin: int, end: int) -> list[bytes]:
    return text.split(b"\n", end)[begin:end]
