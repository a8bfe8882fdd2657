"""Compares two versions of a project: added, removed and changed files, and their lines.

The files are untrusted, so everything is bounded: the number of files, the length of a file that is
compared line by line, and the total number of lines. The result names what was left out.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import groupby

from fyke.domain.workers.archive import Archive, ProjectFile

MAX_FILES = 200  # in the result
MAX_TEXT = 256 * 1024  # bytes of a file that is compared line by line
MAX_LINES = 4000  # of such a file
MAX_SHOWN = 4000  # lines in the result
MAX_PAIRS = 20_000  # pairs of equal lines that the matcher may compare
MAX_WIDTH = 500  # characters of a line
CONTEXT = 3  # unchanged lines around a change


class FileChange(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class LineChange(StrEnum):
    """What happened to a line. A gap replaces unchanged lines that are not shown."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    GAP = "gap"


class OmissionReason(StrEnum):
    """Why the lines of a file are not shown, or not all of them."""

    NONE = ""
    BINARY = "binary"
    LARGE = "large"
    CUT = "cut"
    MODE = "mode"  # only the executable bit has changed


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line. ``before`` and ``after`` are its 1-based numbers, 0 where the version does not have
    it; for a gap, ``before`` is the number of lines left out.
    """

    change: LineChange
    text: str
    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file that differs. Sizes are bytes, 0 where the version does not have the file."""

    path: str
    change: FileChange
    size_before: int
    size_after: int
    lines: tuple[DiffLine, ...] = ()
    omission: OmissionReason = OmissionReason.NONE

    @property
    def added(self) -> int:
        return sum(line.change is LineChange.ADDED for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.change is LineChange.REMOVED for line in self.lines)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All files that differ, by path; ``more`` counts those beyond ``MAX_FILES``."""

    files: tuple[FileDiff, ...]
    unchanged: int
    more: int = 0


@dataclass
class _Budget:
    """The number of lines that may still be added to the result."""

    lines: int = MAX_SHOWN


def compare(before: Archive, after: Archive) -> Comparison:
    """Return the differences between two projects."""
    old = {file.path: file for file in before.files}
    new = {file.path: file for file in after.files}
    differing = [
        path
        for path in sorted(old.keys() | new.keys())
        if path not in old or path not in new or not _same(old[path], new[path])
    ]
    budget = _Budget()
    files = [_diff(path, old.get(path), new.get(path), budget) for path in differing[:MAX_FILES]]
    return Comparison(
        files=tuple(files),
        unchanged=len(old.keys() | new.keys()) - len(differing),
        more=max(0, len(differing) - MAX_FILES),
    )


def _same(old: ProjectFile, new: ProjectFile) -> bool:
    return old.executable == new.executable and _same_content(old, new)


def _same_content(old: ProjectFile, new: ProjectFile) -> bool:
    return old.size == new.size and _digest(old) == _digest(new)


def _digest(file: ProjectFile) -> bytes:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.digest()


def _diff(path: str, old: ProjectFile | None, new: ProjectFile | None, budget: _Budget) -> FileDiff:
    change = FileChange.CHANGED
    if old is None or new is None:
        change = FileChange.ADDED if old is None else FileChange.REMOVED
    sizes = old.size if old else 0, new.size if new else 0
    if old and new and _same_content(old, new):
        return FileDiff(path, change, *sizes, omission=OmissionReason.MODE)
    texts = _text(old), _text(new)
    omission = next((text for text in texts if isinstance(text, OmissionReason)), None)
    if omission is not None:
        return FileDiff(path, change, *sizes, omission=omission)
    if budget.lines <= 0:
        return FileDiff(path, change, *sizes, omission=OmissionReason.CUT)
    lines = diff_lines(*(text for text in texts if not isinstance(text, OmissionReason)))
    shown = lines[: budget.lines]
    budget.lines -= len(shown)
    omission = OmissionReason.CUT if len(shown) < len(lines) else OmissionReason.NONE
    return FileDiff(path, change, *sizes, lines=tuple(shown), omission=omission)


def _text(file: ProjectFile | None) -> list[str] | OmissionReason:
    """The lines of a text file, or why they are not compared."""
    if file is None:
        return []
    if file.size > MAX_TEXT:
        return OmissionReason.LARGE
    data = file.read(file.size)
    if b"\0" in data:
        return OmissionReason.BINARY
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        return OmissionReason.BINARY
    if lines[-1] == "":
        lines.pop()
    return lines if len(lines) <= MAX_LINES else OmissionReason.LARGE


def diff_lines(old: Sequence[str], new: Sequence[str]) -> list[DiffLine]:
    """Return the differences between ``old`` and ``new``, with some unchanged lines around each."""
    lines: list[DiffLine] = []
    for tag, first, last, start, stop in _opcodes(old, new):
        if tag == "equal":
            lines += [
                DiffLine(LineChange.SAME, _clipped(old[first + n]), first + n + 1, start + n + 1)
                for n in range(last - first)
            ]
            continue
        lines += [
            DiffLine(LineChange.REMOVED, _clipped(old[n]), n + 1, 0) for n in range(first, last)
        ]
        lines += [
            DiffLine(LineChange.ADDED, _clipped(new[n]), 0, n + 1) for n in range(start, stop)
        ]
    return _collapsed(lines)


_Opcode = tuple[str, int, int, int, int]


def _opcodes(old: Sequence[str], new: Sequence[str]) -> list[_Opcode]:
    """Like ``SequenceMatcher.get_opcodes``, in bounded time.

    Its cost grows with the pairs of equal lines. When there are too many, everything between the
    common prefix and the common suffix counts as replaced.
    """
    head = _common_prefix(old, new)
    tail = _common_prefix(old[head:][::-1], new[head:][::-1])
    ends = len(old) - tail, len(new) - tail
    middle = old[head : ends[0]], new[head : ends[1]]
    inner: list[_Opcode] = [("replace", 0, len(middle[0]), 0, len(middle[1]))]
    if _equal_pairs(*middle) <= MAX_PAIRS:
        inner = list(SequenceMatcher(None, *middle).get_opcodes())
    return [
        ("equal", 0, head, 0, head),
        *((tag, a + head, b + head, c + head, d + head) for tag, a, b, c, d in inner),
        ("equal", ends[0], len(old), ends[1], len(new)),
    ]


def _common_prefix(old: Sequence[str], new: Sequence[str]) -> int:
    """The number of equal lines at the beginning."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(old), len(new)))


def _equal_pairs(old: Sequence[str], new: Sequence[str]) -> int:
    """The number of pairs of equal lines that the matcher would compare."""
    old_counts, new_counts = Counter(old), Counter(new)
    # the matcher ignores lines that are more frequent than this
    popular = len(new) // 100 + 1 if len(new) >= 200 else len(new)
    return sum(
        n * new_counts[line] for line, n in old_counts.items() if new_counts[line] <= popular
    )


def _collapsed(lines: list[DiffLine]) -> list[DiffLine]:
    """Replace unchanged lines that are far from every change by gaps; ``[]`` without a change."""
    near = bytearray(len(lines))
    for at, line in enumerate(lines):
        if line.change is not LineChange.SAME:
            first, last = max(0, at - CONTEXT), min(len(lines), at + CONTEXT + 1)
            near[first:last] = b"\1" * (last - first)
    if not any(near):
        return []
    collapsed: list[DiffLine] = []
    for is_near, pairs in groupby(zip(near, lines, strict=True), key=lambda pair: pair[0]):
        group = [line for _, line in pairs]
        collapsed += group if is_near else [DiffLine(LineChange.GAP, "", len(group))]
    return collapsed


def _clipped(line: str) -> str:
    return line if len(line) <= MAX_WIDTH else line[: MAX_WIDTH - 3] + "..."
