"""Differences between the declarations of two versions: their sites, builds and browsers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.model.worker import BrowserNeed, Version


class DeclaredKind(StrEnum):
    """The kind of a change."""

    ADDED = "added"  # a domain that it may reach now
    REMOVED = "removed"
    OPENED = "opened"  # it no longer declares domains, so it may reach every public site
    CLOSED = "closed"  # it declares domains now, so it reaches no others
    BUILDS = "builds"
    WHEELS = "wheels"  # ready-made packages only
    BROWSER = "browser"  # whether it uses one


_WIDER = frozenset({DeclaredKind.ADDED, DeclaredKind.OPENED, DeclaredKind.BUILDS})


@dataclass(frozen=True, slots=True)
class DeclaredChange:
    """One change. ``domain`` is its domain, for ``CLOSED`` all domains with commas, else empty.
    ``browser`` is the later need of a browser, for ``BROWSER``.
    """

    kind: DeclaredKind
    domain: str = ""
    browser: BrowserNeed = BrowserNeed.UNKNOWN

    @property
    def wider(self) -> bool:
        """Whether the later version may do more, which a reviewer has to check."""
        return self.kind in _WIDER


def declared_changes(before: Version, after: Version) -> tuple[DeclaredChange, ...]:
    """The changes from ``before`` to ``after``, domains in alphabetical order."""
    changes = _egress_changes(before.egress, after.egress)
    if before.builds != after.builds:
        changes.append(DeclaredChange(DeclaredKind.BUILDS if after.builds else DeclaredKind.WHEELS))
    if before.browser != after.browser:
        changes.append(DeclaredChange(DeclaredKind.BROWSER, browser=after.browser))
    return tuple(changes)


def _egress_changes(
    before: tuple[str, ...] | None, after: tuple[str, ...] | None
) -> list[DeclaredChange]:
    if before is None and after is None:
        return []
    if after is None:
        return [DeclaredChange(DeclaredKind.OPENED)]
    if before is None:
        return [DeclaredChange(DeclaredKind.CLOSED, ", ".join(sorted(after)))]
    return [
        *(DeclaredChange(DeclaredKind.ADDED, d) for d in sorted({*after} - {*before})),
        *(DeclaredChange(DeclaredKind.REMOVED, d) for d in sorted({*before} - {*after})),
    ]
