"""How the machines of an installation share the sites that their attempts use.

Names are host names of at most 253 characters. Times are elapsed seconds, so that the clocks of the
machines do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_SHARED_SITES = 128  # that a machine names
MAX_OWN_PAUSES = 32  # that a machine names
MAX_PAUSES = 64  # of other machines, that a machine gets
MAX_PAUSE_NUMBER = 20
USED_SECONDS = 60.0  # for so long after its last connection a machine uses a site


@dataclass(frozen=True, slots=True)
class SitePause:
    """No connection to a site starts for these seconds, because it answered ``status`` (429 or
    503). ``number`` is how many pauses have followed each other, which decides their length.
    """

    site: str
    seconds: float
    number: int = 1
    status: int = 429


@dataclass(frozen=True, slots=True)
class SiteUse:
    """The sites that a machine uses, and the pauses that began there. ``more``: it uses others too,
    which it does not name.
    """

    sites: tuple[str, ...] = ()
    more: bool = False
    pauses: tuple[SitePause, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.sites or self.more or self.pauses)


@dataclass(frozen=True, slots=True)
class SiteShares:
    """How many machines share a site: ``sharers`` for those in it, ``machines`` for all others.
    ``pauses`` began on other machines; those that matter most come first.
    """

    machines: int = 1
    sharers: Mapping[str, int] = field(default_factory=dict)
    pauses: tuple[SitePause, ...] = ()

    def of(self, site: str) -> int:
        """By how much the limits of a site are divided."""
        return self.sharers.get(site, self.machines)
