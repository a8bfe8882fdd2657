"""How a command ends when it does not end well. Exit codes are part of what scripts rely on."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1  # the run failed, or any other error
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    CONFLICT = 5  # a conflict, or a limit
    UNREACHABLE = 6
    TIMEOUT = 124
    INTERRUPTED = 130


class CommandFailed(Exception):
    """Ends a command with one clear sentence on standard error."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
