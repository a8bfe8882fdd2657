"""An upload: a project that is being checked for publication, and the findings so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.model.worker import BrowserNeed, Finding

# the names of the steps, in order
FETCH, UNPACK = "fetch", "archive"
CHECKS = ("entry", "schemas", "readme", "declared", "dependencies", "sdk", "code")


class UploadSource(StrEnum):
    """Where the project comes from."""

    ZIP = "zip"
    GIT = "git"


class UploadState(StrEnum):
    """The progress of an upload."""

    QUEUED = "queued"
    WORKING = "working"
    READY = "ready"  # it may be published
    FAULTY = "faulty"  # it has errors, see the findings
    FAILED = "failed"  # it could not be fetched or read; the last step states why
    PUBLISHED = "published"

    @property
    def in_progress(self) -> bool:
        """Whether its checks have not finished."""
        return self in (UploadState.QUEUED, UploadState.WORKING)


class StepState(StrEnum):
    """The state of one check."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class UploadStep:
    """One check of an upload. ``note`` is a short sentence for users."""

    name: str
    state: StepState = StepState.WAITING
    note: str = ""


@dataclass(frozen=True, slots=True)
class GitSource:
    """A repository: its https address, a branch, tag or commit, and the folder of the project.

    An empty ``ref`` is the branch that the repository names itself, an empty ``folder`` its root.
    """

    url: str
    ref: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A project under check. Times in ms since the epoch. Members are empty until known.

    ``working_until`` is when the claim of the server that checks it expires; then another server
    may continue.
    """

    id: str
    account_id: str
    source: UploadSource
    state: UploadState
    label: str  # file name or address, for display
    steps: tuple[UploadStep, ...]
    git_url: str = ""
    git_ref: str = ""
    git_folder: str = ""
    git_commit: str = ""
    size: int = 0  # bytes of the archive
    findings: tuple[Finding, ...] = ()
    digest: str = ""
    language: str = ""
    title: str = ""
    description: str = ""
    input_schema: str = ""
    output_schema: str = ""
    worker_id: str = ""  # the worker that it is for, or that it was published or tested as
    version: str = ""
    test_run_id: str = ""
    working_until: int = 0
    created_at: int = 0
    updated_at: int = 0
    egress: tuple[str, ...] | None = None  # as in ``Version``; set when it is ready
    builds: bool = False
    browser: BrowserNeed = BrowserNeed.UNKNOWN  # this and the next: as in ``Version``
    browser_declared: bool = False

    @property
    def git(self) -> GitSource:
        return GitSource(self.git_url, self.git_ref, self.git_folder)

    def step(self, name: str) -> UploadStep | None:
        return next((step for step in self.steps if step.name == name), None)
