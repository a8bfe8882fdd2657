"""Accounts and their keys. Times are Unix seconds, 0 = never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from fyke.domain.accounts.keys import MAX_KEY_NAME, MAX_RATE
from fyke.domain.accounts.scopes import read_scopes
from fyke.domain.billing.pricing import format_balance
from fyke.errors import InvalidRequest
from fyke.kit.decimals import millionths
from fyke.model.account import Plan, Scope
from fyke.wire.common import Items, TimeOrNever, Usd
from fyke.wire.fields import (
    Answer,
    Decimal,
    DocumentedAs,
    FieldError,
    Integer,
    Name,
    ParsedBy,
    Request,
    Text,
    to_name,
    to_texts,
)
from fyke.wire.units import MAX_SECONDS, seconds

if TYPE_CHECKING:
    from fyke.domain.accounts.keys import NewKey
    from fyke.model.account import Account, ApiKey

AccountName = Annotated[
    Text, Meta(description="another account, for the operator; empty = the caller's own")
]
Cap = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]+(\.[0-9]{1,6})?$", description="US dollars, 0 = no cap", examples=["2.5"]
    ),
]


# --- requests ------------------------------------------------------------------------------


class AccountToCreate(Request):
    name: Annotated[Name, Meta(description="lower-case letters, digits and hyphens")]


class Credit(Request):
    """The amounts to add to an account."""

    usd: Annotated[Decimal, Meta(description="US dollars")] = "0"
    traffic_mb: Annotated[Decimal, Meta(description="megabytes of traffic")] = "0"


class PlanChange(Request):
    plan: Annotated[Name, DocumentedAs(Plan)]


def to_scopes(value: object) -> list[str]:
    """Names of scopes, at least one, because an empty list could be taken for all scopes."""
    names = to_texts(value)
    if not names:
        raise FieldError(f"must name some of {', '.join(Scope)}; omit it for all of them")
    return names


class KeyToCreate(Request):
    name: Annotated[
        str,
        ParsedBy(to_name),
        Meta(min_length=1, max_length=MAX_KEY_NAME, description="the purpose of the key"),
    ]
    account: AccountName = ""
    expires_at: Annotated[Integer, Meta(ge=0, le=MAX_SECONDS, description="0 = never")] = 0
    rate_limit: Annotated[
        Integer,
        Meta(ge=0, le=MAX_RATE, description="requests per second; 0 = the server's setting"),
    ] = 0
    scopes: Annotated[
        list[str],
        ParsedBy(to_scopes),
        DocumentedAs(Annotated[list[Scope], Meta(min_length=1)]),
        Meta(description="the scopes of the key, at least one; absent: all"),
    ] = []

    @property
    def checked_scopes(self) -> frozenset[Scope]:
        """The scopes of the key, by default all. Raises ``InvalidRequest``."""
        return read_scopes(self.scopes)

    @property
    def expires_at_ms(self) -> int:
        """Unix milliseconds, 0 = never. Raises ``InvalidRequest``."""
        if not 0 <= self.expires_at <= MAX_SECONDS:
            raise InvalidRequest(
                "must be a time in Unix seconds, or 0 for never", field="expires_at"
            )
        return self.expires_at * 1000


class AccountSelector(Request):
    """The account of an operation; the operator may name any account."""

    account: AccountName = ""


# --- answers -------------------------------------------------------------------------------


class AccountItem(Answer):
    id: str
    name: str
    operator: Annotated[bool, Meta(description="whether it runs this installation")]
    balance: Usd
    held: Annotated[Usd, Meta(description="US dollars on hold for active runs")]
    traffic: Annotated[int, Meta(ge=0, description="bytes left")]
    traffic_expiration_at: TimeOrNever
    time_zone: Annotated[str, Meta(description="default time zone of schedules; an IANA name")]
    created_at: TimeOrNever
    plan: Plan
    most_runs: Annotated[
        int, Meta(ge=0, description="active runs that the plan allows; 0 = no limit")
    ]
    run_cap: Annotated[Cap, Meta(description="US dollars that one run may cost; 0 = no cap")]
    month_cap: Annotated[Cap, Meta(description="US dollars for a calendar month; 0 = no cap")]

    @classmethod
    def of(cls, account: Account) -> AccountItem:
        return cls(**_members(account))


class OwnAccount(AccountItem):
    webhook_secret: Annotated[str, Meta(description="signs the callbacks of the account")]

    @classmethod
    def with_secret(cls, account: Account, webhook_secret: str) -> OwnAccount:
        return cls(**_members(account), webhook_secret=webhook_secret)

    def __repr__(self) -> str:  # without the secret, which must not be logged
        return f"OwnAccount(id={self.id!r}, name={self.name!r})"


def _members(account: Account) -> dict[str, Any]:
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
        "plan": account.plan,
        "most_runs": account.plan.max_runs or 0,
        "run_cap": millionths(account.run_cap_micros),
        "month_cap": millionths(account.month_cap_micros),
    }


class AccountList(Items[AccountItem]):
    pass


class CreatedKey(Answer):
    id: str
    name: str
    key: Annotated[str, Meta(description="the text of the key, only in this answer")]
    expires_at: TimeOrNever
    scopes: list[Scope]

    @classmethod
    def of(cls, key: NewKey) -> CreatedKey:
        return cls(key.id, key.name, key.key, seconds(key.expires_at), _ordered(key.scopes))

    def __repr__(self) -> str:  # without the key, which must not be logged
        return f"CreatedKey(id={self.id!r}, name={self.name!r})"


class CreatedAccount(Answer):
    account: AccountItem
    key: CreatedKey


class KeyItem(Answer):
    id: str
    name: str
    prefix: Annotated[str, Meta(description="the beginning of its text")]
    created_at: TimeOrNever
    expires_at: TimeOrNever
    revoked_at: TimeOrNever
    last_used_at: TimeOrNever
    rate_limit: Annotated[int, Meta(description="requests per second; 0 = the server's setting")]
    scopes: list[Scope]
    user_id: Annotated[str, Meta(description="the user whose role the key has")]

    @classmethod
    def of(cls, key: ApiKey) -> KeyItem:
        return cls(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            created_at=seconds(key.created_at),
            expires_at=seconds(key.expires_at),
            revoked_at=seconds(key.revoked_at),
            last_used_at=seconds(key.last_used_at),
            rate_limit=key.rate_limit,
            scopes=_ordered(key.scopes),
            user_id=key.user_id,
        )


class KeyItems(Items[KeyItem]):
    pass


def _ordered(scopes: frozenset[Scope]) -> list[Scope]:
    return [scope for scope in Scope if scope in scopes]
