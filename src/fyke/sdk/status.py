"""The errors of calls, with gRPC's status codes."""

from __future__ import annotations


class RpcError(Exception):
    """A call that ends without a reply; the message is for the author of the Worker."""

    status = 13

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgument(RpcError):
    """The message is malformed."""

    status = 3


class ResourceExhausted(RpcError):
    """The message exceeds a limit, which the text names."""

    status = 8


class Unimplemented(RpcError):
    """There is no such method."""

    status = 12


class Internal(RpcError):
    """An error of the platform, or a message that violates the protocol."""

    status = 13


class ServiceUnavailable(RpcError):
    """The store is unavailable; nothing was changed."""

    status = 14
