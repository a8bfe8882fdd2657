"""Hostile archives are refused with a reason, in bounded memory and time, and leave no files."""

from __future__ import annotations

import hashlib
import io
import os
import random
import socket
import stat
import struct
import tracemalloc
import zipfile
import zlib
from functools import cache
from pathlib import Path

import pytest

from fyke.domain.workers import archive
from fyke.domain.workers.archive import MAX_PACKED, open_archive, pack, unpack
from fyke.errors import InvalidRequest
from support.hangs import no_hang
from support.zips import End, Entry, make_zip

MAIN = Entry("main.py", b"print(1)\n")
SECOND_NAME = struct.pack("<2H", 0x7075, 9) + b"\x01" + struct.pack("<L", 0) + b"evil"
ASI_LINK = struct.pack("<2HLH", 0x756E, 14, 0, 0o120777) + bytes(8)
ZIP64 = struct.pack("<2H2Q", 1, 16, 1, 1)

NAMES = [
    "../evil", "a/../../evil", "a/..", "..", ".", "./main.py", "a/./b", "a//b", "/etc/passwd",
    "//host/share", "\\evil", "..\\evil", "a\\..\\evil", "C:/evil", "c:evil", "C:\\evil", "", "/",
    "a/", "a\0b", "a\nb", "a\x1bb", "a\x7fb", "a\u202eb", "a\u200bb", "\ufeffa", "a\u2028b",
    "a\u2044b", "a\u2215b", "a\uff0fb", "a\uff3cb", "\uff0e\uff0e/a", "\u2024\u2024/a", "\u2025/a",
    "a\u29f8b", "a\u2571b", "\ufe52\ufe52/a", "a\u3002", "...", "a/.. /b", " a", "a ", "a/ /b",
    "x" * 256, "/".join(["d"] * 33), "\u00e9" * 128, "a\ue000b", "a//",
]  # fmt: skip
INVALID: list[tuple[str, list[Entry], End | None]] = [
    ("symlink", [MAIN, Entry("a", b"/etc/passwd", mode=0o120777)], None),
    ("symlink by another system", [MAIN, Entry("a", mode=0o120777, system=0)], None),
    ("symlink in an extra field", [MAIN, Entry("a", extra=ASI_LINK)], None),
    ("fifo", [MAIN, Entry("a", b"", mode=0o010644)], None),
    ("block device", [MAIN, Entry("a", b"", mode=0o060644)], None),
    ("character device", [MAIN, Entry("a", b"", mode=0o020644)], None),
    ("socket", [MAIN, Entry("a", b"", mode=0o140644)], None),
    ("odd type", [MAIN, Entry("a", b"", mode=0o150644)], None),
    ("setuid", [MAIN, Entry("a", mode=0o104755)], None),
    ("setgid", [MAIN, Entry("a", mode=0o102755)], None),
    ("setgid folder", [MAIN, Entry("a/", b"", 0, mode=0o042755)], None),
    ("folder without slash", [MAIN, Entry("a", b"", mode=0o040755)], None),
    ("file with slash", [MAIN, Entry("a/", b"", 0)], None),
    ("folder with content", [MAIN, Entry("a/", b"x", 0, mode=0o040755)], None),
    ("encrypted", [MAIN, Entry("a", flags=1)], None),
    ("strongly encrypted", [MAIN, Entry("a", flags=0x41)], None),
    ("hidden headers", [MAIN, Entry("a", flags=0x2000)], None),
    ("patch data", [MAIN, Entry("a", flags=0x20)], None),
    ("bzip2", [MAIN, Entry("a", method=12)], None),
    ("stored with two sizes", [MAIN, Entry("a", b"xx", 0, size=3, local_size=3)], None),
    ("second name", [MAIN, Entry("a", extra=SECOND_NAME)], None),
    ("cut extra field", [MAIN, Entry("a", extra=b"\x01\x00\xff\xff")], None),
    ("name that is no UTF-8", [MAIN, Entry(b"a\xff", flags=0)], None),
    ("duplicate", [MAIN, Entry("a"), Entry("a")], None),
    ("duplicate main", [MAIN, MAIN], None),
    ("duplicate folder", [MAIN, *[Entry("a/", b"", 0, mode=0o040755)] * 2], None),
    ("case", [MAIN, Entry("Main.py")], None),
    ("case of a folder", [MAIN, Entry("A/x"), Entry("a/y")], None),
    ("composition", [MAIN, Entry("\u00e9"), Entry("e\u0301")], None),
    ("sharp s", [MAIN, Entry("stra\u00dfe"), Entry("strasse")], None),
    ("file as folder", [MAIN, Entry("a"), Entry("a/b")], None),
    ("folder as file", [MAIN, Entry("a/b"), Entry("a")], None),
    ("overlap", [MAIN, Entry("a", b"y" * 99, after=b""), Entry("a2", offset=0)], None),
    ("same bytes twice", [Entry("a"), Entry("a ", offset=0)], None),
    ("local name differs", [Entry("a", local_name=b"b")], None),
    ("local size differs", [Entry("a", local_size=99)], None),
    ("local flags differ", [Entry("a", local_flags=1)], None),
    ("local method differs", [Entry("a", local_method=0)], None),
    ("offset outside", [Entry("a", offset=2**31)], None),
    ("offset into nothing", [Entry("a", offset=3)], None),
    ("packed beyond", [Entry("a", packed=2**20)], None),
    ("size too small", [Entry("a", b"x" * 9, size=3)], None),
    ("size too large", [Entry("a", b"x" * 9, size=300)], None),
    ("wrong checksum", [Entry("a", crc=1)], None),
    ("no deflate stream", [Entry("a", payload=b"\xff\xff\xff")], None),
    ("cut deflate stream", [Entry("a", payload=zlib.compress(b"x" * 50)[2:6])], None),
    ("bytes after the stream", [Entry("a", payload=Entry("a").data() + b"junk")], None),
    ("zip64 size", [Entry("a", size=0xFFFFFFFF, extra=ZIP64)], None),
    ("broken local zip64", [Entry("a", packed=None, local_size=0xFFFFFFFF)], None),
    ("entry on another disk", [Entry("a", disk=1)], None),
    ("two disks", [MAIN], End(disk=1)),
    ("counts differ", [MAIN], End(count_on_disk=2)),
    ("more entries than there are", [MAIN], End(count=2)),
    ("fewer entries than there are", [MAIN, Entry("a")], End(count=1)),
    ("zip64 count", [MAIN], End(count=0xFFFF)),
    ("zip64 locator", [MAIN], End(before=b"PK\x06\x07" + bytes(16))),
    ("directory elsewhere", [MAIN], End(start=0)),
    ("directory size", [MAIN], End(size=1)),
    ("prefix", [MAIN], End(prefix=b"MZ", start=0)),
    ("tail", [MAIN], End(tail=b"x")),
    ("end record in the comment", [MAIN], End(comment=b"PK\x05\x06" + bytes(18))),
    ("no end record", [MAIN], End(mark=b"PK\x05\x05")),
    ("a million entries", [MAIN], End(count=0xFFFE)),
]


def contents(data: bytes) -> dict[str, bytes]:
    with open_archive(data) as opened:
        return {file.path: file.read(2**20) for file in opened.files}


def check_refused(data: bytes, place: Path) -> str:
    """Check that reading and unpacking refuse it and leave no files; return the message."""
    target = place / "in" / "target"
    with pytest.raises(InvalidRequest) as caught:
        contents(data)
    with pytest.raises(InvalidRequest):
        unpack(data, target)
    assert list(place.iterdir()) == []
    return caught.value.message


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_refused(name: str, tmp_path: Path) -> None:
    message = check_refused(make_zip([MAIN, Entry(name)]), tmp_path)
    assert message.count(";") >= 1  # the rule and the remedy
    assert message.isprintable()


@pytest.mark.parametrize(
    ("entries", "end"), [case[1:] for case in INVALID], ids=[case[0] for case in INVALID]
)
def test_hostile_structures_are_refused(
    entries: list[Entry], end: End | None, tmp_path: Path
) -> None:
    assert ";" in check_refused(make_zip(entries, end), tmp_path)


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 100, b"PK\x05\x06"])
def test_other_data_is_not_an_archive(data: bytes, tmp_path: Path) -> None:
    assert "not a plain ZIP" in check_refused(data, tmp_path)


# --- bombs -------------------------------------------------------------------------------------


def check_bomb(data: bytes, place: Path) -> None:
    tracemalloc.start()
    with no_hang(10):
        check_refused(data, place)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


@cache
def deflated(size: int) -> bytes:
    """``size`` zero bytes, deflated; one block is compressed once and repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return block * (size >> 20) + squeeze.flush()


def test_a_bomb_with_a_true_size_is_refused(tmp_path: Path) -> None:
    bomb = Entry("a", payload=deflated(600 << 20), size=600 << 20, crc=0)
    check_bomb(make_zip([MAIN, bomb]), tmp_path)


def test_a_bomb_with_a_false_size_is_refused(tmp_path: Path) -> None:
    bomb = Entry("a", payload=deflated(600 << 20), size=10, crc=0)
    check_bomb(make_zip([MAIN, bomb]), tmp_path)


def test_a_bomb_of_several_files_is_refused(tmp_path: Path) -> None:
    payload = deflated(64 << 20)
    parts = [Entry(f"p{n}", payload=payload, size=64 << 20, crc=0) for n in range(9)]
    check_bomb(make_zip([MAIN, *parts]), tmp_path)


def test_a_bomb_of_entries_is_refused(tmp_path: Path) -> None:
    check_bomb(make_zip([Entry(f"f{n}", b"", 0) for n in range(20_001)]), tmp_path)


def test_a_bomb_of_overlapping_entries_is_refused(tmp_path: Path) -> None:
    kernel = deflated(32 << 20)
    first = Entry("k0", payload=kernel, size=32 << 20, crc=0)
    rest = [Entry(f"k{n}", b"", 0, offset=0) for n in range(1, 200)]
    check_bomb(make_zip([first, *rest]), tmp_path)


def test_an_archive_above_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="at most"), open_archive(bytes(MAX_PACKED + 1)):
        pass


def test_an_archive_inside_an_archive_is_not_inflated() -> None:
    inner = make_zip([Entry("a", bytes(2**20))])
    assert contents(make_zip([MAIN, Entry("inner.zip", inner)]))["inner.zip"] == inner


# --- mutations ---------------------------------------------------------------------------------


def seeds() -> list[bytes]:
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("main.py", "print(1)\n" * 20)
        made.writestr("lib/a.py", "x = 1\n")
        made.writestr("lib/deep/b.txt", b"\x00\xff" * 30)
    links = make_zip([MAIN, Entry("aaaa", b"../../..", 0), Entry("bb/evil", b"x", 0)])
    return [plain.getvalue(), links]


FRAGMENTS = (
    b"..",
    b"/",
    b"../",
    b"\\",
    b"\0",
    b"PK\x01\x02",
    b"\xff\xff\xff\xff",
    b"\xa1\xff",
    b"C:",
)


def mutate(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(changed))
        match dice.randrange(5):
            case 0:
                changed[at] = dice.randrange(256)
            case 1:
                word = dice.choice(FRAGMENTS)
                changed[at : at + len(word)] = word
            case 2:
                changed[at:at] = dice.choice(FRAGMENTS)
            case 3:
                del changed[at : at + dice.randint(1, 8)]
            case _:
                start = dice.randrange(len(changed))
                changed[at:at] = changed[start : start + dice.randint(1, 64)]
        if not changed:
            return b""
    return bytes(changed)


TOKENS = [
    "..",
    ".",
    "/",
    "\\",
    "a",
    "A",
    "b.py",
    "main.py",
    "\u2024",
    "\uff0f",
    "C:",
    " ",
    "\0",
    "e\u0301",
]


def assemble(dice: random.Random) -> bytes:
    """Return a valid archive with random names and modes."""
    entries = []
    for _ in range(dice.randint(1, 4)):
        name = "".join(dice.choices(TOKENS, k=dice.randint(1, 5)))
        mode = 0o100644 if dice.random() < 0.9 else dice.choice((0o120777, 0o10644, 0o104755))
        entries.append(Entry(name, b"../x", dice.choice((0, 8)), mode=mode))
    return make_zip(entries)


def check_mutations(count: int, place: Path, seed: int) -> None:
    dice = random.Random(seed)
    originals = seeds()
    inside = place / "inside"
    inside.mkdir()
    unpacked = 0
    for number in range(count):
        target = inside / f"t{number}"
        try:
            odd = dice.random() < 0.5
            unpack(assemble(dice) if odd else mutate(dice.choice(originals), dice), target)
        except InvalidRequest:
            assert not target.exists()
            continue
        unpacked += 1
        assert [path.name for path in inside.iterdir()] == [target.name]
        for path in target.rglob("*"):
            assert stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR)
            path.chmod(0o755)
        remove(target)
    assert list(inside.iterdir()) == []
    assert [path.name for path in place.iterdir()] == ["inside"]
    assert 0 < unpacked < count


def remove(folder: Path) -> None:
    for above, folders, names in os.walk(folder, topdown=False):
        for name in names:
            Path(above, name).unlink()
        for name in folders:
            Path(above, name).rmdir()
    folder.rmdir()


@pytest.mark.slow
def test_mutated_archives_leave_only_files_inside_the_target(tmp_path: Path) -> None:
    check_mutations(2_000, tmp_path, 1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_mutated_archives_leave_only_files_inside_the_target(tmp_path: Path) -> None:
    check_mutations(100_000, tmp_path, 2)


# --- accepted archives ---------------------------------------------------------------------------


def test_archives_of_other_programs_are_read() -> None:
    mac = make_zip([MAIN, Entry("__MACOSX/._main.py"), Entry(".DS_Store")])
    assert list(contents(mac)) == ["main.py"]
    dos = make_zip(
        [Entry("main.py", b"a", system=0, mode=0), Entry("a/", b"", 0, system=0, mode=0)]
    )
    assert contents(dos) == {"main.py": b"a"}
    later = Entry("main.py", b"abc", flags=0x808, local_flags=0x808, after=bytes(16))
    assert contents(make_zip([later])) == {"main.py": b"abc"}
    assert contents(make_zip([MAIN], End(comment=b"hello"))) == {"main.py": b"print(1)\n"}
    names = ["main.py", "\u6587\u4ef6.txt", "a-b_c (1).txt", ".env", "caf\u00e9/x", "\u30fb.py"]
    assert list(contents(make_zip([Entry(name) for name in names]))) == sorted(names)


def test_streamed_archives_are_read() -> None:
    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += data
            return len(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:  # type: ignore[arg-type]
        made.writestr("main.py", "x")
    assert contents(bytes(stream.data)) == {"main.py": b"x"}
    seekable = io.BytesIO()
    with zipfile.ZipFile(seekable, "w") as made, made.open("main.py", "w", force_zip64=True) as out:
        out.write(b"y")
    assert contents(seekable.getvalue()) == {"main.py": b"y"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["p/main.py", "p/a/b"], ["a/b", "main.py"]),
        (["p/q/main.py"], ["p/q/main.py"]),
        (["p/main.py", "other"], ["other", "p/main.py"]),
        (["p/readme"], ["p/readme"]),
        (["dist/main.js", "dist/x"], ["main.js", "x"]),
        (
            ["main.py", "dist/x", "lib/dist/y", "node_modules/z", "a.pyc", "l.log"],
            ["lib/dist/y", "main.py"],
        ),
        (["p/main.py", "__MACOSX/p/._main.py"], ["main.py"]),
    ],
)
def test_a_wrapper_folder_and_build_products_are_removed(
    names: list[str], expected: list[str]
) -> None:
    assert list(contents(make_zip([Entry(name) for name in names]))) == expected


def test_unpacked_files_have_their_content_and_modes(tmp_path: Path) -> None:
    program = Entry("tools/run", b"#!/bin/sh\n", mode=0o100755)
    big = Entry("big.bin", os.urandom(300_000))
    data = make_zip([MAIN, program, big, Entry("tools/deep/x"), Entry("zz/y")])
    old = os.umask(0o077)
    try:
        unpack(data, tmp_path / "a" / "target")
        unpack(data, tmp_path / "a" / "target")  # another process was faster: its files stay
    finally:
        os.umask(old)
    target = tmp_path / "a" / "target"
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    modes = {
        str(path.relative_to(target)): stat.S_IMODE(path.stat().st_mode)
        for path in (target, *target.rglob("*"))
    }
    assert modes == {
        ".": 0o755, "main.py": 0o644, "tools": 0o755, "tools/run": 0o755, "big.bin": 0o644,
        "tools/deep": 0o755, "tools/deep/x": 0o644, "zz": 0o755, "zz/y": 0o644,
    }  # fmt: skip
    assert (target / "big.bin").read_bytes() == big.content


def test_unpacked_files_are_on_disk_before_the_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, fsync = tmp_path / "target", os.fsync
    flushed: dict[int, bool] = {}  # by inode: whether the target existed

    def noted(descriptor: int) -> None:
        flushed[os.fstat(descriptor).st_ino] = target.exists()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    unpack(make_zip([MAIN, Entry("a/b/c.txt", b"data")]), target)
    paths = [target, *target.rglob("*")]
    assert len(paths) == 5
    assert flushed == {path.stat().st_ino: False for path in paths} | {tmp_path.stat().st_ino: True}


def test_unpacking_to_an_existing_file_fails_and_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    with pytest.raises(OSError):
        unpack(make_zip([MAIN]), tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target").read_text() == "mine"


# --- packing -----------------------------------------------------------------------------------


def test_pack_is_deterministic(tmp_path: Path) -> None:
    digests = set()
    for place in ("one", "two"):
        folder = tmp_path / place
        for name in (
            "main.py",
            "lib/x.py",
            ".git/config",
            "dist/x",
            "a.log",
            "node_modules/m/i.js",
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
            os.utime(folder / name, (len(place), 10**9 + len(name)))
        (folder / "main.py").chmod(0o600 if place == "one" else 0o644)
        bundle = pack(folder)
        digests.add(hashlib.sha256(bundle).hexdigest())
        assert zipfile.ZipFile(io.BytesIO(bundle)).namelist() == ["lib/x.py", "main.py"]
        with open_archive(bundle) as opened:
            assert archive.normalise(opened.files) == bundle
    assert len(digests) == 1


def test_pack_leaves_out_a_file_and_the_link_to_it(tmp_path: Path) -> None:
    for name in ("main.py", "rows.csv"):
        (tmp_path / name).write_text(name)
    (tmp_path / "latest.csv").symlink_to("rows.csv")
    named = tmp_path / "lib" / ".." / "latest.csv"
    (tmp_path / "lib").mkdir()
    bundle = pack(tmp_path, without=named)
    assert zipfile.ZipFile(io.BytesIO(bundle)).namelist() == ["main.py"]
    (tmp_path / "latest.csv").unlink()
    (tmp_path / "rows.csv").unlink()
    assert pack(tmp_path, without=named) == bundle


def test_pack_refuses_links_and_special_files(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(InvalidRequest, match="'link': it is a symbolic link"):
        pack(tmp_path)
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(InvalidRequest, match="'link'"):
        pack(tmp_path)
    link.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(link))
        with pytest.raises(InvalidRequest, match="'link'"):
            pack(tmp_path)
    link.unlink()
    (tmp_path / "a\\b").write_text("")
    with pytest.raises(InvalidRequest, match="backslash"):
        pack(tmp_path)


def test_pack_refuses_missing_folders_and_large_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequest, match="name a readable folder"):
        pack(tmp_path / "none")
    with (tmp_path / "main.py").open("wb") as sparse:
        sparse.truncate(600 << 20)
    with pytest.raises(InvalidRequest, match="at most"):
        pack(tmp_path)


def test_the_go_program_is_executable(tmp_path: Path) -> None:
    (tmp_path / "main").write_bytes(b"\x7fELF")
    (tmp_path / "main").chmod(0o644)
    (tmp_path / "data").write_bytes(b"x")
    unpack(pack(tmp_path), tmp_path / "out")
    assert os.access(tmp_path / "out" / "main", os.X_OK)
    assert stat.S_IMODE((tmp_path / "out" / "data").stat().st_mode) == 0o644
