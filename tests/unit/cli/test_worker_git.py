"""Publishing a repository: progress, findings and removal of the upload."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.worker_git import FIRST_PAUSE, MAX_PAUSE, GitPush, is_git_url, push_git
from fyke.model.upload import StepState, UploadSource, UploadState
from fyke.model.worker import BrowserNeed
from fyke_client import ApiError
from fyke_client.types.findings import ProjectFinding
from fyke_client.types.fyke.uploads import PublishedUpload, UploadItem, UploadStepItem
from support.scripted import ScriptedServer, Turns

URL = "https://git.example/owner/reader"
ERROR = ProjectFinding("error", "python_syntax", "main.py", 1, "syntax error", "fix it")
WARNING = ProjectFinding("warning", "no_readme", "", 0, "no README", "write one")


def upload(state: UploadState, *steps: tuple[str, StepState, str], **more: Any) -> UploadItem:
    texts = dict.fromkeys(
        ["url", "ref", "folder", "commit", "language", "title", "description"], ""
    )
    return UploadItem(
        id="U1",
        source=UploadSource.GIT,
        state=state,
        label=URL,
        size=0,
        steps=[UploadStepItem(*step) for step in steps],
        findings=more.get("findings", []),
        worker_slug="",
        version="",
        test_run_slug="",
        egress=None,
        builds=False,
        browser=BrowserNeed.UNKNOWN,
        browser_declared=False,
        created_at=1,
        updated_at=1,
        **texts,
    )


READY = upload(UploadState.READY, findings=[WARNING])
PUBLISHED = PublishedUpload("W1", "owner/reader", "v1.0.1", [WARNING, ERROR])


def push(server: Any, pauses: list[float] | None = None, **options: Any) -> PublishedUpload:
    return push_git(
        server, GitPush(URL, **options), sleep=([] if pauses is None else pauses).append
    )


@pytest.mark.parametrize(
    ("project", "address"),
    [
        ("https://git.example/x", True),
        ("ssh://git@git.example/x", True),
        ("git@git.example:x/y.git", True),
        ("git+https://git.example/x", True),
        ("hello", False),
        ("./hello:1", False),
        ("/srv/project", False),
        ("C:x", False),
        ("a@b/c:d", False),
    ],
)
def test_a_url_is_distinguished_from_a_folder(project: str, address: bool) -> None:
    assert is_git_url(project) is address


def test_each_ended_step_is_printed_once() -> None:
    passed = ("fetch", StepState.PASSED, "12 files")
    server = ScriptedServer(
        upload_git=upload(UploadState.QUEUED, ("fetch", StepState.RUNNING, "")),
        upload=Turns(
            [
                upload(UploadState.WORKING, passed, ("check", StepState.RUNNING, "")),
                upload(
                    UploadState.READY,
                    passed,
                    ("check", StepState.WARNED, ""),
                    ("build", StepState.SKIPPED, "no"),
                    ("late", StepState.WAITING, ""),
                ),
            ]
        ),
        publish_upload=msgspec.structs.replace(PUBLISHED, findings=[]),
        remove_upload=None,
    )
    pauses: list[float] = []
    push(server, pauses)
    assert server.messages == "fetch passed: 12 files\ncheck warned\n"
    assert pauses == [FIRST_PAUSE, FIRST_PAUSE * 1.5]


def test_the_pause_between_requests_has_a_limit() -> None:
    working = upload(UploadState.WORKING)
    server = ScriptedServer(
        upload_git=working,
        upload=Turns([*[working] * 20, READY]),
        publish_upload=PUBLISHED,
        remove_upload=None,
    )
    pauses: list[float] = []
    push(server, pauses)
    assert max(pauses) == pauses[-1] == MAX_PAUSE


def test_a_repository_is_published_as_requested_and_its_upload_removed() -> None:
    server = ScriptedServer(upload_git=READY, publish_upload=PUBLISHED, remove_upload=None)
    chosen = {"public": False, "promote": False}
    assert push(server, ref="v2", folder="sub", name="mine", **chosen) == PUBLISHED
    assert server.client.calls == [
        ("upload_git", URL, "v2", "sub"),
        ("publish_upload", "U1", {"name": "mine", "title": "", **chosen}),
        ("remove_upload", "U1"),
    ]


def test_a_finding_is_printed_once() -> None:
    server = ScriptedServer(upload_git=READY, publish_upload=PUBLISHED, remove_upload=None)
    push(server)
    assert server.messages.splitlines() == [
        "warning: no README; write one [no_readme]",
        "main.py:1: error: syntax error; fix it [python_syntax]",
    ]


def test_a_project_with_errors_is_not_published() -> None:
    faulty = upload(UploadState.FAULTY, findings=[ERROR, WARNING])
    server = ScriptedServer(upload_git=faulty, remove_upload=None)
    with pytest.raises(CommandFailed, match="1 error and 1 warning; it cannot") as caught:
        push(server)
    assert caught.value.code is Exit.USAGE
    assert server.client.calls[-1] == ("remove_upload", "U1")


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([("fetch", StepState.FAILED, "there is no branch v9")], "fetch: there is no branch v9"),
        ([], "failed"),
    ],
)
def test_the_error_for_a_repository_has_the_failed_step(
    steps: list[tuple[str, StepState, str]], why: str
) -> None:
    failed = upload(UploadState.FAILED, *steps)
    server = ScriptedServer(upload_git=failed, remove_upload=None)
    with pytest.raises(CommandFailed, match=f"{URL} was not fetched: {why}"):
        push(server)


def test_an_error_during_removal_is_ignored() -> None:
    gone = ApiError(404, 404, "there is no such upload")
    server = ScriptedServer(upload_git=READY, publish_upload=PUBLISHED, remove_upload=gone)
    assert push(server) == PUBLISHED
    refused = ApiError(409, 409, "that name is taken")
    server = ScriptedServer(upload_git=READY, publish_upload=refused, remove_upload=gone)
    with pytest.raises(ApiError, match="taken"):
        push(server)
