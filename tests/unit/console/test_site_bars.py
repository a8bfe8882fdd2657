from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fyke.console.site_bars import WIDTH, drawn, key, largest, parts_of, swatch
from fyke.model.attempt import SiteTraffic


def drawn_parts(svg: str) -> list[tuple[str, float, float]]:
    """(class, left, width) of each part."""
    found = re.findall(r'class="(\w+)" d="M([\d.]+) [\d.]+h([\d.]+)', svg)
    return [(name, float(left), float(width)) for name, left, width in found]


def site(**counts: Any) -> SiteTraffic:
    return SiteTraffic("a", **counts)


def test_bars_are_as_long_as_the_share_of_the_largest_site() -> None:
    small = site(requests=25, statuses={"200": 20, "204": 5})
    large = site(requests=60, unseen=60, failures=40)
    most = largest([small, large])
    assert most == 100
    assert drawn_parts(drawn(small, most)) == [("good", 0.0, 25.4)]
    assert drawn_parts(drawn(large, most)) == [("unseen", 0.0, 59.4), ("failed", 59.8, 39.8)]


def test_answers_are_parted_by_class_and_the_worse_are_lower() -> None:
    statuses = {"200": 1, "302": 1, "403": 1, "429": 1, "502": 1, "101": 1, "other": 1}
    svg = drawn(site(requests=7, statuses=statuses, failures=1, refused=1), 9)
    assert [name for name, *_ in drawn_parts(svg)] == [
        "good", "moved", "warned", "bad", "rest", "failed", "refused",
    ]  # fmt: skip
    assert re.findall(r"v([\d.]+)h", svg) == ["8", "6.5", "5", "3.5", "8", "2", "7"]
    assert "<title>Rejected (4xx): 2</title>" in svg
    assert "<title>Other answers: 2</title>" in svg


def test_connections_without_a_known_status_are_not_taken_for_answers() -> None:
    counted = {part.label: part.number for part in parts_of(site(requests=9, unseen=2))}
    assert counted["Connected, status not known"] == 7
    assert counted["Answered (2xx)"] == 0
    # one connection of a browser has many answers
    by_browser = parts_of(site(requests=1, statuses={"200": 50}))
    assert sum(part.number for part in by_browser) == 50


def test_the_key_has_the_sums_of_what_is_drawn() -> None:
    parts = key([site(requests=3, statuses={"200": 3}), site(requests=4, unseen=4, refused=2)])
    assert [(part.name, part.number) for part in parts] == [
        ("good", 3), ("unseen", 4), ("refused", 2),
    ]  # fmt: skip
    assert drawn_parts(swatch(parts[1])) == [("unseen", 0.5, 9.0)]
    assert key([]) == []


def test_without_sites_there_is_no_largest() -> None:
    assert largest([]) == 0


@given(st.lists(st.integers(0, 10**9), min_size=5, max_size=5).filter(any))
def test_a_part_is_seen_however_small_it_is_and_none_is_outside(numbers: list[int]) -> None:
    failures, refused, unseen, good, bad = numbers
    one = site(
        requests=unseen + good + bad,
        failures=failures,
        refused=refused,
        unseen=unseen,
        statuses={"200": good, "500": bad},
    )
    parts = drawn_parts(drawn(one, largest([one])))
    assert len(parts) == sum(map(bool, numbers))
    assert all(width >= 0.5 and left + width <= WIDTH + 0.1 for _name, left, width in parts)
