"""The secrets that the caller's account stores for a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, put
from fyke.domain.secrets.service import WorkerSecrets
from fyke.errors import Forbidden, Refused, SecretNotFound, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke.secrets import SecretValue, WorkerSecret, WorkerSecretList

PATH = "/api/fyke/workers/{slug}/secrets"


@dataclass(frozen=True, slots=True)
class SecretRoutes:
    tag: ClassVar[str] = "Workers"

    secrets: WorkerSecrets

    @get(PATH, scope=Scope.ADMIN, errors=(WorkerNotFound,))
    async def list_worker_secrets(self, call: Call, slug: Name) -> WorkerSecretList:
        """The names of the secrets that the account stores for a worker."""
        return WorkerSecretList.of(await self.secrets.read(call.caller, slug))

    @put(f"{PATH}/{{name}}", scope=Scope.ADMIN, errors=(WorkerNotFound, Forbidden, Refused))
    async def set_worker_secret(
        self, call: Call, slug: Name, name: Name, body: SecretValue
    ) -> WorkerSecret:
        """Set a secret, or replace its value; no answer contains it.

        Names that Fyke, an interpreter or the network configuration uses are refused. A worker has
        at most 50 secrets.
        """
        return WorkerSecret.of(await self.secrets.put(call.caller, slug, name, body.value))

    @delete(
        f"{PATH}/{{name}}", scope=Scope.ADMIN, errors=(WorkerNotFound, Forbidden, SecretNotFound)
    )
    async def delete_worker_secret(self, call: Call, slug: Name, name: Name) -> None:
        """Remove a secret; active runs keep it until they end."""
        await self.secrets.remove(call.caller, slug, name)
