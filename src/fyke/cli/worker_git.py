"""``fyke worker push https://...``: publish a repository that the server fetches."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.findings import describe, verdict
from fyke.cli.output import LiveLine

if TYPE_CHECKING:
    from fyke.cli.context import ServerContext
    from fyke_client.types.fyke.uploads import PublishedUpload, UploadItem

FIRST_PAUSE = 0.1
MAX_PAUSE = 1.0
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:")


def is_git_url(project: str) -> bool:
    """Whether this is the URL of a repository rather than a local path."""
    return _URL.match(project) is not None


@dataclass(frozen=True, slots=True)
class GitPush:
    """The repository to fetch, and how to publish it."""

    url: str
    ref: str = ""
    folder: str = ""
    name: str = ""
    title: str = ""
    public: bool | None = None
    promote: bool = True


def push_git(
    server: ServerContext, push: GitPush, *, sleep: Callable[[float], None] = time.sleep
) -> PublishedUpload:
    """Fetch, check and publish a repository on the server; print each step and each finding.

    The upload is always removed. Raises ``CommandFailed``.
    """
    upload = server.client.upload_git(push.url, push.ref, push.folder)
    try:
        upload = _Progress(server, sleep).wait(upload)
        for finding in upload.findings:
            server.out.say(describe(finding))
        _require_publishable(upload)
        published = server.client.publish_upload(
            upload.id,
            name=push.name,
            title=push.title,
            public=push.public,
            promote=push.promote,
        )
    finally:
        _remove(server, upload.id)
    reported = {(f.code, f.file, f.line) for f in upload.findings}
    for finding in published.findings:
        if (finding.code, finding.file, finding.line) not in reported:
            server.out.say(describe(finding))
    return published


def _require_publishable(upload: UploadItem) -> None:
    """Raise ``CommandFailed`` for an upload that cannot be published."""
    if upload.state == "faulty":
        raise CommandFailed(verdict(upload.findings), Exit.USAGE)
    if upload.state != "ready":
        failed = next((step for step in upload.steps if step.state == "failed"), None)
        reason = f"{failed.name}: {failed.note}" if failed else upload.state
        raise CommandFailed(f"{upload.label} was not fetched: {reason}")


def _remove(server: ServerContext, upload: str) -> None:
    from fyke_client import ClientError

    with contextlib.suppress(ClientError):  # the server removes uploads after two weeks anyway
        server.client.remove_upload(upload)


class _Progress:
    """Prints each step once, as it ends."""

    def __init__(self, server: ServerContext, sleep: Callable[[float], None]) -> None:
        self._server = server
        self._sleep = sleep
        self._live = LiveLine(server.out)
        self._printed: set[str] = set()

    def wait(self, upload: UploadItem) -> UploadItem:
        pause = FIRST_PAUSE
        try:
            while _is_in_progress(upload):
                self._print(upload)
                self._sleep(pause)
                pause = min(MAX_PAUSE, pause * 1.5)
                upload = self._server.client.upload(upload.id)
            self._print(upload)
            return upload
        finally:
            self._live.clear()

    def _print(self, upload: UploadItem) -> None:
        for step in upload.steps:
            if step.state in ("waiting", "running", "skipped") or step.name in self._printed:
                continue
            self._printed.add(step.name)
            self._live.clear()
            note = f": {step.note}" if step.note else ""
            self._server.out.say(f"{step.name} {step.state}{note}")
        running = [step.name for step in upload.steps if step.state == "running"]
        if _is_in_progress(upload):
            self._live.show(f"{running[0] if running else 'waiting'} ...")


def _is_in_progress(upload: UploadItem) -> bool:
    from fyke.model.upload import UploadState

    return UploadState(upload.state).in_progress
