"""An authorized request, as passed to handlers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from fyke.api.network import Visit
from fyke.domain.runs.start_keys import StartKey
from fyke.errors import InvalidKey
from fyke.model.account import Caller


@dataclass(frozen=True, slots=True)
class Call:
    """``optional_caller``: None in a public operation without a valid key.

    ``start_key``: the ``Idempotency-Key`` of an operation with ``starts``, or None.
    """

    request: Request
    visit: Visit
    optional_caller: Caller | None
    start_key: StartKey | None = None

    @property
    def caller(self) -> Caller:
        """The caller of an operation that is not public."""
        if self.optional_caller is None:
            raise InvalidKey
        return self.optional_caller
