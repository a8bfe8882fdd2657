"""The generated parts of the reference pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

LIB = Path(__file__).parents[3] / "script" / "lib" / "reference"
sys.path.insert(0, str(LIB))

import cli_page  # noqa: E402
import markdown  # noqa: E402
import pages  # noqa: E402
import settings_page  # noqa: E402

from fyke.settings import marks  # noqa: E402


class Documented(BaseModel):
    """A title.

    See docs/how-to/backup.md.
    """

    size_mb: Annotated[int, marks.MEBIBYTES] = Field(default=3, ge=1, le=9, examples=["4"])
    """How large ``it`` is."""

    word: str = Field(default="", examples=["x"])
    """A word."""


class Undocumented(BaseModel):
    """A title."""

    size: int = 1


@pytest.mark.slow
@pytest.mark.parametrize("name", pages.PAGES)
def test_the_pages_are_up_to_date(name: str) -> None:
    page = pages.FOLDER / name
    expected = pages.renew(page, pages.PAGES[name]())
    assert page.read_text(encoding="utf-8") == expected, "run script/docs"


def test_only_the_text_below_the_mark_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Written by hand\n\n{pages.MARK}\nold\n", encoding="utf-8")
    assert pages.renew(page, "new\n") == f"# Written by hand\n\n{pages.MARK}\nnew\n"


def test_a_page_without_the_mark_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Written by hand\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"page\.md"):
        pages.renew(page, "new")


def test_a_stale_page_is_listed_and_then_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "one.md"
    page.write_text(pages.MARK, encoding="utf-8")
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    monkeypatch.setattr(pages, "PAGES", {"one.md": lambda: "new"})
    assert pages.main(["--check"]) == 1
    assert "one.md is stale" in capsys.readouterr().out
    assert page.read_text(encoding="utf-8") == pages.MARK
    assert pages.main([]) == 0
    assert pages.main(["--check"]) == 0


def test_a_setting_has_its_type_bounds_unit_default_and_example() -> None:
    text = "\n".join(settings_page.section(Documented))
    assert "Type: whole number from 1 to 9; unit: MiB. Default: `3`." in text
    assert "How large `it` is." in text
    assert "FYKE_SIZE_MB=4" in text
    assert "See [Backup and restore](../how-to/backup.md)." in text


def test_a_setting_without_a_description_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"Undocumented\.size"):
        list(settings_page.section(Undocumented))


def test_every_setting_is_in_a_group() -> None:
    lines = settings_page.text().splitlines()
    assert {f"### `{name}`" for name in settings_page.Settings.model_fields} == {
        line for line in lines if line.startswith("### ")
    }


def test_hidden_commands_are_left_out() -> None:
    text = cli_page.text()
    assert "## fyke run start" in text
    assert "local-work" not in text


def test_the_text_of_a_cell_cannot_break_its_table() -> None:
    lines = list(markdown.table(("a", "b"), [("x|y", "two\nlines")]))
    assert lines[2] == "| x\\|y | two lines |"
    assert list(markdown.table(("a",), [])) == []
