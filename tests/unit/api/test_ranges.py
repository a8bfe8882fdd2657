from __future__ import annotations

import pytest

from fyke.api.ranges import Unsatisfiable, still, stretch


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("BYTES = 99 - 99 ", (99, 100)),
        ("bytes=10-1000", (10, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=0-" + "9" * 5000, (0, 100)),
        ("bytes=00000000000000000000005-", (5, 100)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("rows=0-1", None),
        ("bytes=a-b", None),
        ("bytes 0-1", None),
    ],
)
def test_stretches(given: str | None, found: tuple[int, int] | None) -> None:
    assert stretch(given, 100) == found


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("bytes=100-", 100),
        ("bytes=100-200", 100),
        ("bytes=-0", 100),
        ("bytes=0-", 0),
        ("bytes=-5", 0),
        ("bytes=" + "9" * 5000 + "-", 100),
    ],
)
def test_a_stretch_behind_the_end_is_refused(given: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        stretch(given, size)


def test_if_range_takes_the_very_tag_and_nothing_else() -> None:
    assert still(None, '"a"') and still(' "a" ', '"a"')
    for other in ('"b"', 'W/"a"', "*", "Tue, 24 Nov 2026 19:00:00 GMT", '"a", "b"'):
        assert not still(other, '"a"')
