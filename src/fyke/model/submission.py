"""A submission: a request to let every account see and run one version of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_NOTE = 2000  # characters of a note or a reply


class SubmissionState(StrEnum):
    """The state of the review. Only ``WAITING`` can change, and only once."""

    WAITING = "waiting"
    APPROVED = "approved"
    RETURNED = "returned"  # the reviewer's reply states what is missing
    REPLACED = "replaced"  # a newer version was submitted instead
    TAKEN_BACK = "taken_back"  # withdrawn by the account that submitted it


@dataclass(frozen=True, slots=True)
class Submission:
    """Times in ms since the epoch, 0 = not yet. ``version`` is the number of the version."""

    id: str
    account_id: str
    worker_id: str
    version: str
    state: SubmissionState
    note: str  # of the account, for the reviewer
    created_at: int
    decided_at: int = 0
    decided_by: str = ""  # names of the account and of the user
    reply: str = ""  # of the reviewer, for the account
    sample_run_id: str = ""  # the reviewer's last run of it, "" = none
