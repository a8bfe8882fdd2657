from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fyke.console.site_bars import WIDTH, drawn, largest
from fyke.model.attempt import SiteTraffic


def parts_of(svg: str) -> list[tuple[str, float, float]]:
    """(class, left, width) of each part."""
    found = re.findall(r'class="(\w+)" d="M([\d.]+) [\d.]+h([\d.]+)', svg)
    return [(name, float(left), float(width)) for name, left, width in found]


def test_bars_are_as_long_as_the_share_of_the_largest_site() -> None:
    small, large = SiteTraffic("a", requests=25), SiteTraffic("b", requests=60, failures=40)
    most = largest([small, large])
    assert most == 100
    assert parts_of(drawn(small, most)) == [("good", 0.0, 25.4)]
    assert parts_of(drawn(large, most)) == [("good", 0.0, 59.4), ("bad", 59.8, 39.8)]


def test_what_failed_and_what_was_refused_differ_in_form() -> None:
    svg = drawn(SiteTraffic("a", requests=1, failures=1, refused=1), 3)
    assert re.findall(r"v([\d.]+)h", svg) == ["8", "5", "7"]
    assert "<title>Refused: 1</title>" in svg


def test_without_sites_there_is_no_largest() -> None:
    assert largest([]) == 0


@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=3).filter(any))
def test_a_part_is_seen_however_small_it_is_and_none_is_outside(numbers: list[int]) -> None:
    site = SiteTraffic("a", requests=numbers[0], failures=numbers[1], refused=numbers[2])
    parts = parts_of(drawn(site, largest([site])))
    assert len(parts) == sum(map(bool, numbers))
    assert all(width >= 0.5 and left + width <= WIDTH + 0.1 for _name, left, width in parts)
