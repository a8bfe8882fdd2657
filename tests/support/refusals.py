"""The refused requests, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from fyke.errors import Forbidden, Unauthenticated
from fyke.model.account import Caller


@dataclass
class RecordedRefusals:
    """(key or user, address, operation, message) of callers; of strangers without the first."""

    of_callers: list[tuple[str, str, str, str]] = field(default_factory=list)
    of_strangers: list[tuple[str, str, str]] = field(default_factory=list)

    async def forbidden(
        self, caller: Caller, address: str, operation: str, error: Forbidden
    ) -> None:
        who = caller.key_id or caller.user_id
        self.of_callers.append((who, address, operation, error.message))

    async def stranger(self, address: str, operation: str, error: Unauthenticated) -> None:
        self.of_strangers.append((address, operation, error.message))
