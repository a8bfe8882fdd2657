"""What a cell of a spreadsheet can contain, for the formats xlsx and xls.

Cells are typed: text is text, whatever it begins with, and becomes neither formula nor link.
Numbers are numbers as long as a spreadsheet can store them; whole numbers of more than 15 digits
are text, because Excel would replace their last digits by zeros. When a sheet is full the next
one begins, with the header row again.
"""

from __future__ import annotations

from fyke.domain.results.export.values import Number

CELL_CHARACTERS = 32_767  # UTF-16 units, as Excel counts
CUT_MARK = "\u2026[cut]"
_EXACT_BELOW = 10**15
_ZEROS = frozenset("-0.")


def cell_text(text: str) -> str:
    """Cut the text to the limit of a cell, 32,767 UTF-16 units, with a mark."""
    if len(text) * 2 > CELL_CHARACTERS:
        units = text.encode("utf-16-le", "replace")
        if len(units) > CELL_CHARACTERS * 2:
            size = (CELL_CHARACTERS - len(CUT_MARK)) * 2
            text = units[:size].decode("utf-16-le", "ignore") + CUT_MARK
    return text


def cell_number(value: int | Number) -> float | str:
    """Return a number that a spreadsheet stores exactly, else its digits as text."""
    if isinstance(value, int):
        return float(value) if -_EXACT_BELOW < value < _EXACT_BELOW else str(value)
    number = float(value)
    digits = value.lower().partition("e")[0]
    underflow = number == 0 and not _ZEROS.issuperset(digits)
    return str(value) if underflow or abs(number) == float("inf") else number


def header_text(key: str) -> str:
    return cell_text(key.encode("utf-8", "replace").decode())


def sheet_name(number: int) -> str:
    return "Results" if number == 1 else f"Results {number}"
