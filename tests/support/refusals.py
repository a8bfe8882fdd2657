"""Records refused requests in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from fyke.errors import Forbidden, Unauthenticated
from fyke.model.account import Caller


@dataclass
class RecordedRefusals:
    """``of_callers``: key or user, address, operation, message; ``without_key``: the same without a
    key or user.
    """

    of_callers: list[tuple[str, str, str, str]] = field(default_factory=list)
    without_key: list[tuple[str, str, str]] = field(default_factory=list)

    async def forbidden(
        self, caller: Caller, address: str, operation: str, error: Forbidden
    ) -> None:
        key_or_user = caller.key_id or caller.user_id
        self.of_callers.append((key_or_user, address, operation, error.message))

    async def invalid_key(self, address: str, operation: str, error: Unauthenticated) -> None:
        self.without_key.append((address, operation, error.message))
