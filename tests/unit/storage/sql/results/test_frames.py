"""The format of frames, and the cache of decoded ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.contracts.inline import NotInline
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql.results import frames
from fyke.storage.sql.results.frames import (
    CachedFrames,
    DamagedFrame,
    Frame,
    InlineFrames,
    compress,
    encode_attempts,
)

pytestmark = pytest.mark.anyio
ROWS = [b'{"n":%d}' % n for n in range(10)]


async def stored(folder: Path, rows: list[bytes] = ROWS) -> tuple[FilesystemBlobs, Frame]:
    blobs, data = FilesystemBlobs(folder, durable=False), compress(rows)
    await blobs.put("rows/a", b"before" + data + b"after")
    return blobs, Frame("rows/a", 30, len(rows), 6, len(data), encode_attempts([7] * len(rows)))


def test_successive_rows_of_an_attempt_are_one_span() -> None:
    frame = Frame("", 30, 6, 0, 0, encode_attempts([7, 7, 8, 7, 7, 7]))
    assert frame.attempts == b"[7,2,8,1,7,3]"
    assert list(frame.spans()) == [(25, 7, 2), (27, 8, 1), (28, 7, 3)]
    assert frame.attempt_of_each() == [7, 7, 8, 7, 7, 7]


async def test_a_frame_is_read_once(tmp_path: Path) -> None:
    blobs, frame = await stored(tmp_path)
    cache = CachedFrames(blobs)
    assert cache.text(frame) == b"\n".join(ROWS)
    await blobs.delete("rows/a")
    assert cache.lines(frame, 2, 5) == ROWS[2:5]
    with pytest.raises(FileNotFoundError):
        CachedFrames(blobs).lines(frame, 2, 5)


async def test_the_cache_is_bounded_in_bytes(tmp_path: Path) -> None:
    blobs, frame = await stored(tmp_path)
    size = len(b"\n".join(ROWS))
    others = [Frame(f"rows/{name}", 30, 10, 0, frame.length, frame.attempts) for name in "bcd"]
    for other in others:
        await blobs.put(other.blob, compress(ROWS))
    cache = CachedFrames(blobs, 2 * size)
    for each in (others[0], others[1], others[0], others[2]):
        cache.text(each)
    assert [cache.cached(each) is not None for each in others] == [True, False, True]
    too_small = CachedFrames(blobs, size - 1)
    assert too_small.text(frame) == b"\n".join(ROWS)
    assert too_small.cached(frame) is None


async def test_another_number_of_rows_is_damage(tmp_path: Path) -> None:
    blobs, frame = await stored(tmp_path, [*ROWS, b""])
    wrong = Frame(frame.blob, 30, 10, frame.start_byte, frame.length, frame.attempts)
    for broken in (wrong, Frame(frame.blob, 30, 11, 0, frame.length, frame.attempts)):
        with pytest.raises(DamagedFrame, match="rows/a at byte"):
            CachedFrames(blobs).text(broken)


async def test_large_rows_are_not_read_in_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, frame = await stored(tmp_path)
    cache = CachedFrames(blobs)
    cache.text(frame)
    inline = InlineFrames(cache)
    monkeypatch.setattr(frames, "MAX_READ_BYTES", sum(map(len, ROWS[:5])))
    assert inline.lines(frame, 0, 3) + inline.lines(frame, 3, 5) == ROWS[:5]
    with pytest.raises(NotInline):
        inline.lines(frame, 5, 6)
    inline.start()
    assert inline.lines(frame, 5, 6) == ROWS[5:6]
    with pytest.raises(NotInline):
        inline.text(frame)
    monkeypatch.setattr(frames, "MAX_VALUE_BYTES", len(ROWS[0]) - 1)
    with pytest.raises(NotInline):
        inline.lines(frame, 0, 1)


async def test_the_attempts_of_many_rows_are_not_looked_at_in_the_event_loop() -> None:
    inline = InlineFrames(CachedFrames(None))
    inline.pass_over(frames.MAX_PASSED - 1)
    inline.pass_over(1)
    with pytest.raises(NotInline):
        inline.pass_over(1)
    inline.start()
    inline.pass_over(1)
    CachedFrames(None).pass_over(frames.MAX_PASSED + 1)
