"""The exit status of a local run."""

from __future__ import annotations

import pytest

from fyke.cli.errors import Exit
from fyke.cli.local_outcome import exit_code


@pytest.mark.parametrize(
    ("state", "failed", "interrupted", "expected"),
    [
        ("succeeded", 0, False, Exit.OK),
        ("succeeded", 1, False, Exit.FAILED),
        ("failed", 1, False, Exit.FAILED),
        ("aborted", 0, False, Exit.FAILED),
        ("aborted", 0, True, Exit.INTERRUPTED),
        ("succeeded", 0, True, Exit.OK),  # it had ended before
    ],
)
def test_the_exit_status_says_how_the_run_ended(
    state: str, failed: int, interrupted: bool, expected: Exit
) -> None:
    assert exit_code(state, failed, interrupted) == expected
