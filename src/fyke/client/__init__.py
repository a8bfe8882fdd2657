"""Typed REST client, used by the commands and by end-to-end tests.

Dataclasses in, dataclasses out; what the server refuses is an ``ApiError`` with its code and its
sentences, and a server that does not answer is ``Unreachable``. Nothing here knows the server's
code: it speaks the wire like any other client.
"""

from fyke.client.client import FykeClient
from fyke.client.errors import ApiError, ClientError, Unreachable
from fyke.client.models import RunRequest
from fyke.client.tasks import TaskRequest

__all__ = ["ApiError", "ClientError", "FykeClient", "RunRequest", "TaskRequest", "Unreachable"]
