"""The number of examples of a property test: few in the fast suite, some in the ordinary suite, all
in the whole suite.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

MODE = os.environ.get("TEST_EXAMPLES", "")  # ``few``, ``all``, or empty for the ordinary suite
FEW = 5
# for properties that name no number
settings.register_profile("few", max_examples=2 * FEW, deadline=None)
settings.register_profile("share", max_examples=40, deadline=None)
settings.register_profile("all", max_examples=100, deadline=None)
settings.load_profile(MODE or "share")


def examples(share: int, whole: int = 0, **options: Any) -> settings:
    """Settings for ``@given``, without a deadline unless ``options`` has one. ``share`` is the
    number of examples in the ordinary suite, ``whole`` that in the whole suite if it differs.
    """
    count = {"few": min(share, max(FEW, share // 12)), "all": whole or share}.get(MODE, share)
    return settings(**{"max_examples": count, "deadline": None, **options})
