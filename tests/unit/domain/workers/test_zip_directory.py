"""The directory of a ZIP archive: its entries, and the errors of invalid ones.

``test_archive.py`` tests whole archives, including that no files are left on disk.
"""

from __future__ import annotations

import struct

import pytest

from fyke.domain.workers.zip_directory import DEFLATED, STORED, ZipEntry, read_directory
from fyke.errors import InvalidRequest
from support.zips import End, Entry, make_zip

MAIN = Entry("main.py", b"print(1)\n")
FOLDER = Entry("lib/", b"", STORED, mode=0o040755)
PACK_AGAIN = "pack the project again with an ordinary ZIP program or with `fyke worker push`"


def read(*entries: Entry, end: End | None = None) -> list[ZipEntry]:
    return read_directory(make_zip(list(entries), end), 100)


def unicode_path(name: bytes) -> bytes:
    return struct.pack("<2HBL", 0x7075, 5 + len(name), 1, 0) + name


def unix_mode(mode: int) -> bytes:
    return struct.pack("<2HLH", 0x756E, 14, 0, mode) + bytes(8)


def error_text(*entries: Entry, end: End | None = None) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(*entries, end=end)
    return caught.value.message


def test_entries_are_in_order_with_their_offset_and_sizes() -> None:
    stored = Entry("b", b"hello", STORED, mode=0o100755)
    data = make_zip([stored, FOLDER, MAIN])
    first, folder, main = read_directory(data, 100)
    assert (first.name, first.method, first.packed, first.size) == ("b", STORED, 5, 5)
    assert data[first.data_at : first.data_at + first.packed] == b"hello"
    assert (folder.name, folder.folder, folder.size) == ("lib/", True, 0)
    assert (main.name, main.folder, main.method, main.size) == ("main.py", False, DEFLATED, 9)


def test_only_files_with_the_executable_bit_are_executable() -> None:
    run, group, folder, plain = read(
        Entry("run", mode=0o100755), Entry("group", mode=0o100654), FOLDER, MAIN
    )
    assert (run.executable, group.executable) == (True, True)
    assert (folder.executable, plain.executable) == (False, False)


def test_skipped_entries_still_need_a_valid_name() -> None:
    cache = Entry("node_modules/a", mode=0o120777)  # a symbolic link, but skipped
    assert [entry.name for entry in read(cache, MAIN)] == ["main.py"]
    assert "'../node_modules/a'" in error_text(Entry("../node_modules/a"), MAIN)


def test_the_number_of_entries_is_limited() -> None:
    data = make_zip([MAIN, Entry("a")])
    assert len(read_directory(data, 2)) == 2
    with pytest.raises(InvalidRequest, match="has 2 entries, at most 1 are allowed; leave out dep"):
        read_directory(data, 1)


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        (Entry("a", mode=0o120777), "it is a symbolic link; pack the file itself instead"),
        (Entry("a", extra=unix_mode(0o120777)), "it is a symbolic link; pack the file itself"),
        (Entry("a", mode=0o010644), "it is a device, pipe or socket; leave it out"),
        (Entry("a", mode=0o104755), "it has a set-id bit; chmod it to 644 or 755"),
        (Entry("a", mode=0o102755), "it has a set-id bit; chmod it to 644 or 755"),
        (Entry("a/", b"", STORED), "its name and mode disagree"),
        (Entry("a", b"", mode=0o040755), "its name and mode disagree"),
        (Entry("a/", b"x", STORED, mode=0), "a folder with content"),
        (Entry("a", flags=0x801), "it is encrypted; pack without a password"),
        (
            Entry("a", flags=0x820),
            "its compression method is not supported; pack with the method deflate or store",
        ),
        (
            Entry("a", method=9),
            "its compression method is not supported; pack with the method deflate or store",
        ),
        (
            Entry("a", b"xx", STORED, size=3, local_size=3),
            "it is not compressed, but its two sizes differ",
        ),
        (Entry("a", size=0xFFFFFFFF), "it is a zip64 entry"),
        (Entry("a", extra=unicode_path(b"b")), "it has a second, different name"),
        (Entry("a", extra=b"\x01\x00\x05\x00"), "its extra fields are damaged"),
        (Entry("a", local_name=b"b"), "its name differs in its local header"),
        (Entry("a", local_method=STORED), "its method or flags differ in its local header"),
        (Entry("a", local_flags=0x808), "its method or flags differ in its local header"),
        (Entry("a", local_size=99), "its size or checksum differs in its local header"),
        (Entry("a", offset=2**31), "it is outside the archive"),
        (Entry("a", packed=2**20), "it extends beyond the archive"),
        (Entry(b"a\xff"), "the name is not UTF-8; rename it or pack with UTF-8 names"),
    ],
)
def test_an_invalid_entry_is_refused_with_name_rule_and_remedy(entry: Entry, rule: str) -> None:
    message = error_text(MAIN, entry)
    assert message.startswith("archive entry 'a")
    assert rule in message
    assert ";" in message


@pytest.mark.parametrize(
    "entry",
    [
        Entry("a", mode=0),
        Entry("a", extra=unicode_path(b"a")),
        Entry("a", extra=unix_mode(0o100644)),
        Entry("a", extra=b"\x01\x00\x00"),  # too short to be a field
        Entry("a", flags=0x808, size=None, local_flags=0x808, after=bytes(16)),
        Entry("a/", b"", STORED, mode=0),
    ],
)
def test_entries_written_by_other_programs_are_read(entry: Entry) -> None:
    assert [found.name for found in read(MAIN, entry)] == ["main.py", entry.name]


def test_entries_that_share_bytes_are_refused() -> None:
    inner = make_zip([Entry("b", b"y", STORED)])
    hidden = Entry("b", b"y", STORED, offset=len(b"a") + 30)  # inside the bytes of a
    assert "shares bytes with another entry" in error_text(Entry("a", inner, STORED), hidden)


@pytest.mark.parametrize(
    ("end", "rule"),
    [
        (End(mark=b"PK\x05\x05"), "no end record, or more than one"),
        (End(tail=b"x"), "no end record, or more than one"),
        (End(comment=b"PK\x05\x06" + bytes(18)), "no end record, or more than one"),
        (End(count=0xFFFF), "it is a zip64 archive"),
        (End(before=b"PK\x06\x07" + bytes(16)), "it is a zip64 archive"),
        (End(disk=1), "it is one part of a split archive"),
        (End(count_on_disk=2), "it is one part of a split archive"),
        (End(start=0), "the directory is not at the offset in the end record"),
        (End(count=2), "the directory is shorter than its entries"),
        (End(count=0), "the directory is longer than its entries"),
    ],
)
def test_an_end_record_that_disagrees_with_the_directory_is_refused(end: End, rule: str) -> None:
    message = error_text(MAIN, end=end)
    assert message == f"the archive is damaged or not a plain ZIP: {rule}; {PACK_AGAIN}"


@pytest.mark.parametrize("end", [End(prefix=b"MZ"), End(comment=b"hello")])
def test_a_prefix_and_a_comment_are_accepted(end: End) -> None:
    assert [entry.name for entry in read(MAIN, end=end)] == ["main.py"]


def test_an_archive_without_entries_is_read_but_one_without_an_end_record_is_refused() -> None:
    for data, rule in ((b"", "it is empty"), (b"PK\x05\x06", "no end record, or more than one")):
        with pytest.raises(InvalidRequest, match=rule):
            read_directory(data, 100)
    assert read() == []
