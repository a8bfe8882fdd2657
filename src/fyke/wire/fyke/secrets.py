"""The secrets that an account stores for a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from fyke.domain.workers.secret_rules import NAME_RULE
from fyke.wire.common import TimeOrNever
from fyke.wire.fields import Answer, Request, Text
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.model.secret import SecretView, WorkerSecretsView


class SecretValue(Request):
    value: Annotated[Text, Meta(description="6 characters to 16 KiB; no answer contains it")]


class WorkerSecret(Answer):
    """A secret without its value."""

    name: Annotated[str, Meta(description=f"of the variable that runs get: {NAME_RULE}")]
    set_by: Annotated[str, Meta(description="name of the user")]
    set_at: TimeOrNever
    used_at: Annotated[
        int, Meta(ge=0, description="when a run last received it, to the minute; 0 = never")
    ]
    readable: Annotated[
        bool, Meta(description="false: sealed with another installation's key; set it again")
    ]

    @classmethod
    def of(cls, secret: SecretView) -> WorkerSecret:
        return cls(
            name=secret.name,
            set_by=secret.set_by,
            set_at=seconds(secret.set_at),
            used_at=seconds(secret.used_at),
            readable=secret.readable,
        )


class WorkerSecretList(Answer):
    items: list[WorkerSecret] = field(name="list")
    needed: Annotated[list[str], Meta(description="names that the newest version declares")]
    missing: Annotated[list[str], Meta(description="those that are not set or not readable")]

    @classmethod
    def of(cls, view: WorkerSecretsView) -> WorkerSecretList:
        return cls(
            [WorkerSecret.of(secret) for secret in view.secrets],
            list(view.declared),
            list(view.missing),
        )
