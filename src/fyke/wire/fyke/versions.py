"""The versions of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from fyke.domain.workers.page import MAX_NOTICE
from fyke.model.worker import Language, VersionState
from fyke.wire.common import Count, Items, TimeOrNever
from fyke.wire.fields import Answer, ParsedBy, Request, to_text
from fyke.wire.findings import ProjectFinding
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fyke.domain.workers.history import VersionEntry
    from fyke.model.worker import Finding, Version


# --- requests ------------------------------------------------------------------------------


class VersionNotice(Request):
    reason: Annotated[
        str,
        ParsedBy(to_text),
        Meta(max_length=MAX_NOTICE, description="shown to users who name the version"),
    ] = ""


# --- answers -------------------------------------------------------------------------------


class VersionItem(Answer):
    version: str
    state: VersionState
    notice: Annotated[str, Meta(description="why it is deprecated or withdrawn")]
    language: Language
    digest: Annotated[str, Meta(description="SHA-256 of the files, in hexadecimal")]
    created_at: TimeOrNever
    egress: Annotated[
        list[str] | None,
        Meta(description="the only domains that it may reach; null: all public ones"),
    ]
    builds: Annotated[
        bool, Meta(description="whether its dependencies run code during installation")
    ]

    @classmethod
    def of(cls, version: Version) -> VersionItem:
        return cls(**version_members(version))


class VersionEntryItem(VersionItem):
    latest: bool
    size: Annotated[Count | None, Meta(description="bytes of the bundle; null: unknown")]
    findings: list[ProjectFinding]

    @classmethod
    def entry(cls, entry: VersionEntry) -> VersionEntryItem:
        facts = entry.facts
        return cls(
            **version_members(entry.version),
            latest=entry.latest,
            size=facts.size if facts else None,
            findings=ProjectFinding.all_of(facts.findings if facts else ()),
        )


class VersionList(Items[VersionEntryItem]):
    pass


class RolledBackVersion(Answer):
    version: VersionItem
    findings: list[ProjectFinding]

    @classmethod
    def of(cls, version: Version, findings: Iterable[Finding]) -> RolledBackVersion:
        return cls(VersionItem.of(version), ProjectFinding.all_of(findings))


def version_members(version: Version) -> dict[str, Any]:
    """The members of ``VersionItem``."""
    return {
        "version": version.number,
        "state": version.state,
        "notice": version.notice,
        "language": version.language,
        "digest": version.digest,
        "created_at": seconds(version.created_at),
        "egress": None if version.egress is None else list(version.egress),
        "builds": version.builds,
    }
