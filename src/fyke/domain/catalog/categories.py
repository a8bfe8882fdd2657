"""The names of categories. On the wire they are numbers, and what each one means is for the
installation to say (setting ``categories``); a number without a name is shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from fyke.errors import InvalidRequest

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
_MAX_NAME = 40


class Categories:
    """Names by number, in the order in which they are offered."""

    def __init__(self, entries: Iterable[str] = DEFAULT) -> None:
        """``entries`` are ``number:name``. Raise ``InvalidRequest`` for anything else."""
        self._names = dict(_parsed(entry) for entry in entries)

    def name(self, number: int) -> str:
        return self._names.get(number, f"Category {number}")

    @property
    def all(self) -> dict[int, str]:
        return dict(self._names)


def _parsed(entry: str) -> tuple[int, str]:
    number, _, name = entry.partition(":")
    if not number.strip().isdecimal() or len(number) > 9 or not int(number):
        raise _refused(entry)
    if not name.strip() or len(name) > _MAX_NAME:
        raise _refused(entry)
    return int(number), name.strip()


def _refused(entry: str) -> InvalidRequest:
    return InvalidRequest(
        f"categories: {entry[:60]!r} must be a number and a name of at most {_MAX_NAME} "
        "characters with a colon between them, such as 3:Shops"
    )
