"""What belongs to the page of one run: the curve of its use, and links for others."""

from __future__ import annotations

from typing import Protocol

from fyke.domain.runs.sample import Sample, Span
from fyke.domain.runs.share import Share


class SampleStore(Protocol):
    """Points of the curve of what runs use. Whoever adds holds ``runs.lock``."""

    def span(self, run_id: str) -> Span: ...
    def measure(self, run_id: str, at: int) -> Sample:
        """What the attempts of the run have used, as last reported."""
        ...

    def add(self, sample: Sample) -> None: ...
    def thin(self, run_id: str) -> None:
        """Remove every second point, never the first."""
        ...

    def of_run(self, run_id: str) -> list[Sample]:
        """In order of time."""
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
