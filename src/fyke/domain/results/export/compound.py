"""The container of old Office files ([MS-CFB], version 3) with one stream, the workbook.

After the header follow the sectors of the stream, one of the directory, the file allocation table
(FAT), which names the next sector of each, and the sectors that name those of the FAT beyond the
first 109. All but the stream is written last, when the length of the stream is known.
"""

from __future__ import annotations

import struct
from array import array
from typing import BinaryIO

SECTOR = 512
_MIN_STREAM = 4096  # shorter ones are stored in another way
_FREE, _END, _FAT, _DIFAT = -1, -2, -3, -4
_IN_HEADER, _IN_SECTOR, _IN_DIFAT = 109, SECTOR // 4, SECTOR // 4 - 1
_ENTRY = struct.Struct("<64sHBBiii36xiQ")
_HEADER = struct.Struct("<8s16xHHHHH6xiiiiiiiii")


def begin(file: BinaryIO) -> None:
    """Leave space for the header; the stream follows."""
    file.write(bytes(SECTOR))


def finish(file: BinaryIO) -> None:
    """Write the rest of the file, the position of which is the end of the stream."""
    size = file.tell() - SECTOR
    size += file.write(bytes(max(_MIN_STREAM - size, -size % SECTOR)))
    stream = size // SECTOR
    fat = difat = 0
    while (needed := -(-(stream + 1 + fat + difat) // _IN_SECTOR)) > fat:
        fat = needed
        difat = -(-max(0, fat - _IN_HEADER) // _IN_DIFAT)
    file.write(_directory(size))
    first_fat, first_difat = stream + 1, stream + 1 + fat
    following = array("i", range(1, stream + 1))
    following[-1] = _END
    following.extend([_END, *[_FAT] * fat, *[_DIFAT] * difat])
    following.extend([_FREE] * (fat * _IN_SECTOR - len(following)))
    file.write(following.tobytes())
    named = list(range(first_fat, first_difat))
    for number in range(1, difat + 1):
        begin = _IN_HEADER + (number - 1) * _IN_DIFAT
        sector = _padded(named[begin : begin + _IN_DIFAT], _IN_DIFAT)
        sector.append(first_difat + number if number < difat else _END)
        file.write(sector.tobytes())
    file.seek(0)
    file.write(
        _HEADER.pack(
            *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6),
            *(0, fat, stream, 0, _MIN_STREAM, _END, 0, first_difat if difat else _END, difat),
        )
    )
    file.write(_padded(named[:_IN_HEADER], _IN_HEADER).tobytes())


def _padded(numbers: list[int], count: int) -> array[int]:
    return array("i", numbers + [_FREE] * (count - len(numbers)))


def _directory(size: int) -> bytes:
    root = _entry("Root Entry", 5, child=1, first=_END, size=0)
    unused = _ENTRY.pack(b"", 0, 0, 0, _FREE, _FREE, _FREE, 0, 0)
    return root + _entry("Workbook", 2, child=_FREE, first=0, size=size) + unused * 2


def _entry(name: str, kind: int, *, child: int, first: int, size: int) -> bytes:
    text = f"{name}\0".encode("utf-16-le")
    return _ENTRY.pack(text, len(text), kind, 1, _FREE, _FREE, child, first, size)
