"""The secrets that the caller's account keeps for a worker: set, listed by name, removed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field

from fyke.api.decode import WireName, WireText
from fyke.api.documents import Answer
from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE, UNKNOWN_PATH
from fyke.api.operations import Call, Operation
from fyke.api.own.callback_answers import Moment
from fyke.api.own.catalog import WorkerRef
from fyke.domain.secrets.service import WorkerSecrets
from fyke.domain.workers.secret_rules import NAME_RULE
from fyke.errors import Forbidden, Refused, WorkerNotFound
from fyke.model.secret import SecretView

PATH = "/api/fyke/workers/{slug}/secrets"


class SecretRef(WorkerRef):
    name: WireName


class SecretFields(SecretRef):
    value: WireText = Field(description="6 characters to 16 KiB; is not told again")


class SecretItem(Answer):
    name: Annotated[str, Field(description=f"of the variable that runs get: {NAME_RULE}")]
    set_by: Annotated[str, Field(description="name of the user")]
    set_at: Moment
    used_at: Annotated[int, Field(description="when a run last got it, to the minute; 0 = never")]
    readable: Annotated[
        bool, Field(description="false: sealed with another installation's key; set it again")
    ]


SecretItems = list[SecretItem]


Names = list[str]


class SecretList(Answer):
    list: SecretItems
    needed: Annotated[Names, Field(description="what the newest version says it needs")]
    missing: Annotated[Names, Field(description="those of them that are not set, or not readable")]


@dataclass(frozen=True, slots=True)
class SecretOperations:
    secrets: WorkerSecrets

    def operations(self) -> list[Operation[Any]]:
        missing, denied = TABLE[WorkerNotFound], TABLE[Forbidden]
        return [
            Operation(
                "GET",
                PATH,
                id="listWorkerSecrets",
                tag="Workers",
                summary="The names of the secrets that the account keeps for a worker",
                fields=WorkerRef,
                handler=self.list,
                answer=SecretList,
                errors=(missing,),
                path_fields=("slug",),
            ),
            Operation(
                "PUT",
                f"{PATH}/{{name}}",
                id="setWorkerSecret",
                tag="Workers",
                summary="Set a secret, or replace its value; no answer ever holds it",
                fields=SecretFields,
                handler=self.put,
                answer=SecretItem,
                errors=(missing, denied, TABLE[Refused]),
                path_fields=("slug", "name"),
            ),
            Operation(
                "DELETE",
                f"{PATH}/{{name}}",
                id="deleteWorkerSecret",
                tag="Workers",
                summary="Remove a secret; what runs already keeps it until it ends",
                fields=SecretRef,
                handler=self.remove,
                errors=(missing, denied, UNKNOWN_PATH),
                path_fields=("slug", "name"),
            ),
        ]

    async def list(self, call: Call, wanted: WorkerRef) -> bytes:
        found = await self.secrets.look(call.caller, wanted.slug)
        listed = [_item(one) for one in found.secrets]
        return encode({"list": listed, "needed": found.named, "missing": found.lacking})

    async def put(self, call: Call, wanted: SecretFields) -> bytes:
        return encode(
            _item(await self.secrets.put(call.caller, wanted.slug, wanted.name, wanted.value))
        )

    async def remove(self, call: Call, wanted: SecretRef) -> bytes:
        await self.secrets.remove(call.caller, wanted.slug, wanted.name)
        return NULL


def _item(secret: SecretView) -> dict[str, Any]:
    return asdict(secret) | {
        "set_at": secret.set_at // 1000,
        "used_at": secret.used_at // 1000,
    }
