"""Accounts (for the operator), one's own account, and keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fyke.api.call import Call
from fyke.api.decode import Wire, WireInt, WireName, WireNumber, WireText
from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE, UNKNOWN_PATH
from fyke.api.operations import Nothing, Operation
from fyke.api.own import answers
from fyke.api.v1.vocabulary import seconds
from fyke.domain.accounts.keys import NewKey
from fyke.domain.accounts.scopes import read_scopes, scope_text
from fyke.domain.accounts.service import Accounts
from fyke.domain.billing.pricing import format_balance, millionths
from fyke.errors import Conflict, Forbidden, InvalidRequest
from fyke.model.account import Account, ApiKey

MAX_SECONDS = 253_402_300_799  # the end of the year 9999


class NewAccount(Wire):
    name: WireName


class Credit(Wire):
    name: WireName
    usd: WireNumber = "0"
    traffic_mb: WireNumber = "0"


class PlanChange(Wire):
    name: WireName
    plan: WireName


class NewKeyFields(Wire):
    name: WireName
    account: WireText = ""
    expires_at: WireInt = 0
    rate_limit: WireInt = 0
    scopes: list[WireText] = []


class KeyList(Wire):
    account: WireText = ""


class KeyRef(Wire):
    id: WireName
    account: WireText = ""


@dataclass(frozen=True, slots=True)
class AccountOperations:
    accounts: Accounts
    webhook_secret: Callable[[str], str]

    def operations(self) -> list[Operation[Any]]:
        return [*self._of_accounts(), *self._of_keys()]

    def _of_accounts(self) -> list[Operation[Any]]:
        denied = TABLE[Forbidden]
        return [
            Operation(
                "GET",
                "/api/fyke/account",
                id="getOwnAccount",
                tag="Account",
                summary="One's own account, with the secret that signs its callbacks",
                fields=Nothing,
                handler=self.own,
                answer=answers.OwnAccount,
            ),
            Operation(
                "GET",
                "/api/fyke/accounts",
                id="listAccounts",
                tag="Operator",
                summary="Every account of this installation",
                fields=Nothing,
                handler=self.list,
                answer=answers.AccountList,
                errors=(denied,),
            ),
            Operation(
                "POST",
                "/api/fyke/accounts",
                id="createAccount",
                tag="Operator",
                summary="Make an account with a first key",
                fields=NewAccount,
                handler=self.create,
                answer=answers.NewAccount,
                errors=(denied, TABLE[Conflict]),
            ),
            Operation(
                "POST",
                "/api/fyke/accounts/{name}/credit",
                id="creditAccount",
                tag="Operator",
                summary="Add balance and traffic to an account",
                fields=Credit,
                handler=self.credit,
                answer=answers.AccountItem,
                errors=(denied, UNKNOWN_PATH),
                path_fields=("name",),
            ),
            Operation(
                "PUT",
                "/api/fyke/accounts/{name}/plan",
                id="changePlan",
                tag="Operator",
                summary="Put an account on a plan",
                fields=PlanChange,
                handler=self.change_plan,
                answer=answers.AccountItem,
                errors=(denied, UNKNOWN_PATH),
                path_fields=("name",),
            ),
        ]

    def _of_keys(self) -> list[Operation[Any]]:
        denied = TABLE[Forbidden]
        return [
            Operation(
                "GET",
                "/api/fyke/keys",
                id="listKeys",
                tag="Account",
                summary="The account's keys, without their text",
                fields=KeyList,
                handler=self.keys,
                answer=answers.KeyList,
                errors=(denied, UNKNOWN_PATH),
            ),
            Operation(
                "POST",
                "/api/fyke/keys",
                id="createKey",
                tag="Account",
                summary="Make a key; its text is in this answer only",
                fields=NewKeyFields,
                handler=self.create_key,
                answer=answers.NewKeyItem,
                errors=(denied, UNKNOWN_PATH, TABLE[Conflict]),
            ),
            Operation(
                "DELETE",
                "/api/fyke/keys/{id}",
                id="revokeKey",
                tag="Account",
                summary="End a key at once, by its id or name",
                fields=KeyRef,
                handler=self.revoke_key,
                errors=(denied, UNKNOWN_PATH),
                path_fields=("id",),
            ),
        ]

    async def own(self, call: Call, _wanted: Nothing) -> bytes:
        account = await self.accounts.get(call.caller)
        secret = self.webhook_secret(account.id)
        return encode({**_account(account), "webhook_secret": secret})

    async def list(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.accounts.list_accounts(call.caller)
        return encode({"list": [_account(account) for account in found]})

    async def create(self, call: Call, wanted: NewAccount) -> bytes:
        account, key = await self.accounts.add_account(call.caller, wanted.name)
        return encode({"account": _account(account), "key": _new_key(key)})

    async def credit(self, call: Call, wanted: Credit) -> bytes:
        account = await self.accounts.credit(
            call.caller, wanted.name, Decimal(wanted.usd), Decimal(wanted.traffic_mb)
        )
        return encode(_account(account))

    async def change_plan(self, call: Call, wanted: PlanChange) -> bytes:
        return encode(_account(await self.accounts.set_plan(call.caller, wanted.name, wanted.plan)))

    async def keys(self, call: Call, wanted: KeyList) -> bytes:
        found = await self.accounts.list_keys(call.caller, account=wanted.account or None)
        return encode({"list": [_key(key) for key in found]})

    async def create_key(self, call: Call, wanted: NewKeyFields) -> bytes:
        if not 0 <= wanted.expires_at <= MAX_SECONDS:
            raise InvalidRequest("expires_at must be a time in Unix seconds, or 0 for never")
        key = await self.accounts.create_key(
            call.caller,
            wanted.name,
            account=wanted.account or None,
            expires_at=wanted.expires_at * 1000,
            rate_limit=wanted.rate_limit,
            scopes=read_scopes(wanted.scopes),
        )
        return encode(_new_key(key))

    async def revoke_key(self, call: Call, wanted: KeyRef) -> bytes:
        await self.accounts.revoke_key(call.caller, wanted.id, account=wanted.account or None)
        return NULL


def _account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "operator": account.operator,
        "balance": format_balance(account.balance_micros),
        "held": format_balance(account.held_micros),
        "traffic": max(0, account.traffic_bytes),
        "traffic_expiration_at": seconds(account.traffic_expires_at),
        "time_zone": account.time_zone,
        "created_at": seconds(account.created_at),
        "plan": account.plan.value,
        "most_runs": account.plan.most or 0,
        "run_cap": millionths(account.run_cap_micros),
        "month_cap": millionths(account.month_cap_micros),
    }


def _new_key(key: NewKey) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "key": key.key}


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": seconds(key.created_at),
        "expires_at": seconds(key.expires_at),
        "revoked_at": seconds(key.revoked_at),
        "last_used_at": seconds(key.last_used_at),
        "rate_limit": key.rate_limit,
        "scopes": scope_text(key.scopes).split(),
        "user_id": key.user_id,
    }
