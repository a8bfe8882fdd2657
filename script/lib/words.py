#!/usr/bin/env python3
"""Refuses words that the project does not use, and class names that several classes share.

Without a path it checks the areas in CLEAN and the class names. With paths it lists the words
there, as ``file:line: word -> what to write instead``. The exit status is 1 when a word is found.
Words in backticks are ignored.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath

sys.path.insert(0, str(Path(__file__).parent))
import class_names
from prose import CODE, is_read, names, sentences
from word_list import CLASS, FILE, NAME, PROSE, RULES, Rule

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    *("bench", "clients", "contributing", "docs", "examples", "proto"),
    *("script", "sdk", "src", "tests", "worker-templates", "workers"),
)

# Folders and files without any of the words; add one when --count prints 0 for it, one a line.
CLEAN: tuple[str, ...] = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "clients",
    "contributing",
    "docs",
    "examples/README.md",
    "examples/java",
    "script/lib",
    "src/fyke",
    "tests/console",
    "tests/unit/console",
    "worker-templates",
    "workers",
)

# Files of third parties, generated files, and this check.
SKIPPED = re.compile(
    r"(^|/)(vendor|swagger_ui|lucide|node_modules|__pycache__|\.[^/]+)(/|$)|_pb2(_grpc)?\.pyi?$"
    r"|^script/lib/(word_list|words)\.py$|^tests/unit/script/test_words\.py$"
)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SENTENCE_END = re.compile(r"[.!?:]\s|\n[ \t]*\n|\n[ \t]*(?:[-*|#]|\d+\.)")
_SENTENCES = re.compile(f"[^{CODE}]{{3,}}")
_RULES = {
    scope: [rule for rule in RULES if scope in rule.scopes] for scope in (CLASS, FILE, NAME, PROSE)
}
_ANY = {
    scope: re.compile("|".join(rule.pattern.pattern for rule in rules))
    for scope, rules in _RULES.items()
}
_MARKS = re.compile(r"[\"'#*/\\]+")
_NAME = re.compile(r"[A-Za-z_]\w*(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class Finding:
    """A refused word in a file; ``path`` is relative to the root."""

    path: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word} -> {self.instead}"


def words_of(name: str) -> str:
    """Return the words of a name in any of the usual spellings, in lower case."""
    return " ".join(part.lower() for part in _PARTS.findall(name))


def check_text(path: str, text: str) -> Iterator[Finding]:
    """Yield the refused words in the file ``path`` with the content ``text``."""
    file = PurePath(path)
    # A folder is named once, by the file that makes it a package.
    named = file.parent.name if file.name == "__init__.py" else file.name.partition(".")[0]
    yield from _check_name(path, 1, named.removeprefix("test_"), FILE)
    if _ANY[PROSE].search(_MARKS.sub(" ", text.lower())):  # finding the sentences is slower
        text_of_sentences = sentences(file, text)
        for match in _SENTENCES.finditer(text_of_sentences):
            if _ANY[PROSE].search(lower := _lower(match[0])):
                line = text_of_sentences.count("\n", 0, match.start()) + 1
                yield from _check_sentences(path, line, lower)
    if any(_rules_of(name, scope) for name in set(_NAME.findall(text)) for scope in (CLASS, NAME)):
        for line, name, is_class in sorted(set(names(file, text))):
            scope = CLASS if is_class else PROSE if name.startswith("test_") else NAME
            yield from _check_name(path, line, name, scope)


def _lower(text: str) -> str:
    lower = text.lower()
    return lower if len(lower) == len(text) else text


def _check_sentences(path: str, line: int, text: str) -> Iterator[Finding]:
    for rule in _RULES[PROSE]:
        for match in rule.pattern.finditer(text):
            sentence = _around(text, *match.span())
            if rule.applies_in(path) and not (rule.exempt and rule.exempt.search(sentence)):
                match_line = line + text.count("\n", 0, match.start())
                yield Finding(path, match_line, " ".join(match[0].split()), rule.instead)


@cache
def _rules_of(name: str, scope: str) -> list[Rule]:
    split = words_of(name)
    if not _ANY[scope].search(split):
        return []
    return [
        rule
        for rule in _RULES[scope]
        if rule.pattern.search(split) and not (rule.exempt and rule.exempt.search(split))
    ]


def _check_name(path: str, line: int, name: str, scope: str) -> Iterator[Finding]:
    for rule in _rules_of(name, scope):
        if rule.applies_in(path):
            yield Finding(path, line, name, rule.instead)
            return


def _around(text: str, first: int, end: int) -> str:
    """Return the sentence that contains ``text[first:end]``."""
    start = 0
    for match in _SENTENCE_END.finditer(text, 0, first):
        start = match.end()
    following = _SENTENCE_END.search(text, end)
    return text[start : following.start() if following else len(text)]


def files(root: Path, paths: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the files of the project, or those below ``paths``, relative to ``root``."""
    for item in paths or (*FOLDERS, *sorted(path.name for path in root.glob("*.md"))):
        start = root / item
        if start.is_file():
            if not SKIPPED.search(item):
                yield item
            continue
        for folder, folders, file_names in os.walk(start):
            folder_path = Path(folder).relative_to(root).as_posix()
            folders[:] = sorted(
                name for name in folders if not SKIPPED.search(f"{folder_path}/{name}")
            )
            for name in sorted(file_names):
                if not SKIPPED.search(f"{folder_path}/{name}"):
                    yield f"{folder_path}/{name}"


def check(root: Path, paths: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Yield the refused words in all files, or in those below ``paths``."""
    for path in files(root, paths):
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or an archive
        if is_read(PurePath(path), text):
            yield from check_text(path, text)


def area_of(path: str) -> str:
    """Return the area of a file, by which words are counted."""
    depth = 4 if path.startswith("src/fyke/domain/") else 3 if path.startswith("src/") else 2
    return "/".join(PurePath(path).parts[:-1][:depth]) or path


def _relative(arguments: list[str]) -> tuple[str, ...]:
    """Return paths of the command line relative to the root; () for the whole project."""
    paths = []
    for argument in arguments:
        path = Path(argument).resolve()
        if not path.is_relative_to(ROOT) or not path.exists():
            raise SystemExit(f"words.py: {argument}: no such file or folder of the project")
        paths.append(path.relative_to(ROOT).as_posix())
    return () if "." in paths else tuple(paths)


def _print_counts(paths: tuple[str, ...]) -> None:
    counts = Counter(area_of(finding.path) for finding in check(ROOT, paths))
    areas = dict.fromkeys(map(area_of, files(ROOT, paths)))
    for area in sorted(areas):
        print(f"{counts[area]:6} {area}")
    print(f"{counts.total():6} in total")


def _print_classes() -> None:
    shared = class_names.shared(ROOT)
    for name, places in shared.items():
        print(f"{name}: {class_names.REASONS.get(name, 'no reason')}")
        for place in places:
            print(f"    {place}")
    print(f"{len(shared)} names of {sum(map(len, shared.values()))} classes")


def _lint() -> Iterator[str]:
    for area in CLEAN:
        if not (ROOT / area).exists():
            yield f"{area}: does not exist; change CLEAN in script/lib/words.py"
    yield from map(str, check(ROOT, tuple(area for area in CLEAN if (ROOT / area).exists())))
    shared = class_names.shared(ROOT)
    yield from class_names.faults(shared, class_names.REASONS, class_names.WITHOUT_REASON)


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", action="store_true", help="count the words in each area")
    parser.add_argument("--classes", action="store_true", help="list the shared class names")
    parser.add_argument("paths", nargs="*", metavar="PATH")
    arguments = parser.parse_args()
    paths = _relative(arguments.paths)
    if arguments.classes:
        _print_classes()
        return 0
    if arguments.count:
        _print_counts(paths)
        return 0
    faults = list(map(str, check(ROOT, paths))) if arguments.paths else list(_lint())
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
