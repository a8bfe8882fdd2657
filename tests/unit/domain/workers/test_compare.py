"""Two trees side by side: nothing is missed, nothing is invented, and it stays bounded."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.workers import compare as module
from fyke.domain.workers.archive import open_archive
from fyke.domain.workers.compare import (
    MAX_FILES,
    MAX_SHOWN,
    Comparison,
    DiffLine,
    FileChange,
    LineChange,
    OmissionReason,
    compare,
    diff_lines,
)
from support.examples import examples
from support.hangs import no_hang

LINES = st.lists(st.sampled_from(["", "a", "b", "c d", "\u00e9", "x" * 80]), max_size=30)
NAMES = st.sampled_from(["main.py", "lib/a.py", "lib/b.txt", "data.bin", "README.md", "z"])
CONTENT = st.one_of(
    LINES.map(lambda lines: "".join(line + "\n" for line in lines).encode()),
    st.binary(max_size=40),
)
TREES = st.dictionaries(NAMES, CONTENT)


def packed(tree: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in tree.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def compared(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Comparison:
    with open_archive(packed(before)) as old, open_archive(packed(after)) as new:
        return compare(old, new)


@examples(150)
@given(before=TREES, after=TREES)
def test_every_difference_is_found_and_no_other(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    found = compared(before, after)
    assert {file.path: file.change for file in found.files} == {
        **dict.fromkeys(before.keys() - after.keys(), FileChange.REMOVED),
        **dict.fromkeys(after.keys() - before.keys(), FileChange.ADDED),
        **{
            name: FileChange.CHANGED
            for name in before.keys() & after.keys()
            if before[name] != after[name]
        },
    }
    assert [file.path for file in found.files] == sorted(file.path for file in found.files)
    assert found.unchanged == sum(after.get(name) == data for name, data in before.items())
    for file in found.files:
        sizes = len(before.get(file.path, b"")), len(after.get(file.path, b""))
        assert (file.size_before, file.size_after) == sizes


def replayed(old: list[str], lines: list[DiffLine]) -> list[str]:
    """The later text, made from the earlier one and the differences."""
    made: list[str] = []
    at = 0
    for line in lines:
        if line.change is LineChange.GAP:
            made += old[at : at + line.before]
            at += line.before
        elif line.change is LineChange.ADDED:
            made.append(line.text)
            assert line.after == len(made)
        else:
            assert (line.before, line.text) == (at + 1, old[at])
            at += 1
            if line.change is LineChange.SAME:
                made.append(line.text)
    return made if lines else old


@examples(300)
@given(old=LINES, new=LINES)
def test_the_differences_lead_from_one_text_to_the_other(old: list[str], new: list[str]) -> None:
    lines = diff_lines(old, new)
    assert replayed(old, lines) == new
    assert bool(lines) == (old != new)


def test_far_lines_are_left_out_and_counted() -> None:
    old = [str(n) for n in range(40)]
    new = [*old[:20], "new", *old[20:]]
    shown = diff_lines(old, new)
    assert [line.change for line in shown] == [
        LineChange.GAP, *[LineChange.SAME] * 3, LineChange.ADDED, *[LineChange.SAME] * 3,
        LineChange.GAP,
    ]  # fmt: skip
    assert (shown[0].before, shown[-1].before) == (17, 17)


def test_texts_made_to_be_slow_are_not() -> None:
    old = [f"x{n % 180}" for n in range(4000)]
    new = [f"x{n * 7 % 181}" for n in range(4000)]
    with no_hang():
        lines = diff_lines(old, new)
    assert replayed(old, lines) == new


def test_binary_and_large_files_are_named_without_lines() -> None:
    large = b"a\n" * (module.MAX_TEXT // 2 + 1)
    found = compared({"a.bin": b"\0one", "big.txt": large}, {"a.bin": b"\0two", "new.bin": b"\xff"})
    assert [(file.path, file.hidden, file.lines) for file in found.files] == [
        ("a.bin", OmissionReason.BINARY, ()),
        ("big.txt", OmissionReason.LARGE, ()),
        ("new.bin", OmissionReason.BINARY, ()),
    ]


def test_a_file_that_only_became_executable_is_reported() -> None:
    def archived(mode: int) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            info = zipfile.ZipInfo("run.sh")
            info.create_system = 3
            info.external_attr = (0o100000 | mode) << 16
            archive.writestr(info, "echo\n")
        return buffer.getvalue()

    with open_archive(archived(0o644)) as old, open_archive(archived(0o755)) as new:
        [file] = compare(old, new).files
    assert (file.change, file.hidden, file.lines) == (FileChange.CHANGED, OmissionReason.MODE, ())


def test_files_and_lines_are_bounded_and_the_rest_is_counted() -> None:
    many = {f"f{n:04d}.txt": b"line\n" * 50 for n in range(MAX_FILES + 5)}
    found = compared({}, many)
    assert (len(found.files), found.more) == (MAX_FILES, 5)
    assert sum(len(file.lines) for file in found.files) == MAX_SHOWN
    assert found.files[-1].hidden is OmissionReason.CUT
    assert (found.files[0].added, found.files[0].removed) == (50, 0)
