"""The settings of accounts, and of what runs cost them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from fyke.settings.marks import SHARED, AddressList, CommaList, TypeText, Unit


class AccountSettings(BaseModel):
    """Accounts and publishing."""

    default_plan: Annotated[Literal["free", "starter", "pro", "business", "unlimited"], SHARED] = (
        Field(default="free", examples=["pro"])
    )
    """The plan of new accounts: 2, 5, 10 or 50 runs at the same time, or no limit. The operator's
    own account is always ``unlimited``.
    """

    password_words: Annotated[CommaList, TypeText("list of words"), SHARED] = Field(
        default=(), examples=["acme,acme-data"]
    )
    """Names of your organisation, its products and projects. A password that is hardly more than
    these words, the names of user and account, the host name of ``public_url`` or the words listed
    in docs/how-to/users-and-sign-in.md is refused.
    """

    owner_password_file: Annotated[str, TypeText("absolute path")] = Field(
        default="", examples=["/run/owner_password"]
    )
    """A file with the owner's first password on one line, for installations that must listen on
    another address than the loopback from their first start, such as those in containers. ``fyke
    up`` and ``fyke serve --role server`` read it while no user of the operator's account has a
    password, and never again: change the password in the console. Only the service user and its
    group may be able to read the file, and only its owner to change it. An unreadable file, and a
    password that the console would refuse, stop the start.
    """

    @field_validator("owner_password_file")
    @classmethod
    def _is_absolute(cls, path: str) -> str:
        """Processes that read it have different working folders."""
        if path and not path.startswith("/"):
            raise ValueError("must be an absolute path")
        return path

    review: Annotated[Literal["required", "off"], SHARED] = Field(
        default="required", examples=["off"]
    )
    """``required``: other accounts can see and run a version only after a user of the operator's
    account has approved it (docs/how-to/publish-and-review.md). Private Workers, and those of the
    operator, need no review. ``off``: every account publishes without a review. Submissions that
    are waiting when this is switched off can still be decided.
    """

    schema_by_slug: Annotated[bool, SHARED] = Field(default=True, examples=["false"])
    """Whether a request without a key can read the input schema of a private Worker by its slug
    (80 random bits, which cannot be guessed), as clients of the original platform expect:
    ``GET /api/scraper`` and, in v2, ``input-schema`` and ``internal``. The answer has no README
    and no defaults of secret fields, and the default limits of the platform instead of the
    owner's; the Worker cannot be started. By its name, and with keys of other accounts, the
    Worker is not found. When false, only a key of its account can read the schema.
    """

    git_allow: Annotated[AddressList, SHARED] = Field(
        default=(), examples=["git.example.internal:443"]
    )
    """Git servers that are accepted although they are not on the public internet."""

    schedule_failures: Annotated[int, SHARED] = Field(default=10, ge=0, examples=["3"])
    """A schedule is switched off after this many failures in a row: refused starts and failed
    runs. Switching it on again resets the count. 0 never switches it off.
    """


class PriceSettings(BaseModel):
    """Prices.

    All prices are zero by default: runs cost nothing, no amount is held, and no balance is
    needed. See docs/how-to/limits-and-prices.md.
    """

    price_cpu_hour: Annotated[Decimal, Unit("US dollars for one core and one hour"), SHARED] = (
        Field(default=Decimal(0), ge=0, examples=["0.05"])
    )
    """The price of CPU time."""

    price_memory_gb_hour: Annotated[
        Decimal, Unit("US dollars for 1024 MiB and one hour"), SHARED
    ] = Field(default=Decimal(0), ge=0, examples=["0.01"])
    """The price of memory."""

    price_traffic_gb: Annotated[Decimal, Unit("US dollars for 1,000,000,000 bytes"), SHARED] = (
        Field(default=Decimal(0), ge=0, examples=["0.5"])
    )
    """The price of traffic through the proxy, in both directions."""

    traffic_quota: Annotated[bool, SHARED] = Field(default=False, examples=["true"])
    """Whether traffic is deducted from the account's quota. An account without remaining traffic
    cannot start a run.
    """
