"""How often a site answered with each HTTP status, such as "200"."""

from __future__ import annotations

from collections.abc import Mapping

MAX_STATUSES = 12  # of a site; further ones are counted as ``OTHER_STATUS``
OTHER_STATUS = "other"


def is_status(number: int) -> bool:
    """Whether HTTP has this status."""
    return 100 <= number <= 599


def sum_statuses(stored: Mapping[str, int], added: Mapping[str, int]) -> dict[str, int]:
    """The sums of at most ``MAX_STATUSES`` statuses and ``OTHER_STATUS``; stored ones first."""
    sums = dict(stored)
    for status, count in added.items():
        has_space = len(sums.keys() - {OTHER_STATUS}) < MAX_STATUSES
        name = status if status in sums or has_space else OTHER_STATUS
        sums[name] = sums.get(name, 0) + count
    return sums
