"""The names of the installation's categories."""

from __future__ import annotations

import pytest

from fyke.domain.catalog.categories import Categories
from fyke.errors import InvalidRequest
from fyke.settings import Settings


def test_names_are_found_by_number_and_listed_in_order() -> None:
    categories = Categories(["56:Maps", " 3 : Shops "])
    assert categories.all == {56: "Maps", 3: "Shops"}
    assert (categories.name(3), categories.name(4)) == ("Shops", "Category 4")
    assert Categories().name(1) == "Websites"


@pytest.mark.parametrize("entry", ["Maps", "x:Maps", "3:", "0:None", "-1:No", f"1:{'x' * 41}"])
def test_an_invalid_entry_is_refused(entry: str) -> None:
    with pytest.raises(InvalidRequest, match="categories"):
        Categories([entry])
    with pytest.raises(ValueError, match="with a colon between them"):
        Settings(categories=(entry,))


def test_a_setting_may_have_several_categories() -> None:
    assert Settings(categories="3:Shops, 56:Maps").categories == ("3:Shops", "56:Maps")  # type: ignore[arg-type]  # as it comes from the environment
