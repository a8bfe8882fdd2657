"""Differences between what two versions declare: their sites, and whether they build."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.model.worker import Version


class DeclaredKind(StrEnum):
    """What has changed."""

    ADDED = "added"  # a domain that may be reached now
    REMOVED = "removed"
    OPENED = "opened"  # it declares no domains any more, and may reach every public site
    CLOSED = "closed"  # it declares domains now, and reaches no others
    BUILDS = "builds"
    WHEELS = "wheels"  # ready-made packages only


_WIDER = frozenset({DeclaredKind.ADDED, DeclaredKind.OPENED, DeclaredKind.BUILDS})


@dataclass(frozen=True, slots=True)
class DeclaredChange:
    """One change; ``domain`` is empty where it is not about one, and names all of a new list."""

    kind: DeclaredKind
    domain: str = ""

    @property
    def wider(self) -> bool:
        """Whether the later version may do more, which a reviewer has to check."""
        return self.kind in _WIDER


def declared_changes(before: Version, after: Version) -> tuple[DeclaredChange, ...]:
    """The changes from the one to the other, domains in alphabetical order."""
    found = _of_egress(before.egress, after.egress)
    if before.builds != after.builds:
        found.append(DeclaredChange(DeclaredKind.BUILDS if after.builds else DeclaredKind.WHEELS))
    return tuple(found)


def _of_egress(
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
