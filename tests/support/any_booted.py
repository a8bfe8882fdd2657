"""The platform of tests that must pass on each kind of installation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from support.booted import Booted, booted
from support.many_machines import many_machines_in_s3
from support.tools import many_machines_wanted, two_servers_wanted
from support.two_servers import booted_pair


@contextlib.contextmanager
def any_booted(**settings: str) -> Iterator[Booted]:
    """One machine; two servers when ``two_servers_wanted``; an installation whose runs go to three
    nodes when ``many_machines_wanted``.
    """
    if many_machines_wanted():
        with many_machines_in_s3(**settings) as machines:
            yield machines
        return
    with (booted_pair if two_servers_wanted() else booted)(**settings) as platform:
        yield platform
