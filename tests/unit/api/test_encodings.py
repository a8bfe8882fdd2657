from __future__ import annotations

import pytest

from fyke.api.encodings import accepted_encoding

OFFERED = ("zstd", "gzip")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("*", None),
        ("br, deflate", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("zstd; q=0, gzip ; Q = 0.001", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("gzip;q=1.000, *;q=0", "gzip"),
        ("gzip;q=2, zstd;q=x", None),
        ("gzip;q=0.1234", None),
        ("gzip;level=9", None),
        ("x-gzip, gzipped, notzstd", None),
        (",, ,gzip,", "gzip"),
    ],
)
def test_the_preferred_encoding_is_chosen(header: str | None, expected: str | None) -> None:
    assert accepted_encoding(header, OFFERED) == expected


def test_a_very_long_header_is_read_quickly() -> None:
    assert accepted_encoding("gzip;" + " " * 60_000 + "x", OFFERED) is None
    assert accepted_encoding("a" * 60_000 + ",gzip", OFFERED) == "gzip"
