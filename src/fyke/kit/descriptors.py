"""The number of files that a process may have open."""

from __future__ import annotations

import resource


def raise_limit() -> int:
    """Raise the soft limit of this process to the hard limit. Return that limit,
    ``resource.RLIM_INFINITY`` where there is none.
    """
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    return hard_limit
