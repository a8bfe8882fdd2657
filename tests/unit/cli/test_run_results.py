"""The columns of ``fyke run results`` in the terminal."""

from __future__ import annotations

import pytest

from fyke.cli.errors import CommandFailed
from fyke.cli.run_results import _format, _keys
from fyke.model.results import Header

ROW = {"title": "x", "link": "y", "__coreclaw_data_id__": "z"}
NAMED = [Header("Name", "name", "text"), Header("Link", "link", "text")]


@pytest.mark.parametrize(
    ("headers", "keys"),
    [(NAMED, ["name", "link", "title"]), ([], ["title", "link"])],
)
def test_undeclared_keys_follow_the_declared_ones(headers: list[Header], keys: list[str]) -> None:
    assert _keys(headers, [ROW]) == keys


@pytest.mark.parametrize(
    ("format", "output", "problem"),
    [
        ("", "x.txt", "--output x.txt: its suffix is no format; choose one with --format: csv, "),
        ("txt", "x.csv", "--format txt: must be one of csv, "),
    ],
)
def test_an_unknown_format_names_the_option_that_chooses_it(
    format: str, output: str, problem: str
) -> None:
    with pytest.raises(CommandFailed, match=f"^{problem}"):
        _format(format, output)


def test_a_row_with_only_its_id_shows_the_id() -> None:
    assert _keys([], [{"__coreclaw_data_id__": "z"}]) == ["__coreclaw_data_id__"]
