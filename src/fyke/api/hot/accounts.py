"""Balance and traffic of the caller's account, read in the event loop at every request."""

from __future__ import annotations

from typing import ClassVar

from fyke.api.envelope import encode
from fyke.api.hot.kept import Encoded
from fyke.api.hot.route import Asked, HotRead, Question
from fyke.contracts.inline import at_once
from fyke.domain.accounts.service import Accounts
from fyke.model.account import Caller
from fyke.wire.v1 import AccountInfo
from fyke.wire.v2.account import AccountBalance

_NO_MEMBERS = (b"", b"{}")


class AccountV1(HotRead):
    """``POST /api/v1/account/info``."""

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = "/api/v1/account/info"

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def question(self, asked: Asked) -> Question | None:
        return self._answer if asked.body in _NO_MEMBERS else None

    def _answer(self, caller: Caller) -> Encoded:
        return Encoded(encode(AccountInfo.of(at_once(self._accounts.get(caller)))))


class AccountV2(HotRead):
    """``GET /api/v2/users/account`` without a query."""

    method: ClassVar[str] = "GET"
    path: ClassVar[str] = "/api/v2/users/account"

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def question(self, asked: Asked) -> Question | None:
        return None if asked.query else self._answer

    def _answer(self, caller: Caller) -> Encoded:
        return Encoded(encode(AccountBalance.of(at_once(self._accounts.get(caller)))))
