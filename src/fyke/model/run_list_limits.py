"""Limits of lists of runs and of actions on many runs, and these actions.

The client imports them with the shapes on the wire, without the records of runs.
"""

from __future__ import annotations

from enum import StrEnum

MAX_LISTED = 200  # runs of one page
MAX_NAMED = 100  # runs in one request that lists their ids
MAX_MATCHED = 500  # runs in one request for all that match a search
MAX_ERROR_CHARS = 200  # of a part of an error message that is searched for


class BulkAction(StrEnum):
    """An action on several runs."""

    ABORT = "abort"
    RERUN = "rerun"
    DELETE = "delete"
