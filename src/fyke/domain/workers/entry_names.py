"""Names in an archive: which are refused, and which are left out.

A name is accepted unchanged or refused with a reason. It is never corrected, because another
program may correct it differently.
"""

from __future__ import annotations

import re
import unicodedata

from fyke.errors import InvalidRequest

MAX_PATH_BYTES = 255
MAX_DEPTH = 32

CACHES = frozenset(
    {
        ".git",
        ".coreclaw",
        "node_modules",
        "__pycache__",
        ".pytest_cache",
        ".venv",
        "venv",
        "__MACOSX",
        ".DS_Store",
    }
)
BUILD_FOLDERS = frozenset({"dist", "build"})  # only at the root; deeper ones are often sources
_LEFT_OUT_SUFFIXES = (".pyc", ".pyo", ".log")

_DRIVE = re.compile(r"[A-Za-z]:")
# characters that look like a slash, a backslash or a dot, and that NFKC normalisation does not
# convert to one
_LOOK_ALIKES = frozenset(
    "\u2044\u2215\u29f8\u29f9\u29f5\u2571\u2572\u27cb\u27cd\u2f03\u31d3\u2cc6\u1735"
    "\u3033\u2216\u20e5\u0338\u0337\ufe68\uff3c\uff0f\u2024\u2025\u2026\uff0e\ufe52\u3002\uff61"
    "\u0701\u0702\u06d4\ua4f8\ua60e\U0001d16d\U00010a50"
)
_CONTROL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def refuse(name: str, rule: str, remedy: str) -> InvalidRequest:
    """Return the error for an entry of an archive; control characters are shown escaped."""
    shown = name if len(name) <= 80 else name[:77] + "..."
    return InvalidRequest(f"archive entry {shown!r}: {rule}", remedy=remedy)


def check_name(name: str) -> None:
    """Raise ``InvalidRequest`` unless the name is a plain relative path below the root."""
    problem = _bad_characters(name) or _bad_path(name)
    if problem:
        rule, remedy = problem
        raise refuse(name, rule, remedy)


def fold(path: str) -> str:
    """Return the path without differences of case and Unicode composition, to find collisions."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def is_left_out(path: str) -> bool:
    """Whether the packer skips this path in any folder: caches and logs."""
    parts = path.rstrip("/").split("/")
    return not CACHES.isdisjoint(parts) or (
        not path.endswith("/") and path.lower().endswith(_LEFT_OUT_SUFFIXES)
    )


def is_build_output(path: str) -> bool:
    """Whether the path is in a root folder of build products."""
    first, slash, _ = path.partition("/")
    return bool(slash) and first in BUILD_FOLDERS


def _bad_characters(name: str) -> tuple[str, str] | None:
    if "\\" in name:
        return "the name contains a backslash", "pack with / between folders"
    for letter in name:
        if letter.isascii():
            if not letter.isprintable():
                return "the name contains a control character", "rename the file"
        elif unicodedata.category(letter) in _CONTROL:
            return "the name contains an invisible or unassigned character", "rename the file"
        elif letter in _LOOK_ALIKES or _normalises_to_separator(letter):
            return "the name contains a character that looks like / \\ or .", "rename the file"
    return None


def _normalises_to_separator(letter: str) -> bool:
    plain = unicodedata.normalize("NFKC", letter)
    return plain != letter and any(mark in plain for mark in "/\\.")


def _bad_path(name: str) -> tuple[str, str] | None:
    if not name or name.startswith("/"):
        return "the path is absolute or empty", "pack with paths relative to the project"
    if _DRIVE.match(name):
        return "the path names a drive", "pack with paths relative to the project"
    if len(name.encode()) > MAX_PATH_BYTES:
        return f"the path is longer than {MAX_PATH_BYTES} bytes", "shorten the names"
    parts = name.rstrip("/").split("/")
    if len(parts) > MAX_DEPTH:
        return f"the path has more than {MAX_DEPTH} nested folders", "flatten the project"
    for part in parts:
        if not part.strip(" .") or part != part.strip(" "):
            rule = "a part of the path is empty, only dots, or begins or ends with a space"
            return rule, "pack with plain paths such as folder/file.py"
    if name.endswith("//"):
        return "the path ends in two slashes", "pack with plain paths such as folder/file.py"
    return None
