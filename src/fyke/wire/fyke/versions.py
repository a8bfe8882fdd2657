"""The versions of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from fyke.domain.workers.page import MAX_NOTICE
from fyke.model.worker import EnvironmentState, Language, VersionState
from fyke.reasons import sentence
from fyke.wire.common import Count, Items, TimeOrNever
from fyke.wire.fields import Answer, Name, ParsedBy, Request, to_text
from fyke.wire.findings import ProjectFinding
from fyke.wire.fyke.workers import BrowserUse
from fyke.wire.reasons import ReasonCodeText, ReasonParams, code_of, params_of
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fyke.domain.workers.history import VersionEntry
    from fyke.model.worker import Finding, Version, VersionEnvironment


# --- requests ------------------------------------------------------------------------------


class VersionNotice(Request):
    reason: Annotated[
        str,
        ParsedBy(to_text),
        Meta(max_length=MAX_NOTICE, description="shown to users who name the version"),
    ] = ""


class VersionTag(Request):
    tag: Annotated[
        Name,
        Meta(
            description="1 to 40 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter",
            examples=["stable"],
        ),
    ]


# --- answers -------------------------------------------------------------------------------


class EnvironmentItem(Answer):
    """Whether the dependencies of a version are installed."""

    state: Annotated[
        EnvironmentState,
        Meta(
            description="preparing: they are installed as soon as no run waits; with a `reason`, a "
            "fault of the platform has prevented that so far, and it is tried again"
        ),
    ]
    reason: Annotated[
        str,
        Meta(description="`reason_code` as an English sentence: why it is not ready"),
    ]
    reason_code: ReasonCodeText
    reason_params: ReasonParams

    @classmethod
    def of(cls, environment: VersionEnvironment | None) -> EnvironmentItem | None:
        if environment is None:
            return None
        reason = environment.reason
        text = sentence(reason) if reason else ""
        return cls(environment.state, text, code_of(reason), params_of(reason))


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
    browser: BrowserUse
    browser_declared: Annotated[
        bool, Meta(description="whether fyke.json declares `browser`; else it was detected")
    ]

    @classmethod
    def of(cls, version: Version) -> VersionItem:
        return cls(**version_members(version))


class VersionEntryItem(VersionItem):
    latest: Annotated[bool, Meta(description="whether it runs when no version is named")]
    size: Annotated[Count | None, Meta(description="bytes of the bundle; null: unknown")]
    findings: list[ProjectFinding]
    environment: Annotated[
        EnvironmentItem | None,
        Meta(description="null: the dependencies are installed when a run starts"),
    ]
    tags: Annotated[list[str], Meta(description="names that runs and tasks may give instead")]

    @classmethod
    def entry(cls, entry: VersionEntry) -> VersionEntryItem:
        facts = entry.facts
        return cls(
            **version_members(entry.version),
            latest=entry.latest,
            size=facts.size if facts else None,
            findings=ProjectFinding.all_of(facts.findings if facts else ()),
            environment=EnvironmentItem.of(entry.environment),
            tags=[*entry.tags],
        )


class VersionList(Items[VersionEntryItem]):
    pass


class EnvironmentAnswer(Answer):
    environment: Annotated[
        EnvironmentItem | None,
        Meta(description="null: the dependencies are installed when a run starts"),
    ]


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
        "browser": version.browser,
        "browser_declared": version.browser_declared,
    }
