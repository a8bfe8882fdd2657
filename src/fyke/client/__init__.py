"""Typed REST client of the commands and the end-to-end tests.

Its methods take and return the shapes in ``fyke.wire``. A refused request raises ``ApiError``, a
server that does not answer ``Unreachable``. It uses no code of the server.
"""

from fyke.client.client import FykeClient
from fyke.client.errors import ApiError, ClientError, Unreachable
from fyke.client.models import RunRequest
from fyke.client.tasks import TaskRequest

__all__ = ["ApiError", "ClientError", "FykeClient", "RunRequest", "TaskRequest", "Unreachable"]
