"""What belongs to the page of one run: the curve of its use, its sites, and links for others."""

from __future__ import annotations

from typing import Protocol

from fyke.contracts.egress import SiteTraffic
from fyke.model.run import SampleSpan, Share, UsageSample


class SampleStore(Protocol):
    """Points of the curve of what runs use. Whoever adds holds ``runs.lock``."""

    def span(self, run_id: str) -> SampleSpan: ...
    def measure(self, run_id: str, at: int) -> UsageSample:
        """What the attempts of the run have used, as last reported."""
        ...

    def add(self, sample: UsageSample) -> None: ...
    def thin(self, run_id: str) -> None:
        """Remove every second point, never the first."""
        ...

    def of_run(self, run_id: str) -> list[UsageSample]:
        """In order of time."""
        ...


class SiteStore(Protocol):
    """Traffic of runs by site; see ``domain.runs.sites``, which adds it up."""

    def report(self, attempt_id: str, run_id: str, sites: tuple[SiteTraffic, ...]) -> None:
        """What a living attempt has come to so far, instead of what it reported before."""
        ...

    def take(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        """What an attempt reported last, which is forgotten with this; empty for nothing."""
        ...

    def living(self, run_id: str) -> list[tuple[SiteTraffic, ...]]:
        """What is reported and not taken yet, attempt by attempt."""
        ...

    def put(self, run_id: str, site: SiteTraffic) -> None:
        """Write the sum of one site. Whoever does holds ``runs.lock``."""
        ...

    def of_run(self, run_id: str) -> tuple[SiteTraffic, ...]:
        """The sums that were put, by domain."""
        ...


class ShareStore(Protocol):
    """Links under which people without an account may look at one run."""

    def add(self, share: Share) -> None: ...
    def get(self, share_id: str) -> Share | None: ...
    def of_run(self, run_id: str) -> list[Share]:
        """The newest first."""
        ...

    def revoke(self, share_id: str, at: int) -> bool:
        """False when it had been revoked already."""
        ...
