"""Comparison of two projects: complete, exact and bounded."""

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


def make_archive(tree: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in tree.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def compare_trees(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Comparison:
    with open_archive(make_archive(before)) as old, open_archive(make_archive(after)) as new:
        return compare(old, new)


@examples(150)
@given(before=TREES, after=TREES)
def test_exactly_the_different_files_are_listed(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    found = compare_trees(before, after)
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


def apply_diff(old: list[str], lines: list[DiffLine]) -> list[str]:
    """Apply the differences to the old lines."""
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
def test_the_differences_turn_the_old_text_into_the_new_one(old: list[str], new: list[str]) -> None:
    lines = diff_lines(old, new)
    assert apply_diff(old, lines) == new
    assert bool(lines) == (old != new)


def test_unchanged_lines_far_from_a_change_become_a_gap() -> None:
    old = [str(n) for n in range(40)]
    new = [*old[:20], "new", *old[20:]]
    shown = diff_lines(old, new)
    assert [line.change for line in shown] == [
        LineChange.GAP, *[LineChange.SAME] * 3, LineChange.ADDED, *[LineChange.SAME] * 3,
        LineChange.GAP,
    ]  # fmt: skip
    assert (shown[0].before, shown[-1].before) == (17, 17)


def test_hostile_texts_are_compared_in_bounded_time() -> None:
    old = [f"x{n % 180}" for n in range(4000)]
    new = [f"x{n * 7 % 181}" for n in range(4000)]
    with no_hang():
        lines = diff_lines(old, new)
    assert apply_diff(old, lines) == new


def test_binary_and_large_files_are_listed_without_lines() -> None:
    large = b"a\n" * (module.MAX_TEXT // 2 + 1)
    found = compare_trees(
        {"a.bin": b"\0one", "big.txt": large}, {"a.bin": b"\0two", "new.bin": b"\xff"}
    )
    assert [(file.path, file.omission, file.lines) for file in found.files] == [
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
    assert (file.change, file.omission, file.lines) == (FileChange.CHANGED, OmissionReason.MODE, ())


def test_files_and_lines_are_bounded_and_the_rest_is_counted() -> None:
    many = {f"f{n:04d}.txt": b"line\n" * 50 for n in range(MAX_FILES + 5)}
    found = compare_trees({}, many)
    assert (len(found.files), found.more) == (MAX_FILES, 5)
    assert sum(len(file.lines) for file in found.files) == MAX_SHOWN
    assert found.files[-1].omission is OmissionReason.CUT
    assert (found.files[0].added, found.files[0].removed) == (50, 0)
