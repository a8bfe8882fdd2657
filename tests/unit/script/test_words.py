"""The check of words finds them in text and in names that are defined."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

LIB = Path(__file__).parents[3] / "script" / "lib"
sys.path.insert(0, str(LIB))

import class_names  # noqa: E402
import words  # noqa: E402


def found(text: str, path: str = "src/fyke/x.py") -> list[tuple[int, str]]:
    return sorted((item.line, item.word) for item in words.check_text(path, text))


def test_python_is_searched_in_docstrings_comments_literals_and_names() -> None:
    text = '''"""For whoever
reads on."""

TOLD = 1  # mends nothing
def spared(x):
    wish = f"say {x['bell']} that it has begun"
    raise ValueError("the way "
                     "out is shut")

class WayOutItem: ...
'''
    assert found(text) == [
        (1, "whoever"),
        (4, "TOLD"),
        (4, "mends"),
        (5, "spared"),
        (6, "begun"),
        (6, "wish"),
        (7, "way out"),
        (10, "WayOutItem"),
    ]


def test_a_phrase_is_found_across_the_lines_of_a_comment() -> None:
    assert found("x = 1\n# it is tried again\n# and again\n") == [(2, "again and again")]


@pytest.mark.parametrize(
    "text",
    [
        "whoever.read(house)\n",  # used, not defined
        'x = {"door": 1, "bell": 2}\n',  # keys of the wire
        '"""Renamed from `House` and ``open_house``."""\n',
        'QUERY = "SELECT told FROM door WHERE x = 1"\n',
        "def f(checkbox, text_box, wall_clock, wall_ms): ...\n",
        "# a search box, the wall-clock time, a ring buffer, the house style\n",
        "# This holds the lock.\n",
        "# The hold on the balance is settled; a hold bounds what a run costs.\n",
        "# the thundering herd\n",
        "class CommitPlan: ...\n",
        "threshold = household = doorway = boxing = 1\n",
    ],
)
def test_ordinary_uses_are_allowed(text: str) -> None:
    assert found(text) == []


def test_some_words_are_refused_only_as_a_whole_class_name() -> None:
    assert found("class Plan: ...\nclass Tools: ...\nplan = tools = 1\n") == [
        (1, "Plan"),
        (2, "Tools"),
    ]


def test_some_rules_apply_to_some_folders() -> None:
    assert found("class Plan: ...\n", "src/fyke/domain/accounts/plans.py") == []
    assert found("cell = 1\n", "src/fyke/console/table.py") == []
    assert found("cell = 1\n", "src/fyke/sandbox/process.py") == [(1, "cell")]


def test_names_of_tests_are_checked_as_sentences() -> None:
    text = "async def test_nobody_is_told(): ...\ndef test_a_door(): ...\ndef test_ok(): ...\n"
    assert found(text) == [(1, "test_nobody_is_told"), (2, "test_a_door")]


def test_keys_of_several_words_are_checked_as_names() -> None:
    assert found('log.info("site_spared", on_wish=1)\n') == [(1, "on_wish"), (1, "site_spared")]


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("src/fyke/app/house.py", ["house"]),
        ("src/fyke/api/own/__init__.py", ["own"]),
        ("src/fyke/cli/words.py", ["words"]),
        ("tests/unit/cli/test_guard.py", ["guard"]),
        ("src/fyke/cli/vocabulary.py", []),
        (
            "docs/decisions/0017-archives-are-refused-not-mended.md",
            ["0017-archives-are-refused-not-mended"],
        ),
    ],
)
def test_names_of_files_are_checked(path: str, refused: list[str]) -> None:
    assert [word for _, word in found("", path)] == refused


def test_templates_are_searched_in_visible_text_comments_and_names() -> None:
    text = """{# for whoever #}
<p class="box door" title="Mend it">A <b>book</b>.</p>
{% set wish = 1 %}{{ head(_("Say that it has begun"), walls) }}
<script>const door = "The door is shut";</script>
"""
    assert found(text, "src/fyke/console/templates/x.html") == [
        (1, "whoever"),
        (2, "mend"),
        (3, "begun"),
        (3, "wish"),
    ]


def test_pages_are_searched_without_their_code() -> None:
    text = """# The door

Write to somebody, not `nobody`.

```python
house = door
```
"""
    assert found(text, "docs/x.md") == [(1, "door"), (3, "somebody")]


def test_scripts_and_other_languages_are_searched_in_comments_and_texts() -> None:
    shell = "#!/bin/bash\n# mend it\ntold=1\ncat <<'HELP'\nThe house of all.\nHELP\n"
    assert found(shell, "script/x") == [(2, "mend"), (5, "house")]
    script = '// for everybody\nconst wish = "the way out";\n'
    assert found(script, "x/static/x.js") == [
        (1, "everybody"),
        (2, "way out"),
        (2, "wish"),
    ]
    assert found("/* mended */\n.box { color: red }\n", "x/x.css") == [(1, "mended")]
    assert found('door = "x"  # a door\n', "x.toml") == [(1, "door")]


def test_a_finding_has_file_line_word_and_replacement() -> None:
    finding = next(words.check_text("src/fyke/x.py", "\n# begun\n"))
    assert str(finding) == "src/fyke/x.py:2: begun -> started"


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("src/fyke/domain/runs/usage/x.py", "src/fyke/domain/runs"),
        ("src/fyke/api/v2/x.py", "src/fyke/api"),
        ("tests/unit/api/test_x.py", "tests/unit"),
        ("README.md", "README.md"),
    ],
)
def test_findings_are_counted_by_area(path: str, area: str) -> None:
    assert words.area_of(path) == area


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one refused word, in which the command runs."""
    (tmp_path / "src" / "fyke").mkdir(parents=True)
    (tmp_path / "src" / "fyke" / "good.py").write_text("# started\n")
    (tmp_path / "src" / "bad.py").write_text("# begun\n")
    monkeypatch.setattr(words, "ROOT", tmp_path)
    monkeypatch.setattr(words, "CLEAN", ("src/fyke",))
    monkeypatch.setattr(class_names, "WITHOUT_REASON", 0)
    monkeypatch.setattr(class_names, "REASONS", {})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["words.py", *arguments])
    return words.main()


@pytest.mark.parametrize(
    ("arguments", "status", "lines"),
    [
        ((), 0, []),
        (("src/fyke",), 0, []),
        (("src",), 1, ["src/bad.py:1: begun -> started"]),
        ((".",), 1, ["src/bad.py:1: begun -> started"]),
        (("--count",), 0, ["1 src", "0 src/fyke", "1 in total"]),
        (("--classes",), 0, ["0 names of 0 classes"]),
    ],
)
def test_the_command_lists_and_counts(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    status: int,
    lines: list[str],
) -> None:
    assert run(monkeypatch, *arguments) == status
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == lines


def test_without_a_path_refused_words_and_shared_class_names_fail(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "src" / "fyke" / "good.py").write_text("class A: ...  # begun\nclass A: ...\n")
    monkeypatch.setattr(words, "CLEAN", ("src/fyke", "src/gone"))
    assert run(monkeypatch) == 1
    gone, word, names = capsys.readouterr().out.splitlines()
    assert gone == "src/gone: does not exist; change CLEAN in script/lib/words.py"
    assert word == "src/fyke/good.py:1: begun -> started"
    assert names.startswith("1 class names are shared without a reason")


def test_a_path_that_does_not_exist_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="no such file or folder of the project"):
        run(monkeypatch, "src/none.py")


def test_shared_class_names_are_found_with_their_places(tmp_path: Path) -> None:
    source = tmp_path / "src" / "fyke"
    source.mkdir(parents=True)
    (source / "a.py").write_text("class One: ...\nclass Two: ...\n")
    (source / "b.py").write_text("\nclass One:\n    class Two: ...\n")
    (source / "x_pb2.py").write_text("class Three: ...\nclass Three: ...\n")
    assert class_names.shared(tmp_path) == {
        "One": ["src/fyke/a.py:1", "src/fyke/b.py:2"],
        "Two": ["src/fyke/a.py:2", "src/fyke/b.py:3"],
    }


def test_a_shared_class_name_needs_a_reason() -> None:
    shared = {"Run": ["a:1", "b:1"], "Page": ["a:2", "b:2"]}
    assert list(class_names.faults(shared, {"Run": "x", "Page": "y"}, 0)) == []
    assert list(class_names.faults(shared, {"Run": "x"}, 1)) == []
    (fault,) = class_names.faults(shared, {"Run": "x"}, 0)
    assert fault.startswith("1 class names are shared without a reason, 0 are allowed")
    (fault,) = class_names.faults({}, {"Run": "x"}, 0)
    assert fault == "Run: only one class has this name now; remove it from REASONS"


def test_at_most_twenty_class_names_are_shared() -> None:
    shared = {f"Name{number}": ["a:1", "b:1"] for number in range(21)}
    (fault,) = class_names.faults(shared, dict.fromkeys(shared, "a reason"), 0)
    assert fault.startswith("21 names in REASONS; at most 20")
