"""The columns of ``fyke run results`` in the terminal."""

from __future__ import annotations

import pytest

from fyke.cli.run_results import _keys
from fyke.model.results import Header

ROW = {"title": "x", "link": "y", "__coreclaw_data_id__": "z"}
NAMED = [Header("Name", "name", "text"), Header("Link", "link", "text")]


@pytest.mark.parametrize(
    ("headers", "keys"),
    [(NAMED, ["name", "link", "title"]), ([], ["title", "link"])],
)
def test_undeclared_keys_follow_the_declared_ones(headers: list[Header], keys: list[str]) -> None:
    assert _keys(headers, [ROW]) == keys


def test_a_row_with_only_its_id_shows_the_id() -> None:
    assert _keys([], [{"__coreclaw_data_id__": "z"}]) == ["__coreclaw_data_id__"]
