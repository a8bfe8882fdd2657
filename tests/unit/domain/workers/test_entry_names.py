"""Names inside of an archive: each rule with its remedy, its limit, and what is left out."""

from __future__ import annotations

import pytest

from fyke.domain.workers.entry_names import (
    MAX_DEPTH,
    MAX_PATH_BYTES,
    check_name,
    fold,
    is_build_output,
    is_left_out,
)
from fyke.errors import InvalidRequest

FOLDER = "pack with paths relative to the project"
PLAIN = "pack with plain paths such as folder/file.py"


@pytest.mark.parametrize(
    "name",
    [
        "main.py",
        "lib/",
        ".env",
        "a/..b/c...d",
        "a b/c (1).txt",
        "文件/é.py",
        "①\ufb01.txt",
        "x" * MAX_PATH_BYTES,
        "é" * (MAX_PATH_BYTES // 2),
        "/".join("d" * MAX_DEPTH) + "/",
    ],
)
def test_a_plain_relative_path_is_accepted(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "rule", "remedy"),
    [
        ("a\\b", "contains a backslash", "pack with / between folders"),
        ("a\tb", "contains a control character", "rename the file"),
        ("a\x7f", "contains a control character", "rename the file"),
        ("a\u202eb", "contains an invisible or unassigned character", "rename the file"),
        ("a\u0378", "contains an invisible or unassigned character", "rename the file"),
        ("a\u2215b", "looks like / \\ or .", "rename the file"),
        ("\u2025/a", "looks like / \\ or .", "rename the file"),
        ("a\u2100", "looks like / \\ or .", "rename the file"),  # a/c in one character
        ("", "is absolute or empty", FOLDER),
        ("/etc/passwd", "is absolute or empty", FOLDER),
        ("c:evil", "names a drive", FOLDER),
        ("x" * (MAX_PATH_BYTES + 1), "is longer than 255 bytes", "shorten the names"),
        ("é" * 128, "is longer than 255 bytes", "shorten the names"),
        ("/".join("d" * (MAX_DEPTH + 1)), "more than 32 nested folders", "flatten the project"),
        ("a/../b", "empty, only dots, or begins or ends with a space", PLAIN),
        ("./a", "empty, only dots, or begins or ends with a space", PLAIN),
        ("a//b", "empty, only dots, or begins or ends with a space", PLAIN),
        ("a/ b", "empty, only dots, or begins or ends with a space", PLAIN),
        ("a/. ./b", "empty, only dots, or begins or ends with a space", PLAIN),
        ("a//", "ends in two slashes", PLAIN),
    ],
)
def test_any_other_name_is_refused_with_rule_and_remedy(name: str, rule: str, remedy: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_name(name)
    message = refused.value.message
    assert rule in message
    assert message.endswith(remedy)
    assert message.isprintable()
    assert len(message) < 300


@pytest.mark.parametrize(
    ("one", "other"),
    [("README", "readme"), ("\u00e9", "e\u0301"), ("\u00c9", "e\u0301"), ("straße", "STRASSE")],
)
def test_names_that_collide_on_some_file_system_are_folded_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_different_names_stay_different() -> None:
    assert len({fold(name) for name in ("a/b", "a-b", "ab", "e", "\u00e9")}) == 5


@pytest.mark.parametrize(
    ("path", "left_out"),
    [
        ("node_modules/a/index.js", True),
        ("src/__pycache__/", True),
        (".git", True),
        ("a/.DS_Store", True),
        ("debug.log", True),
        ("a/Main.PYC", True),
        ("logs.log/", False),
        ("log", False),
        ("my_node_modules/a", False),
        ("gitignore", False),
        (".gitignore", False),
        ("dist/main.js", False),
    ],
)
def test_caches_and_logs_are_left_out_in_any_folder(path: str, left_out: bool) -> None:
    assert is_left_out(path) is left_out


def test_only_folders_in_the_root_are_build_products() -> None:
    assert is_build_output("dist/a.js")
    assert is_build_output("build/")
    for path in ("src/build/a.py", "dist", "distribution/a"):
        assert not is_build_output(path)
