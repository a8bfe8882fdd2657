"""One admitted request, as a handler sees it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from fyke.api.network import Visit
from fyke.domain.runs.start_keys import StartKey
from fyke.errors import InvalidKey
from fyke.model.account import Caller


@dataclass(frozen=True, slots=True)
class Call:
    """``start_key`` is set for operations that start something and were sent a key."""

    request: Request
    visit: Visit
    known_caller: Caller | None
    start_key: StartKey | None = None

    @property
    def caller(self) -> Caller:
        """The caller of an operation that is not public."""
        if self.known_caller is None:
            raise InvalidKey
        return self.known_caller
