"""Usable and unusable date formats."""

from __future__ import annotations

import pytest

from fyke.domain.workers.date_formats import format_problem


@pytest.mark.parametrize(
    ("format", "problem"),
    [
        ("DD/MM/YYYY", ""),
        ("YYYYMMDD", ""),
        ("DDM YYYY", ""),
        ("D.M.YYYY H:m:s", ""),
        ("YYYY-MM-DD[T]HH:mm:ss.SSS", ""),
        ("%Y-%m-%d|relative", ""),
        ("relative", ""),
        ("someday", ""),
        ("MDHms", "has no separator after M"),
        ("YYYY-MM-D HHm[5]", "has no separator after m"),
        ("M[]D/YYYY", "has no separator after M"),
        ("DMM/YYYY", "has no separator after D"),
        ("DD MMMM YYYY", "names the month twice"),
        ("DD/MM/YYYY D", "names the day twice"),
        ("YY YYYY", "names the year twice"),
        ("D" * 101, "must be text of at most 100 characters"),
        (["YYYY"], "must be text of at most 100 characters"),
    ],
)
def test_ambiguous_formats_have_a_problem(format: object, problem: str) -> None:
    assert format_problem(format) == problem
