"""Reads the directory of an untrusted ZIP archive.

The usual readers repair archives: they search for the directory, take the first of two different
sizes, and follow any name. Here the end record, the directory and the local headers must agree and
no two entries may share bytes, or the archive is refused. zip64 is refused, because no archive of
the allowed size needs it.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from mmap import mmap
from typing import TypeAlias

from fyke.domain.workers.entry_names import check_name, is_left_out, refuse
from fyke.errors import InvalidRequest

Packed: TypeAlias = bytes | mmap  # an archive, in memory or as a file that is not changed

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_END_MARK, _CENTRAL_MARK, _LOCAL_MARK = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_ZIP64_LOCATOR, _ZIP64_LOCATOR_SIZE = b"PK\x06\x07", 20

STORED, DEFLATED = 0, 8
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_PATCH = 0x0020
_DESCRIPTOR = 0x0008
_UNICODE_PATH = 0x7075
_ASI_UNIX = 0x756E
_NO_ZIP64 = 0xFFFFFFFF

LEAVE_OUT = "leave out dependencies and build products"
_PACK_AGAIN = "pack the project again with an ordinary ZIP program or with `fyke worker push`"


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One entry; its local header agrees with the directory."""

    name: str  # ends with / for a folder
    method: int
    crc: int
    packed: int  # bytes in the archive
    size: int  # bytes after inflating, as claimed
    data_at: int  # offset of its bytes in the archive
    executable: bool

    @property
    def folder(self) -> bool:
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class _CentralRecord:
    """One record of the directory, not yet checked."""

    system: int
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    attributes: int
    local_at: int
    name: bytes
    extra: bytes


def _damaged(problem: str) -> InvalidRequest:
    rule = f"the archive is damaged or not a plain ZIP: {problem}"
    return InvalidRequest(rule, remedy=_PACK_AGAIN)


def read_directory(data: Packed, max_entries: int) -> list[ZipEntry]:
    """Return the entries in the order of the directory. Raise ``InvalidRequest``.

    Entries that the packer leaves out are skipped, but their names are checked.
    """
    count, start, end = _find_directory(data)
    if count > max_entries:
        raise InvalidRequest(
            f"the archive has {count:,} entries, at most {max_entries:,} are allowed",
            remedy=LEAVE_OUT,
        )
    entries, spans, at = [], [], start
    for _ in range(count):
        raw, at = _central_record(data, at, end)
        name = _name(raw)
        check_name(name)
        if is_left_out(name):
            continue
        _check_kind(name, raw)
        data_at = _check_local(data, start, name, raw)
        spans.append((raw.local_at, data_at + raw.packed, name))
        executable = bool(raw.attributes >> 16 & 0o111) and not name.endswith("/")
        entries.append(
            ZipEntry(name, raw.method, raw.crc, raw.packed, raw.size, data_at, executable)
        )
    if at != end:
        raise _damaged("the directory is longer than its entries")
    _refuse_overlap(spans, start)
    return entries


def _find_directory(data: Packed) -> tuple[int, int, int]:
    """Return the number of entries and the offsets of the start and end of the directory."""
    end_records = []
    at = data.rfind(_END_MARK)
    lowest = max(0, len(data) - _END.size - 0xFFFF)
    while at >= lowest:
        if at + _END.size <= len(data):
            comment = _END.unpack_from(data, at)[7]
            if at + _END.size + comment == len(data):
                end_records.append(at)
        at = data.rfind(_END_MARK, 0, at)
    if len(end_records) != 1:
        raise _damaged("no end record, or more than one" if data else "it is empty")
    end = end_records[0]
    _, disk, first_disk, on_disk, total, size, start, _ = _END.unpack_from(data, end)
    locator = end - _ZIP64_LOCATOR_SIZE
    if 0xFFFF in (on_disk, total) or _NO_ZIP64 in (size, start):
        raise _damaged("it is a zip64 archive")
    if locator >= 0 and data[locator : locator + 4] == _ZIP64_LOCATOR:
        raise _damaged("it is a zip64 archive")
    if disk or first_disk or on_disk != total:
        raise _damaged("it is one part of a split archive")
    if start + size != end:
        raise _damaged("the directory is not at the offset in the end record")
    return total, start, end


def _central_record(data: Packed, at: int, end: int) -> tuple[_CentralRecord, int]:
    if at + _CENTRAL.size > end:
        raise _damaged("the directory is shorter than its entries")
    f = _CENTRAL.unpack_from(data, at)
    if f[0] != _CENTRAL_MARK:
        raise _damaged("a directory entry has no signature")
    name_size, extra_size, comment_size, disk = f[12], f[13], f[14], f[15]
    name_at = at + _CENTRAL.size
    extra_at = name_at + name_size
    after = extra_at + extra_size + comment_size
    if after > end or disk:
        raise _damaged("an entry extends beyond the directory")
    raw = _CentralRecord(
        system=f[2],
        flags=f[5],
        method=f[6],
        crc=f[9],
        packed=f[10],
        size=f[11],
        attributes=f[17],
        local_at=f[18],
        name=data[name_at:extra_at],
        extra=data[extra_at : extra_at + extra_size],
    )
    return raw, after


def _name(raw: _CentralRecord) -> str:
    """Return the name. It must be valid UTF-8, whether or not it is marked as UTF-8."""
    try:
        return raw.name.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.name.decode("latin-1")
        raise refuse(name, "the name is not UTF-8", "rename it or pack with UTF-8 names") from None


def _check_kind(name: str, raw: _CentralRecord) -> None:
    if raw.flags & _ENCRYPTED:
        raise refuse(name, "it is encrypted", "pack without a password")
    if raw.flags & _PATCH or raw.method not in (STORED, DEFLATED):
        raise refuse(
            name, "its compression method is not supported", "pack with the method deflate or store"
        )
    if raw.method == STORED and raw.packed != raw.size:
        raise refuse(name, "it is not compressed, but its two sizes differ", _PACK_AGAIN)
    if _NO_ZIP64 in (raw.packed, raw.size, raw.local_at):
        raise refuse(name, "it is a zip64 entry", _PACK_AGAIN)
    _check_mode(name, raw.attributes >> 16)
    extras = _extras(name, raw.extra)
    unicode_path = extras.get(_UNICODE_PATH)
    if unicode_path is not None and unicode_path[5:] != raw.name:
        raise refuse(name, "it has a second, different name", _PACK_AGAIN)
    unix = extras.get(_ASI_UNIX, b"")
    if len(unix) >= 6:
        _check_mode(name, int.from_bytes(unix[4:6], "little"))
    if name.endswith("/") and (raw.size or raw.packed > 2):
        raise refuse(name, "it is a folder with content", _PACK_AGAIN)


def _check_mode(name: str, mode: int) -> None:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        raise refuse(name, "it is a symbolic link", "pack the file itself instead")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refuse(name, "it is a device, pipe or socket", "leave it out")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise refuse(name, "it has a set-id bit", "chmod it to 644 or 755 and pack again")
    if (kind == stat.S_IFDIR) != name.endswith("/") and kind:
        raise refuse(name, "its name and mode disagree about whether it is a folder", _PACK_AGAIN)


def _extras(name: str, extra: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if at + 4 + size > len(extra):
            raise refuse(name, "its extra fields are damaged", _PACK_AGAIN)
        fields.setdefault(kind, extra[at + 4 : at + 4 + size])
        at += 4 + size
    return fields


def _check_local(data: Packed, directory: int, name: str, raw: _CentralRecord) -> int:
    """Compare the local header with the directory and return where the entry's bytes begin."""
    if raw.local_at + _LOCAL.size > directory:
        raise refuse(name, "it is outside the archive", _PACK_AGAIN)
    f = _LOCAL.unpack_from(data, raw.local_at)
    mark, flags, method, crc, packed, size = f[0], f[3], f[4], f[7], f[8], f[9]
    name_size, extra_size = int(f[10]), int(f[11])
    name_at = raw.local_at + _LOCAL.size
    data_at = name_at + name_size + extra_size
    if mark != _LOCAL_MARK or data[name_at : name_at + name_size] != raw.name:
        raise refuse(name, "its name differs in its local header", _PACK_AGAIN)
    if method != raw.method or (flags ^ raw.flags) & (_ENCRYPTED | _DESCRIPTOR | _PATCH):
        raise refuse(name, "its method or flags differ in its local header", _PACK_AGAIN)
    if data_at + raw.packed > directory:
        raise refuse(name, "it extends beyond the archive", _PACK_AGAIN)
    if packed == _NO_ZIP64 and size == _NO_ZIP64:
        packed, size = _local_zip64(name, data[name_at + name_size : data_at])
    claimed = (crc, packed, size)
    in_descriptor = flags & _DESCRIPTOR and not any(claimed)
    if claimed != (raw.crc, raw.packed, raw.size) and not in_descriptor:
        raise refuse(name, "its size or checksum differs in its local header", _PACK_AGAIN)
    return data_at


def _local_zip64(name: str, extra: bytes) -> tuple[int, int]:
    """Return the packed and real sizes from the zip64 field that streaming writers add."""
    field = _extras(name, extra).get(1, b"")
    if len(field) < 16:
        raise refuse(name, "its zip64 field is damaged", _PACK_AGAIN)
    size, packed = struct.unpack_from("<2Q", field)
    return packed, size


def _refuse_overlap(spans: list[tuple[int, int, str]], directory: int) -> None:
    before = 0
    for start, end, name in sorted(spans):
        if start < before or end > directory:
            raise refuse(name, "it shares bytes with another entry", _PACK_AGAIN)
        before = end
