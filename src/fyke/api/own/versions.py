"""The versions of a worker: listed, compared, taken out of use and back, rolled back to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import WireName, WireText
from fyke.api.envelope import encode
from fyke.api.operations import Operation
from fyke.api.own import worker_answers as answers
from fyke.api.own.catalog import WorkerRef
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.workers.history import Changelog, VersionComparison, VersionEntry, VersionHistory
from fyke.domain.workers.schema_changes import SchemaChange
from fyke.domain.workers.service import Workers
from fyke.errors import Conflict, Forbidden, VersionUnavailable, WorkerNotFound
from fyke.model.worker import Version


class VersionRef(WorkerRef):
    version: WireName


class Reasoned(VersionRef):
    reason: WireText = Field("", description="shown to whoever uses the version")


class CompareFields(WorkerRef):
    before: WireName = Field(description="number of the earlier version")
    after: WireName = Field(description="number of the later version")


@dataclass(frozen=True, slots=True)
class VersionOperations:
    workers: Workers
    history: VersionHistory

    def operations(self) -> list[Operation[Any]]:
        return [*self._of_all(), *self._of_one()]

    def _of_all(self) -> list[Operation[Any]]:
        unknown = TABLE[WorkerNotFound]
        return [
            Operation(
                "GET",
                "/api/fyke/workers/{slug}/versions",
                id="listVersions",
                tag="Workers",
                summary="The versions of a worker, newest first",
                fields=WorkerRef,
                handler=self.list,
                answer=answers.VersionList,
                errors=(unknown,),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                "/api/fyke/workers/{slug}/compare",
                id="compareVersions",
                tag="Workers",
                summary="How one version of a worker differs from another",
                fields=CompareFields,
                handler=self.compare,
                answer=answers.ComparedVersions,
                errors=(unknown, TABLE[VersionUnavailable]),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                "/api/fyke/workers/{slug}/changelog",
                id="readChangelog",
                tag="Workers",
                summary="What has changed in a worker, by its author and by its schemas",
                fields=WorkerRef,
                handler=self.changelog,
                answer=answers.ChangelogText,
                errors=(unknown, TABLE[VersionUnavailable]),
                path_fields=("slug",),
            ),
        ]

    def _of_one(self) -> list[Operation[Any]]:
        refused = (TABLE[WorkerNotFound], TABLE[Forbidden], TABLE[VersionUnavailable])
        one = "/api/fyke/workers/{slug}/versions/{version}"
        return [
            Operation(
                "POST",
                f"{one}/withdraw",
                id="withdrawVersion",
                tag="Workers",
                summary="Take a version out of use; runs on their way go on",
                fields=Reasoned,
                handler=self.withdraw,
                answer=answers.VersionItem,
                errors=refused,
                path_fields=("slug", "version"),
            ),
            Operation(
                "POST",
                f"{one}/deprecate",
                id="deprecateVersion",
                tag="Workers",
                summary="Advise against a version, which then runs only for those who name it",
                fields=Reasoned,
                handler=self.deprecate,
                answer=answers.VersionItem,
                errors=refused,
                path_fields=("slug", "version"),
            ),
            Operation(
                "POST",
                f"{one}/restore",
                id="restoreVersion",
                tag="Workers",
                summary="Put a withdrawn or deprecated version into use again",
                fields=VersionRef,
                handler=self.restore,
                answer=answers.VersionItem,
                errors=refused,
                path_fields=("slug", "version"),
            ),
            Operation(
                "POST",
                f"{one}/rollback",
                id="rollBackVersion",
                tag="Workers",
                summary="Publish the files of an earlier version again, as the newest",
                fields=VersionRef,
                handler=self.roll_back,
                answer=answers.RolledBack,
                errors=(*refused, TABLE[Conflict]),
                path_fields=("slug", "version"),
            ),
        ]

    async def list(self, call: Call, wanted: WorkerRef) -> bytes:
        _, found = await self.history.list(call.caller, wanted.slug)
        return encode({"list": [_entry(entry) for entry in found]})

    async def compare(self, call: Call, wanted: CompareFields) -> bytes:
        found = await self.history.compare(
            call.caller, wanted.slug, wanted.before.strip(), wanted.after.strip()
        )
        return encode(_comparison(found))

    async def changelog(self, call: Call, wanted: WorkerRef) -> bytes:
        return encode(_changelog(await self.history.changelog(call.caller, wanted.slug)))

    async def withdraw(self, call: Call, wanted: Reasoned) -> bytes:
        return encode(
            _version(
                await self.workers.withdraw(call.caller, wanted.slug, wanted.version, wanted.reason)
            )
        )

    async def deprecate(self, call: Call, wanted: Reasoned) -> bytes:
        return encode(
            _version(
                await self.workers.deprecate(
                    call.caller, wanted.slug, wanted.version, wanted.reason
                )
            )
        )

    async def restore(self, call: Call, wanted: VersionRef) -> bytes:
        version = await self.workers.restore(call.caller, wanted.slug, wanted.version)
        return encode(_version(version))

    async def roll_back(self, call: Call, wanted: VersionRef) -> bytes:
        _, version, findings = await self.workers.roll_back(
            call.caller, wanted.slug, wanted.version
        )
        return encode({"version": _version(version), "findings": [asdict(one) for one in findings]})


def _version(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "state": version.state.value,
        "notice": version.notice,
        "language": version.language.value,
        "digest": version.digest,
        "created_at": seconds(version.created_at),
        "egress": version.egress,
        "builds": version.builds,
    }


def _entry(entry: VersionEntry) -> dict[str, Any]:
    facts = entry.facts
    return _version(entry.version) | {
        "latest": entry.latest,
        "size": facts.size if facts else None,
        "findings": [asdict(finding) for finding in facts.findings] if facts else [],
    }


def _change(change: SchemaChange) -> dict[str, Any]:
    return asdict(change) | {"breaking": change.breaking, "text": change.text}


def _comparison(found: VersionComparison) -> dict[str, Any]:
    files = found.files
    return {
        "before": found.before.number,
        "after": found.after.number,
        "schema_changes": [_change(change) for change in found.schema],
        "declared_changes": [asdict(c) | {"wider": c.wider} for c in found.declared],
        "files": [asdict(file) for file in files.files] if files else None,
        "unchanged": files.unchanged if files else 0,
        "more": files.more if files else 0,
    }


def _changelog(found: Changelog) -> dict[str, Any]:
    return {
        "text": found.text,
        "steps": [
            _version(step.version)
            | {"first": step.first, "schema_changes": [_change(change) for change in step.changes]}
            for step in found.steps
        ],
    }
