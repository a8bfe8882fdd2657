"""The names of categories.

On the wire categories are numbers; the setting ``categories`` names them. A number without a name
is shown as ``Category N``.
"""

from __future__ import annotations

from collections.abc import Iterable

from fyke.errors import InvalidRequest
from fyke.kit.category_names import parse_category

DEFAULT = (
    "1:Websites",
    "2:Search engines",
    "3:Shops and prices",
    "4:Social networks",
    "5:Places and maps",
    "6:News",
    "7:Jobs",
    "8:Property",
    "9:Travel",
    "10:Companies and contacts",
    "11:Video and music",
    "12:Science and data",
    "13:Tools",
)


class Categories:
    """Names by number, in the order in which they are offered."""

    def __init__(self, entries: Iterable[str] = DEFAULT) -> None:
        """``entries``: texts ``number:name``. Raise ``InvalidRequest`` for other texts."""
        try:
            self._names = dict(parse_category(entry) for entry in entries)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None

    def name(self, number: int) -> str:
        return self._names.get(number, f"Category {number}")

    @property
    def all(self) -> dict[int, str]:
        return dict(self._names)
