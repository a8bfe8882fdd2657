from __future__ import annotations

import pytest

from fyke.api.ranges import Unsatisfiable, byte_range, is_current


@pytest.mark.parametrize(
    ("header", "expected"),
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
def test_byte_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == expected


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=100-", 100),
        ("bytes=100-200", 100),
        ("bytes=-0", 100),
        ("bytes=0-", 0),
        ("bytes=-5", 0),
        ("bytes=" + "9" * 5000 + "-", 100),
    ],
)
def test_a_range_after_the_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        byte_range(header, size)


def test_if_range_accepts_only_the_same_tag() -> None:
    assert is_current(None, '"a"') and is_current(' "a" ', '"a"')
    for other in ('"b"', 'W/"a"', "*", "Tue, 24 Nov 2026 19:00:00 GMT", '"a", "b"'):
        assert not is_current(other, '"a"')
