"""How many examples a property is tried with: a share in the ordinary suite, else all of them."""

from __future__ import annotations

import os

from hypothesis import settings

WANTED = "TEST_EXAMPLES"  # in the environment: ``all`` when the long trials are run


def examples(share: int, whole: int) -> settings:
    """Settings for ``@given``, with no limit of time for one example."""
    everything = os.environ.get(WANTED) == "all"
    return settings(max_examples=whole if everything else share, deadline=None)
