"""The checks of an upload, run in order, each with its result.

These are the checks of every publication. Here each is reported separately, so that the user sees
the progress and errors before the last check has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from fyke.domain.workers import input_schema, output_schema, requirements
from fyke.domain.workers.archive import Archive, open_archive
from fyke.domain.workers.project import ProjectReader, build_project
from fyke.domain.workers.schema_report import ERROR, WARNING
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
from fyke.model.worker import BrowserNeed, Finding, Language


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


def failed(upload: Upload, name: str, reason: str) -> Upload:
    """The upload after a failure in the step ``name``."""
    broken = with_step(upload, name, StepState.FAILED, reason)
    steps = tuple(
        replace(step, state=StepState.SKIPPED)
        if step.state in (StepState.WAITING, StepState.RUNNING)
        else step
        for step in broken.steps
    )
    return replace(broken, steps=steps, state=UploadState.FAILED)


def check(upload: Upload, data: bytes) -> Generator[Upload, None, Upload]:
    """Run the checks of an archive; yield the upload at the start of each step, and return it with
    all results.
    """
    upload = replace(upload, size=len(data), findings=())
    upload = with_step(upload, UNPACK, StepState.RUNNING)
    yield upload
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(open_archive(data))
        except InvalidRequest as error:
            broken = failed(upload, UNPACK, error.message)
            finding = _unreadable(error.problems[0])
            return replace(broken, state=UploadState.FAULTY, findings=(finding,))
        total = sum(file.size for file in archive.files)
        note = f"{len(archive.files):,} files, {total:,} bytes"
        upload = with_step(upload, UNPACK, StepState.PASSED, note)
        reader = ProjectReader(archive)
        for name, run in reader.checks():
            upload = with_step(upload, name, StepState.RUNNING)
            yield upload
            before = len(reader.findings)
            run()
            upload = replace(upload, findings=tuple(reader.findings))
            state = _state(reader.findings[before:])
            upload = with_step(upload, name, state, _note(name, reader))
        return _finish(upload, reader, archive)


def _state(findings: Sequence[Finding]) -> StepState:
    """The state of a step after its checks."""
    if any(finding.severity == ERROR for finding in findings):
        return StepState.FAILED
    warned = any(finding.severity == WARNING for finding in findings)
    return StepState.WARNED if warned else StepState.PASSED


def _unreadable(problem: Problem) -> Finding:
    remedy = problem.remedy or "pack the project again"
    return Finding(ERROR, "archive_unreadable", "", 0, problem.rule, remedy)


def _finish(upload: Upload, reader: ProjectReader, archive: Archive) -> Upload:
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
        browser=project.browser,
        browser_declared=project.browser_declared,
    )


def _note(name: str, reader: ProjectReader) -> str:
    """A short note about the step, or ``""``."""
    try:
        return _NOTES[name](reader) if name in _NOTES else ""
    except (FykeError, ValueError):
        return ""  # the findings describe the error


def _entry_note(reader: ProjectReader) -> str:
    return reader.entry


def _schemas_note(reader: ProjectReader) -> str:
    fields = len(input_schema.parse(reader.input_schema).fields) if reader.input_schema else 0
    columns = len(output_schema.headers(reader.output_schema))
    return f"{_counted(fields, 'input field')}, {_counted(columns, 'output column')}"


def _dependencies_note(reader: ProjectReader) -> str:
    if reader.language is not Language.PYTHON:
        return ""
    return _counted(len(requirements.parse(reader.requirements)), "package")


def _declared_note(reader: ProjectReader) -> str:
    egress, notes = reader.declared.egress, []
    if egress is not None:
        notes.append(_counted(len(egress), "domain"))
    if reader.declared.builds:
        notes.append("asks for builds")
    if reader.declared.browser is not BrowserNeed.UNKNOWN:
        notes.append(f"browser {reader.declared.browser.value}")
    return ", ".join(notes)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


_NOTES: dict[str, Callable[[ProjectReader], str]] = {
    "entry": _entry_note,
    "schemas": _schemas_note,
    "declared": _declared_note,
    "dependencies": _dependencies_note,
}
