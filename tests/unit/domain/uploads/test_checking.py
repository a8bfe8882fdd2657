"""The checks of an upload and their results."""

from __future__ import annotations

import pytest

from fyke.domain.uploads.checking import check as steps_of
from fyke.domain.uploads.checking import failed, first_steps, with_step
from fyke.model.upload import (
    CHECKS,
    FETCH,
    UNPACK,
    StepState,
    Upload,
    UploadSource,
    UploadState,
)
from fyke.parsing.pools import ThreadPool
from support.projects import python_project

pytestmark = pytest.mark.anyio
SCHEMA = {
    "b": "urls",
    "properties": [
        {"name": "urls", "title": "Pages", "description": "Pages to read", "required": True,
         "type": "array", "editor": "requestList",
         "default": [{"url": "https://a.example"}]},
    ],
}  # fmt: skip


def upload(source: UploadSource = UploadSource.ZIP) -> Upload:
    return Upload("U", "A", source, UploadState.WORKING, "prices.zip", first_steps(source))


async def check(data: bytes) -> tuple[Upload, list[Upload]]:
    """The upload with its results, and all reports."""
    reported: list[Upload] = []

    async def report(found: Upload) -> None:
        reported.append(found)

    return await ThreadPool().run_steps("A", steps_of, upload(), data, on_item=report), reported


def states(found: Upload) -> dict[str, StepState]:
    return {step.name: step.state for step in found.steps}


def note(found: Upload, name: str) -> str:
    step = found.step(name)
    assert step is not None
    return step.note


def test_only_a_repository_is_fetched_first() -> None:
    names = {s: [step.name for step in first_steps(s)] for s in UploadSource}
    assert names[UploadSource.ZIP] == [UNPACK, *CHECKS]
    assert names[UploadSource.GIT] == [FETCH, UNPACK, *CHECKS]


def test_a_failed_step_skips_those_that_have_not_ended_and_keeps_those_that_have() -> None:
    done = with_step(upload(UploadSource.GIT), FETCH, StepState.WARNED, "x" * 400)
    assert note(done, FETCH) == "x" * 300
    running = with_step(done, "entry", StepState.RUNNING)
    found = failed(running, UNPACK, "no archive")
    assert found.state is UploadState.FAILED and note(found, UNPACK) == "no archive"
    left = dict.fromkeys(CHECKS, StepState.SKIPPED)
    assert states(found) == {FETCH: StepState.WARNED, UNPACK: StepState.FAILED} | left


async def test_a_valid_project_is_ready_with_its_properties() -> None:
    data = python_project(
        "from sdk import CoreSDK\n",
        schema=SCHEMA,
        output=[{"name": "a", "type": "string"}, {"name": "b", "type": "string"}],
        requirements="httpx==0.27.0\n",
        **{"README.md": "# Prices\n"},
    )
    found, reported = await check(data)
    assert found.state is UploadState.READY and found.size == len(data)
    assert (found.language, found.digest != "", "urls" in found.input_schema) == (
        "python", True, True,
    )  # fmt: skip
    assert set(states(found).values()) == {StepState.PASSED}
    assert note(found, "entry") == "main.py"
    assert note(found, "schemas") == "1 input field, 2 output columns"
    assert note(found, "dependencies") == "1 package"
    assert note(found, UNPACK).endswith("bytes")
    running = [next(s.name for s in r.steps if s.state is StepState.RUNNING) for r in reported]
    assert running == [UNPACK, *CHECKS]


async def test_an_unreadable_archive_is_faulty_with_one_finding() -> None:
    found, reported = await check(b"no archive")
    assert found.state is UploadState.FAULTY and len(reported) == 1
    [finding] = found.findings
    assert (finding.code, finding.severity, finding.remedy != "") == (
        "archive_unreadable", "error", True,
    )  # fmt: skip
    assert states(found) == {UNPACK: StepState.FAILED} | dict.fromkeys(CHECKS, StepState.SKIPPED)


async def test_after_a_failed_check_the_others_run() -> None:
    data = python_project(
        "print(1\n", requirements="requests===\n", **{"input_schema.json": "{not json"}
    )
    found, _ = await check(data)
    result = states(found)
    assert found.state is UploadState.FAULTY and found.digest == ""
    assert result["schemas"] is StepState.FAILED and note(found, "schemas") == ""
    assert result["dependencies"] is StepState.FAILED
    assert result["readme"] is StepState.WARNED
    assert result["entry"] is StepState.PASSED
    assert {finding.file for finding in found.findings} >= {"input_schema.json", "README.md"}


async def test_a_project_with_only_warnings_can_be_published() -> None:
    found, _ = await check(python_project("print(1)\n"))
    assert (found.state, states(found)["readme"]) == (UploadState.READY, StepState.WARNED)
    assert note(found, "dependencies") == "0 packages"
    assert note(found, "declared") == ""


async def test_declared_domains_and_builds_are_noted() -> None:
    text = '{"egress": ["example.org"], "install": "build"}'
    found, _ = await check(python_project("print(1)\n", **{"fyke.json": text}))
    assert (found.egress, found.builds) == (("example.org",), True)
    assert note(found, "declared") == "1 domain, asks for builds"
