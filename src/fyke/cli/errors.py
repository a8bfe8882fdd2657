"""Errors of commands and their exit codes, which scripts rely on.

Only this module maps errors to exit codes. Client and domain are imported only after an error.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fyke_client.errors import ApiError


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1  # the run failed, or any other error
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    CONFLICT = 5  # a conflict, or a limit
    UNREACHABLE = 6
    NODE_ENDED = 7  # the installation does not serve this node any more
    NODE_IDLE = 8  # of the runner of a node that has stopped by itself; the command ends with 0
    TIMEOUT = 124
    INTERRUPTED = 130


class CommandFailed(Exception):
    """Ends a command with one sentence on standard error and an exit code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


_BY_CODE = {
    30001: Exit.CONFLICT,  # insufficient balance
    30002: Exit.CONFLICT,  # insufficient traffic
    50003: Exit.CONFLICT,  # the version cannot be started
    70002: Exit.CONFLICT,  # a run that has ended cannot be aborted
}
_UNKNOWN = frozenset({"unknown_filter", "unknown_version"})  # their codes have other errors too
_BY_STATUS = {
    401: Exit.AUTH,
    403: Exit.AUTH,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    413: Exit.CONFLICT,
    429: Exit.CONFLICT,
    503: Exit.UNREACHABLE,
}


class _EntityCommands(NamedTuple):
    """The arguments that name an entity, and the command that lists entities of its kind."""

    arguments: tuple[str, ...]
    list_command: str


_ENTITY_COMMANDS = {
    50001: _EntityCommands(("worker", "ref"), "fyke worker list"),
    60001: _EntityCommands(("task",), "fyke task list"),
    70001: _EntityCommands(("run",), "fyke run list"),
}
_NOT_FOUND = 4040  # of everything else
_OTHERS = _EntityCommands(("delivery", "receiver", "account"), "")
_INVALID = (4000, 11000)  # in v1 and v2


def run_command(command: Callable[[], object]) -> None:
    """Run ``command``; a known error prints one sentence and sets the exit code."""
    try:
        _run_or_explain(command)
    except KeyboardInterrupt:  # also during an explanation
        sys.exit(Exit.INTERRUPTED)


def _run_or_explain(command: Callable[[], object]) -> None:
    try:
        command()
    except BrokenPipeError:
        # The reader has closed the pipe: discard all further output, even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAILED)
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        print(f"fyke: {failure}", file=sys.stderr)
        sys.exit(failure.code)


def report(text: str) -> None:
    """Print one sentence on standard error."""
    print(f"fyke: {text}", file=sys.stderr, flush=True)


def exit_code(status: int, code: int, key: str) -> Exit:
    """The exit code for an error answer: HTTP status, wire code and key of the error."""
    if key in _UNKNOWN:
        return Exit.NOT_FOUND
    mapped = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if mapped is not None:
        return mapped
    if code == 4000 and key == "refused":
        # v1 has the same code for invalid and for refused requests
        return Exit.CONFLICT
    return Exit.USAGE if code in _INVALID else Exit.FAILED


def failure_of(error: Exception) -> CommandFailed | None:
    """The failure for a known error; None for an unexpected one, which keeps its traceback."""
    from fyke import errors as domain
    from fyke_client.errors import ApiError, Unreachable

    if isinstance(error, CommandFailed):
        return error
    if isinstance(error, ApiError):
        return CommandFailed(_sentence(error), exit_code(error.status, error.code, error.key))
    if isinstance(error, Unreachable):
        return CommandFailed(
            f'{error}. Is it running? "fyke up" starts it on this machine', Exit.UNREACHABLE
        )
    if isinstance(error, domain.NotFound | domain.UnknownVersion):  # the second is also the next
        return CommandFailed(error.message, Exit.NOT_FOUND)
    if isinstance(error, domain.InvalidRequest):
        return CommandFailed("\n  ".join(error.details or [error.message]), Exit.USAGE)
    if isinstance(error, domain.Refused):
        return CommandFailed(error.message, Exit.CONFLICT)
    if isinstance(error, domain.NodeEnded):
        return CommandFailed(error.message, Exit.NODE_IDLE if error.was_idle else Exit.NODE_ENDED)
    if isinstance(error, domain.FykeError):
        return CommandFailed(error.message)
    if isinstance(error, OSError):
        return CommandFailed(_file_error(error))
    return None


@contextlib.contextmanager
def naming_missing(missing: str, command: str) -> Iterator[None]:
    """Say what is missing, which the server does not."""
    try:
        yield
    except Exception as error:
        if getattr(error, "status", 0) != 404:
            raise
        raise CommandFailed(f'There is {missing}; "{command}" lists them', Exit.NOT_FOUND) from None


def add_missing_name(error: Exception, arguments: Mapping[str, object]) -> None:
    """Add the name from ``arguments`` to the error for a missing Worker, task or run."""
    code = getattr(error, "code", 0)
    entity = _ENTITY_COMMANDS.get(code) or (_OTHERS if code == _NOT_FOUND else None)
    names = [arguments[key] for key in entity.arguments if arguments.get(key)] if entity else []
    if names:
        error.message = f"{error.message}: {names[0]}"  # type: ignore[attr-defined]  # an ApiError


def _sentence(error: ApiError) -> str:
    if error.code in _ENTITY_COMMANDS:
        command = _ENTITY_COMMANDS[error.code].list_command
        return f'{error.message}. "{command}" lists the ones that you can see'
    if error.status == 401 and error.code != 4010:
        return (
            f"{error.message}. Pass a key of this server with --key or FYKE_KEY; "
            '"fyke key create" creates one'
        )
    if error.status == 429 and error.retry_after:
        return f"{error.message} (in {error.retry_after} s)"
    if error.status >= 500 and error.request_id:
        return f"{error.message} (request {error.request_id} in the server's log)"
    if len(error.details) > 1:
        return "\n  ".join(["The request is invalid:", *error.details])
    return error.message


def _file_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
