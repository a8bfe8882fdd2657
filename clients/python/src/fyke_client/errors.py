"""Errors of the client.

::

    ClientError
    ├── ApiError           the server answered with an error
    ├── Unreachable        no answer, or none from a Fyke server
    ├── RunFailed          a run did not succeed
    └── InvalidSignature   a callback or webhook is not from this Fyke
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fyke_client.types.v1 import RunDetail


class ClientError(Exception):
    """Root of the client's errors."""


class ApiError(ClientError):
    """An error answer: HTTP ``status``, wire ``code``, ``message``, and one sentence per problem
    in ``details``. ``key`` identifies the error, ``reason`` is the code of its cause,
    ``request_id`` finds it in the server's log; each may be empty. ``retry_after``: seconds, 0 if
    the server did not send it.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        details: Sequence[str] = (),
        *,
        key: str = "",
        reason: str = "",
        request_id: str = "",
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = list(details)
        self.key = key
        self.reason = reason
        self.request_id = request_id
        self.retry_after = retry_after
        # What a traceback shows below the message.
        self.add_note(f"HTTP {status}, code {code}, request {request_id or '(unknown)'}")
        for detail in self.details:
            self.add_note(detail)


class Unreachable(ClientError):
    """There is no Fyke server at this address, or it does not answer in time.

    ``sent``: whether the request may have reached it. ``status``: of an answer that a server or
    proxy in between gave instead, 0 for none. ``temporary``: False if the same request can only
    end the same way, for example because the client cannot read the answer.
    """

    def __init__(
        self, message: str, *, sent: bool = True, status: int = 0, temporary: bool = True
    ) -> None:
        super().__init__(message)
        self.temporary = temporary
        self.sent = sent
        self.status = status


class RunFailed(ClientError):
    """A run has ended without success; ``run`` is its detail. Its rows can be read."""

    def __init__(self, run: RunDetail) -> None:
        super().__init__(f"run {run.slug} is {run.status_name}: {run.err_msg or 'no reason given'}")
        self.run = run


class InvalidSignature(ClientError):
    """A message is not from the server that has this secret, or it is too old."""
