"""What can go wrong between a client and its server.

::

    ClientError
    ├── ApiError      the server answered, and said no
    └── Unreachable   no answer, or none that is an envelope
"""

from __future__ import annotations

from collections.abc import Sequence


class ClientError(Exception):
    """Root of the client's errors."""


class ApiError(ClientError):
    """An error answer: HTTP ``status``, wire ``code``, ``message``, and one sentence per problem
    in ``details``. ``key`` names the error, ``""`` when the server did not say; ``request_id``
    finds it in the server's log. ``retry_after`` is in seconds, 0 when the server did not say.
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
    """There is no Fyke at this address, or it does not answer in time."""
