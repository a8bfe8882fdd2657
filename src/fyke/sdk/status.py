"""How a call can end other than with a reply, as gRPC numbers it."""

from __future__ import annotations


class RpcError(Exception):
    """A call that ends without a reply; the message is for people."""

    status = 13

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgument(RpcError):
    """The message is not what this method takes."""

    status = 3


class ResourceExhausted(RpcError):
    """The message is over a limit; the text names it."""

    status = 8


class Unimplemented(RpcError):
    """There is no such method."""

    status = 12


class Internal(RpcError):
    """Our fault, or a message that breaks the protocol."""

    status = 13


class ServiceUnavailable(RpcError):
    """Not now; nothing was changed."""

    status = 14
