"""Methods of the client for the secrets of workers."""

from __future__ import annotations

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._requests import segment, worker_segment


class AsyncSecretCalls:
    """The secrets that the caller's account stores for a worker."""

    _connection: AsyncConnection

    async def secrets(self, worker: str) -> types.fyke.secrets.WorkerSecretList:
        return await self._connection.get(
            _secrets_path(worker), types.fyke.secrets.WorkerSecretList
        )

    async def set_secret(
        self, worker: str, name: str, value: str
    ) -> types.fyke.secrets.WorkerSecret:
        """Set a secret, or replace its value."""
        path = f"{_secrets_path(worker)}/{segment(name)}"
        return await self._connection.put(
            path, types.fyke.secrets.WorkerSecret, types.fyke.secrets.SecretValue(value)
        )

    async def delete_secret(self, worker: str, name: str) -> None:
        await self._connection.delete(f"{_secrets_path(worker)}/{segment(name)}", type(None))


def _secrets_path(worker: str) -> str:
    return f"/api/fyke/workers/{worker_segment(worker)}/secrets"
