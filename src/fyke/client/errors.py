"""Errors of the client.

::

    ClientError
    ├── ApiError      the server answered with an error
    └── Unreachable   no answer, or none from a Fyke server
"""

from __future__ import annotations

from collections.abc import Sequence


class ClientError(Exception):
    """Root of the client's errors."""


class ApiError(ClientError):
    """An error answer: HTTP ``status``, wire ``code``, ``message``, and one sentence per problem
    in ``details``. ``key`` identifies the error; ``request_id`` finds it in the server's log;
    both may be empty. ``retry_after``: seconds, 0 if the server did not send it.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        details: Sequence[str] = (),
        *,
        key: str = "",
        request_id: str = "",
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = list(details)
        self.key = key
        self.request_id = request_id
        self.retry_after = retry_after


class Unreachable(ClientError):
    """There is no Fyke server at this address, or it does not answer in time."""
