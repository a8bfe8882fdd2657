"""Dates of the form: the formats that are used, and dates parsed and written in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.forms import dates
from fyke.domain.workers import date_formats
from support.hangs import no_hang

TOKENS = ("YYYY", "YY", "MM", "M", "DD", "D", "HH", "H", "mm", "m", "ss", "s", "SSS")


@pytest.mark.parametrize("format", ["MDHms" * 20, "D/M/YYYY D", "YYYYMD"])
def test_an_ambiguous_format_is_not_used(format: str) -> None:
    shown = dates.rule_of({"format": format, "valueFormat": "YYYY-MM-DD"})
    assert shown == dates.DateRule("YYYY-MM-DD", "YYYY-MM-DD", "date", relative=False)
    assert dates.rule_of({"valueFormat": format}).control == "text"
    assert dates.rule_of({"format": format}).control == "text"


@pytest.mark.parametrize("text", ["1" * 99 + "x", "1" * 150, "1" * 1_000_000, "12:" * 60])
def test_hostile_dates_are_parsed_in_bounded_time(text: str) -> None:
    with no_hang():
        for form in ("MDHms" * 20, "D" * 100, "m:" * 50):
            assert dates.parse(text, form) is None


@pytest.mark.parametrize(
    ("format", "text", "parts"),
    [
        ("D.M.YYYY", "4.12.2026", {"day": 4, "month": 12, "year": 2026}),
        ("D.M.YYYY", "4.12.2026 ", None),
        ("D.M.YYYY", "4.12.202", None),
        ("D.M.YYYY", "04.3.2026", {"day": 4, "month": 3, "year": 2026}),
        ("D.M.YYYY", ".3.2026", None),
        ("D.M.YYYY", "٤.3.2026", None),
        ("YYYYMMDD", "20260230", None),
        ("YY[ y]", "26 y", {"year": 2026}),
    ],
)
def test_a_date_is_parsed_by_its_format(
    format: str, text: str, parts: dict[str, int] | None
) -> None:
    assert dates.parse(text, format) == parts


@given(
    tokens=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=7, unique_by=lambda t: t[0]),
    separator=st.sampled_from(["-", "/", " ", "[at 5]", "."]),
)
def test_a_written_date_is_parsed_to_the_same_text(tokens: list[str], separator: str) -> None:
    form = separator.join(tokens)
    moment = {"year": 2026, "month": 11, "day": 3, "hour": 4, "minute": 30, "second": 5}
    written = dates.write(moment, form)
    read = dates.parse(written, form)
    assert date_formats.format_problem(form) == ""
    assert read is not None
    assert dates.write(read, form) == written
