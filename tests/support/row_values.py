"""Generated rows, fields and filter values, for tests of sorting and filtering."""

from __future__ import annotations

from hypothesis import strategies as st

from support import reference_order

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    [
        "",
        "a",
        "A",
        "é",
        "e\u0301",
        "\u0000",
        "\u0000a",
        "😀",
        "\uffff",
        "10",
        "9",
        "x" * 600,
        "x" * 601,
    ]
)
DIGITS = st.sampled_from(
    [
        "0",
        "-0",
        "0.0",
        "1",
        "1.0",
        "10e-1",
        "-1",
        "9",
        "10",
        "1e2",
        "100",
        "9007199254740993",
        "9007199254740992",
        "123456789012345678901234567890123456789012",
        "-1.5",
        "-15e-1",
        "1e-300",
        "1e300",
        "-1e300",
        "0.1",
        "0.10000000000000000000000001",
        "-12",
        "-123",
        "12",
        "123",
        "0.1000000000000000055",
        "0.09999999999999999999",
        "0.30000000000000004",
        "0.30000000000000002",
        "-0.1000000000000000055",
        "1152921504606846976",
        "1152921504606846977",
        "1.152921504606847e18",
        "5e-324",
        "4e-324",
        "1e-400",
        "-1e-400",
        "1e400",
        "2e400",
        "-1e400",
    ]
)
NUMBER = (
    DIGITS.map(reference_order.Number)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False).map(repr).map(reference_order.Number)
)
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(["a", "b", "a.b", "c", '"', "\u0001", "é"])
ROW = st.dictionaries(NAMES, VALUE | st.dictionaries(NAMES, VALUE, max_size=2), max_size=4)
FIELD = st.sampled_from(["a", "b", "a.b", "a.b.c", "c", '"', "é", "\u0001.b"])
WANTED = st.sampled_from(
    [
        "1",
        "1.0",
        "10",
        "9",
        "a",
        "A",
        "",
        "null",
        "true",
        "false",
        '"1"',
        '"',
        '"a',
        "-0",
        "1e2",
        "01",
        "é",
        "x",
        " 1",
        "\u0000",
        "0.1",
        "0.1000000000000000055",
        "9007199254740992",
        "1152921504606846976",
        "-1e400",
        "1e-400",
        "[",
        "[1]",
    ]
)
