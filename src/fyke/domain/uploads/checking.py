"""The checks of an upload, run in order, each with its result.

They are the checks of every publication; here each is reported by itself, so that the user sees the
progress, and what is wrong before the rest is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from fyke.domain.workers import input_schema, output_schema, requirements
from fyke.domain.workers.archive import Archive, open_archive
from fyke.domain.workers.project import ProjectReader, build_project
from fyke.domain.workers.schema_report import ERROR
from fyke.errors import FykeError, InvalidRequest, Problem
from fyke.model.upload import (
    CHECKS,
    FETCH,
    UNPACK,
    StepState,
    Upload,
    UploadSource,
    UploadState,
    UploadStep,
)
from fyke.model.worker import Finding, Language

Reporter = Callable[[Upload], Awaitable[None]]


def first_steps(source: UploadSource) -> tuple[UploadStep, ...]:
    """The steps of an upload, in order."""
    names = (FETCH, UNPACK, *CHECKS) if source is UploadSource.GIT else (UNPACK, *CHECKS)
    return tuple(map(UploadStep, names))


def with_step(upload: Upload, name: str, state: StepState, note: str = "") -> Upload:
    """The upload with the changed state of one step."""
    steps = tuple(
        replace(step, state=state, note=note[:300]) if step.name == name else step
        for step in upload.steps
    )
    return replace(upload, steps=steps)


def failed(upload: Upload, name: str, why: str) -> Upload:
    """The upload after a failure in the step ``name``."""
    broken = with_step(upload, name, StepState.FAILED, why)
    steps = tuple(
        replace(step, state=StepState.SKIPPED)
        if step.state in (StepState.WAITING, StepState.RUNNING)
        else step
        for step in broken.steps
    )
    return replace(broken, steps=steps, state=UploadState.FAILED)


@dataclass(frozen=True, slots=True)
class Checking:
    """Checks one archive; ``report`` is called at the start and the end of every step."""

    report: Reporter

    async def run(self, upload: Upload, data: bytes) -> Upload:
        """Run the checks; return the upload with their results."""
        upload = replace(upload, size=len(data), findings=())
        upload = await self._reported(with_step(upload, UNPACK, StepState.RUNNING))
        with ExitStack() as stack:
            try:
                archive = await asyncio.to_thread(stack.enter_context, open_archive(data))
            except InvalidRequest as error:
                broken = failed(upload, UNPACK, error.message)
                finding = _unreadable(error.problems[0])
                return replace(broken, state=UploadState.FAULTY, findings=(finding,))
            total = sum(file.size for file in archive.files)
            note = f"{len(archive.files):,} files, {total:,} bytes"
            upload = with_step(upload, UNPACK, StepState.PASSED, note)
            reader = ProjectReader(archive)
            for name, check in reader.checks():
                upload = await self._checked(upload, reader, name, check)
            return await asyncio.to_thread(_ended, upload, reader, archive)

    async def _checked(
        self, upload: Upload, reader: ProjectReader, name: str, check: Callable[[], None]
    ) -> Upload:
        upload = await self._reported(with_step(upload, name, StepState.RUNNING))
        seen = len(reader.findings)
        await asyncio.to_thread(check)
        new = reader.findings[seen:]
        state = StepState.PASSED
        if new:
            errors = any(finding.severity == ERROR for finding in new)
            state = StepState.FAILED if errors else StepState.WARNED
        upload = replace(upload, findings=tuple(reader.findings))
        return with_step(upload, name, state, _note(name, reader))

    async def _reported(self, upload: Upload) -> Upload:
        await self.report(upload)
        return upload


def _unreadable(problem: Problem) -> Finding:
    remedy = problem.remedy or "pack the project again"
    return Finding(ERROR, "archive_unreadable", "", 0, problem.rule, remedy)


def _ended(upload: Upload, reader: ProjectReader, archive: Archive) -> Upload:
    try:
        project = build_project(reader, archive)
    except InvalidRequest:
        return replace(upload, state=UploadState.FAULTY)
    return replace(
        upload,
        state=UploadState.READY,
        digest=project.digest,
        language=project.language.value,
        title=project.title,
        description=project.description,
        input_schema=project.input_schema,
        output_schema=project.output_schema,
        egress=project.egress,
        builds=project.builds,
    )


def _note(name: str, reader: ProjectReader) -> str:
    """The finding in a few words, or ``""``."""
    try:
        return _NOTES[name](reader) if name in _NOTES else ""
    except (FykeError, ValueError):
        return ""  # the findings say what is wrong with it


def _entry(reader: ProjectReader) -> str:
    return reader.entry


def _schemas(reader: ProjectReader) -> str:
    fields = len(input_schema.parse(reader.input_schema).fields) if reader.input_schema else 0
    columns = len(output_schema.headers(reader.output_schema))
    return f"{_counted(fields, 'input field')}, {_counted(columns, 'output column')}"


def _dependencies(reader: ProjectReader) -> str:
    if reader.language is not Language.PYTHON:
        return ""
    return _counted(len(requirements.parse(reader.requirements)), "package")


def _declared(reader: ProjectReader) -> str:
    egress, said = reader.declared.egress, []
    if egress is not None:
        said.append(_counted(len(egress), "domain"))
    if reader.declared.builds:
        said.append("asks for builds")
    return ", ".join(said)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


_NOTES: dict[str, Callable[[ProjectReader], str]] = {
    "entry": _entry,
    "schemas": _schemas,
    "declared": _declared,
    "dependencies": _dependencies,
}
