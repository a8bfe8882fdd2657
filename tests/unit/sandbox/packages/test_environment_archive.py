"""Archives of environments: the same bytes for the same content, and nothing hostile is made."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fyke.kit.zstd import zstd_module
from fyke.sandbox.packages import environment_archive as archive
from fyke.sandbox.packages import sealing
from fyke.sandbox.packages.environment_archive import BadArchive, TooLarge, pack, unpack

LINKS = {"bin/python": "/usr/bin/python3"}
ROOM = 2**20
DEEP = "/".join(["node_modules"] * 30)


def an_environment(folder: Path, links: dict[str, str] | None = None) -> Path:
    """An environment with an executable file, an empty folder, and long and unusual names."""
    files = {
        "bin/tool": b"#!/bin/sh\n",
        "lib/python3.13/site-packages/a.py": b"a = 1\n" * 200,
        "lib/README": b"one",
        "lib/readme": b"two names that differ by case",
        f"lib/{DEEP}/index.js": b"x" * 600_000,
        f"lib/{'ü' * 80}/f": b"",
        os.fsdecode(b"lib/\xff\n"): b"not UTF-8",
    }
    content = folder / "env"
    (content / "lib/empty").mkdir(parents=True)
    for name, data in files.items():
        (content / name).parent.mkdir(parents=True, exist_ok=True)
        (content / name).write_bytes(data)
    (content / "bin/tool").chmod(0o755)
    for name, goal in (LINKS if links is None else links).items():
        (content / name).symlink_to(goal)
    (folder / "install.log").write_text("Installed 1 package\n")
    sealing.seal(content)
    return folder


def unpacked(source: Path, target: Path, room: int = ROOM) -> Path:
    target.mkdir()
    unpack(source, target, LINKS, room)
    return target


def test_an_environment_is_the_same_afterwards(tmp_path: Path) -> None:
    folder = an_environment(tmp_path / "a")
    pack(folder, tmp_path / "file", LINKS)
    result = unpacked(tmp_path / "file", tmp_path / "b")
    assert sealing.seal(result / "env") == sealing.read_tree(folder / "env")
    assert (result / "install.log").read_text() == "Installed 1 package\n"
    assert (result / "env/bin/python").readlink() == Path("/usr/bin/python3")
    assert sorted(os.listdir(result)) == ["env", "install.log"]


def test_the_same_content_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pack(an_environment(tmp_path / name), tmp_path / f"{name}.zst", LINKS)
        os.utime(tmp_path / name / "env/lib", (1, 1))
    assert (tmp_path / "a.zst").read_bytes() == (tmp_path / "b.zst").read_bytes()


def test_it_is_an_archive_for_other_programs(tmp_path: Path) -> None:
    pack(an_environment(tmp_path / "a"), tmp_path / "file", LINKS)
    data = zstd_module().decompress((tmp_path / "file").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert "env/lib/python3.13/site-packages/a.py" in tar.getnames()
        assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}


@pytest.mark.parametrize(
    "links", [{}, {"bin/python": "/bin/sh"}, {"lib/x": "/etc/passwd"}], ids=["no", "other", "lib"]
)
def test_links_that_no_recipe_makes_are_not_packed(tmp_path: Path, links: dict[str, str]) -> None:
    folder = an_environment(tmp_path / "a", links)
    expected = {} if links else LINKS
    if not links:
        (folder / "env/bin").chmod(0o755)
        (folder / "env/bin/python").symlink_to("/etc/passwd")
    with pytest.raises(BadArchive, match="is no file and no folder"):
        pack(folder, tmp_path / "file", expected)


def test_a_packed_environment_has_a_limit(tmp_path: Path) -> None:
    folder = an_environment(tmp_path / "a")
    pack(folder, tmp_path / "file", LINKS)
    size = (tmp_path / "file").stat().st_size
    pack(folder, tmp_path / "same", LINKS, size)
    with pytest.raises(TooLarge):
        pack(folder, tmp_path / "part", LINKS, size - 1)
    assert (tmp_path / "part").stat().st_size < size


def test_a_pipe_is_not_packed(tmp_path: Path) -> None:
    folder = an_environment(tmp_path / "a")
    os.mkfifo(folder / "env/lib/pipe")
    with pytest.raises(BadArchive, match="pipe"):
        pack(folder, tmp_path / "file", LINKS)


# --- hostile archives --------------------------------------------------------------------------


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **values: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in values.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


LOG, ENV = member("install.log"), member("env/", tarfile.DIRTYPE)
START, END = LOG + ENV, bytes(1024)


def stored(folder: Path, data: bytes) -> Path:
    file = folder / "file"
    file.write_bytes(zstd_module().compress(data))
    return file


def test_the_smallest_archive(tmp_path: Path) -> None:
    data = START + member("env/bin/", tarfile.DIRTYPE) + END
    assert (unpacked(stored(tmp_path, data), tmp_path / "new") / "env/bin/python").is_symlink()


HOSTILE = {
    "absolute": member("/etc/cron.d/x"),
    "absolute in env": member("env//etc/passwd"),
    "above": member("../x"),
    "above in env": member("env/../../x"),
    "above in a long name": member("env/" + "a/" * 60 + "../" * 63 + "x"),
    "point": member("env/./x"),
    "empty": member(""),
    "beside": member("other"),
    "beside it": member("environment/x"),
    "no folder": member("env/missing/x"),
    "symbolic link": member("env/x", tarfile.SYMTYPE, linkname="/etc/passwd"),
    "link of the recipe": member("env/bin/python", tarfile.SYMTYPE, linkname="/usr/bin/python3"),
    "hard link": member("env/x", tarfile.LNKTYPE, linkname="install.log"),
    "character device": member("env/x", tarfile.CHRTYPE, devmajor=1, devminor=3),
    "block device": member("env/x", tarfile.BLKTYPE),
    "pipe": member("env/x", tarfile.FIFOTYPE),
    "sparse file": member("env/x", tarfile.GNUTYPE_SPARSE),
    "extended header": member("env/x", tarfile.XHDTYPE, b"20 path=/etc/passwd\n"),
    "global header": member("env/x", tarfile.XGLTYPE, b"20 path=/etc/passwd\n"),
    "old kind of file": member("env/x", tarfile.AREGTYPE),
    "twice": member("env/x") * 2,
    "file and folder": member("env/x") + member("env/x/", tarfile.DIRTYPE),
    "below a file": member("env/x") + member("env/x/y"),
    "second log": member("install.log"),
    "folder with content": member("env/x/", tarfile.DIRTYPE, b"abc"),
    "too deep": b"".join(
        member("env/" + "d/" * depth, tarfile.DIRTYPE) for depth in range(1, sealing.MAX_DEPTH + 3)
    ),
    "long name of gigabytes": member("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=2**33),
    "two long names": member("././@LongLink", tarfile.GNUTYPE_LONGNAME, b"env/x\0") * 2,
    "wrong long name": member("x", tarfile.GNUTYPE_LONGNAME, b"env/x\0"),
    "long name of nothing": member("././@LongLink", tarfile.GNUTYPE_LONGNAME, b"env/x\0"),
    "long name with a nul": member("././@LongLink", tarfile.GNUTYPE_LONGNAME, b"env/x\0y\0")
    + member("env/y"),
    "hidden bytes": member("env/x", data=b"a")[:-1] + b"!",
    "wrong sum": member("env/x")[:-400] + b"1" + member("env/x")[-399:],
    "negative size": member("env/x", size=-512),
    "larger than it is": member("env/x", size=2**19),
    "larger than allowed": member("env/x", size=2**40),
    "no archive": b"GET / HTTP/1.1\r\n" * 64,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_are_refused(tmp_path: Path, data: bytes) -> None:
    source = stored(tmp_path, START + member("env/bin/", tarfile.DIRTYPE) + data + END)
    with pytest.raises(BadArchive):
        unpacked(source, tmp_path / "new")
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"file", "new"}, "nothing outside"
    assert not [path for path in (tmp_path / "new").rglob("*") if path.is_symlink()]


@pytest.mark.parametrize(
    "data",
    [b"", END, LOG + END, ENV + LOG + END, START, START + bytes(512), START + END + b"x"],
    ids=["nothing", "empty", "no env", "order", "no end", "half end", "more"],
)
def test_incomplete_archives_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadArchive):
        unpacked(stored(tmp_path, data), tmp_path / "new")


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    source = stored(tmp_path, START + member("env/lib/", tarfile.DIRTYPE) + END)
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/env").symlink_to(outside)
    with pytest.raises(BadArchive):
        unpack(source, tmp_path / "new", LINKS, ROOM)
    assert not list(outside.iterdir())


def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    data = START + member("env/zeros", data=bytes(64 * 2**20)) + END
    source = stored(tmp_path, data)
    assert source.stat().st_size < 16_384
    with pytest.raises(BadArchive, match="too large"):
        unpacked(source, tmp_path / "new")
    assert not (tmp_path / "new/env/zeros").exists()


def test_many_small_files_are_a_bomb_too(tmp_path: Path) -> None:
    data = START + b"".join(member(f"env/{n}") for n in range(100)) + END
    with pytest.raises(BadArchive, match="too many"):
        unpacked(stored(tmp_path, data), tmp_path / "new", room=50 * 512)


def test_a_window_that_takes_much_memory_is_refused(tmp_path: Path) -> None:
    module = zstd_module()
    options = {module.CompressionParameter.window_log: 27}
    compressor = module.ZstdCompressor(options=options)
    data = compressor.compress(START + member("env/bin/", tarfile.DIRTYPE)) + compressor.flush()
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(BadArchive, match="decompressed"):
        unpacked(tmp_path / "file", tmp_path / "new")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("packed")
    pack(an_environment(folder / "a"), folder / "file", LINKS)
    return (folder / "file").read_bytes()


Place = Callable[[], Path]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return lambda: tmp_path_factory.mktemp("cut")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_an_archive_that_is_cut_is_refused(
    packed: bytes, place: Place, data: st.DataObject
) -> None:
    folder, length = place(), data.draw(st.integers(0, len(packed) - 1))
    (folder / "file").write_bytes(packed[:length])
    with pytest.raises(BadArchive):
        unpacked(folder / "file", folder / "new")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_changed_byte_makes_nothing_outside(
    packed: bytes, place: Place, data: st.DataObject
) -> None:
    plain = bytearray(zstd_module().decompress(packed))
    at = data.draw(st.integers(0, 4096))
    plain[at] ^= data.draw(st.integers(1, 255))
    folder = place()
    source = stored(folder, bytes(plain))
    with suppress(BadArchive):
        unpacked(source, folder / "new")
    assert {path.name for path in folder.iterdir()} == {"file", "new"}
    assert {path.name for path in (folder / "new").iterdir()} <= {archive.CONTENT, archive.LOG}
