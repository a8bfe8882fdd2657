"""The files in a listing of git."""

from __future__ import annotations

import pytest

from fyke.git.reader import blobs

ID = b"0" * 40


def line(mode: bytes, kind: bytes, size: bytes, path: bytes) -> bytes:
    return mode + b" " + kind + b" " + ID + b" " + size.rjust(7) + b"\t" + path + b"\0"


def test_files_are_read_and_links_and_submodules_are_not() -> None:
    listing = (
        line(b"100644", b"blob", b"12", b"main.py")
        + line(b"100755", b"blob", b"0", b"run.sh")
        + line(b"120000", b"blob", b"11", b"etc")
        + line(b"160000", b"commit", b"-", b"vendored")
    )
    assert blobs(listing) == [(ID, 12), (ID, 0)]
    assert blobs(b"") == []


@pytest.mark.parametrize("path", [b"a b", b"a\tb\tc", b"line\nbreak", b"100644 blob", b"\xff\xfe"])
def test_file_names_do_not_affect_the_parsing(path: bytes) -> None:
    assert blobs(line(b"100644", b"blob", b"7", path)) == [(ID, 7)]
