"""The number of examples of a property test: few in the fast suite, a share of them in the ordinary
suite, otherwise all.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

WANTED = os.environ.get("TEST_EXAMPLES", "")  # ``few``, ``all``, or empty for the share
FEW = 5
# for properties without a number
settings.register_profile("few", max_examples=2 * FEW, deadline=None)
settings.register_profile("share", max_examples=40, deadline=None)
settings.register_profile("all", max_examples=100, deadline=None)
settings.load_profile(WANTED or "share")


def examples(share: int, whole: int = 0, **more: Any) -> settings:
    """Settings for ``@given``, without a deadline unless ``more`` has one. ``whole`` is the number
    in the whole suite, ``share`` by default.
    """
    count = {"few": min(share, max(FEW, share // 12)), "all": whole or share}.get(WANTED, share)
    return settings(**{"max_examples": count, "deadline": None, **more})
