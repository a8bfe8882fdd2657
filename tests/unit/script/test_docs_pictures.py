"""The check of the documentation's pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

LIB = Path(__file__).parents[3] / "script" / "lib" / "pictures"
sys.path.insert(0, str(LIB))

import docs_pictures  # noqa: E402
from docs_pictures import DocsPicture  # noqa: E402

SHOWN = """# A page

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="docs/pictures/one-dark.webp">
  <img alt="What it shows" src="docs/pictures/one-light.webp" width="880">
</picture>
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "docs" / "pictures"
    folder.mkdir(parents=True)
    for theme in docs_pictures.THEMES:
        (folder / f"one-{theme}.webp").write_bytes(b"x" * 100)
    (tmp_path / "README.md").write_text(SHOWN, encoding="utf-8")
    return tmp_path


def check(root: Path, most: int = 200) -> int:
    return docs_pictures.check(root, [DocsPicture("one", "/")], most)


def test_the_pictures_of_this_repository_are_complete_and_small() -> None:
    assert docs_pictures.check() == 0


def test_pictures_that_are_made_and_shown_are_listed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(root) == 0
    assert "docs/pictures/one-dark.webp: 100 bytes, in README.md" in capsys.readouterr().out


def test_a_missing_file_is_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "docs/pictures/one-dark.webp").unlink()
    assert check(root) == 1
    assert "one-dark.webp: missing" in capsys.readouterr().out


def test_a_file_that_no_command_makes_is_found(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "docs/pictures/two.png").write_bytes(b"")
    assert check(root) == 1
    assert "two.png: script/pictures does not make it" in capsys.readouterr().out


def test_a_page_with_a_picture_that_is_not_made_is_found(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "docs" / "a.md").write_text(SHOWN.replace("docs/", ""), encoding="utf-8")
    (root / "README.md").write_text(SHOWN.replace("one", "other"), encoding="utf-8")
    assert check(root) == 1
    assert "other-dark.webp: script/pictures does not make it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("What it shows", "", "a picture without alt"),
        ("one-light", "one-dark", "a dark source, then the light one"),
        (SHOWN, "", "no page shows it"),
    ],
)
def test_a_picture_that_is_shown_wrongly_is_found(
    root: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, fault: str
) -> None:
    (root / "README.md").write_text(SHOWN.replace(old, new), encoding="utf-8")
    assert check(root) == 1
    assert fault in capsys.readouterr().out


def test_pictures_that_are_too_large_are_found(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(root, 199) == 1
    assert "200 bytes, more than 199" in capsys.readouterr().out
