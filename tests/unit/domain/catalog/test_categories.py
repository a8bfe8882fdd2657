"""What the installation calls its categories."""

from __future__ import annotations

import pytest

from fyke.domain.catalog.categories import Categories
from fyke.errors import InvalidRequest


def test_names_are_found_by_number_and_kept_in_order() -> None:
    categories = Categories(["56:Maps", " 3 : Shops "])
    assert categories.all == {56: "Maps", 3: "Shops"}
    assert (categories.name(3), categories.name(4)) == ("Shops", "Category 4")
    assert Categories().name(1) == "Websites"


@pytest.mark.parametrize("entry", ["Maps", "x:Maps", "3:", "0:None", "-1:No", f"1:{'x' * 41}"])
def test_an_entry_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(InvalidRequest, match="categories"):
        Categories([entry])
