"""The number of files that a process may have open."""

from __future__ import annotations

import resource


def raise_limit() -> int:
    """Raise the soft limit of this process, which is made for interactive programs, to the hard
    one. Return it, ``resource.RLIM_INFINITY`` where there is none.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
