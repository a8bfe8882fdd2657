"""What is on its way to being published: uploads, and versions that wait for a review."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.submission import Submission, SubmissionState
from fyke.model.upload import Upload


class SubmissionStore(Protocol):
    """Versions that somebody wants everybody to run. Of one worker at most one waits."""

    def add(self, submission: Submission) -> None:
        """Raise ``Conflict`` when one of this worker waits already."""
        ...

    def get(self, submission_id: str) -> Submission | None: ...
    def waiting_of(self, worker_id: str) -> Submission | None: ...
    def of_worker(self, worker_id: str, limit: int) -> list[Submission]:
        """Newest first."""
        ...

    def of_version(self, worker_id: str, number: str) -> Submission | None:
        """The newest one of a version."""
        ...

    def page(
        self, states: Collection[SubmissionState], *, offset: int, limit: int
    ) -> tuple[int, list[Submission]]:
        """Total count, and one page of all accounts: what waits oldest first, else newest first."""
        ...

    def end(self, ended: Submission) -> bool:
        """Write state, time, decider and reply if it still waits. Of two who decide one is told
        True.
        """
        ...

    def note_sample(self, submission_id: str, run_id: str) -> None: ...


class UploadStore(Protocol):
    """Projects on their way in, each with what was found in it so far."""

    def add(self, upload: Upload) -> None: ...
    def get(self, upload_id: str) -> Upload | None: ...
    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Upload]]:
        """Total count, and one page, newest first."""
        ...

    def claim(self, upload_id: str, now: int, until: int) -> Upload | None:
        """Take the work on it until then; None when it is done or somebody else is at it."""
        ...

    def update(self, upload: Upload) -> bool:
        """Write all that may change; False when it is gone."""
        ...

    def delete(self, upload_id: str) -> bool: ...
    def older_than(self, at: int, limit: int) -> list[Upload]:
        """Those that were made before that, oldest first."""
        ...
