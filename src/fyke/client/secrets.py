"""Methods of the client for the secrets of workers."""

from __future__ import annotations

from fyke import wire
from fyke.client.connection import Connection, segment


class SecretCalls:
    """The secrets that the caller's account stores for a worker."""

    _wire: Connection

    def secrets(self, worker: str) -> wire.fyke.secrets.WorkerSecretList:
        return self._wire.get(_secrets_path(worker), wire.fyke.secrets.WorkerSecretList)

    def set_secret(self, worker: str, name: str, value: str) -> wire.fyke.secrets.WorkerSecret:
        """Set a secret, or replace its value."""
        path = f"{_secrets_path(worker)}/{segment(name)}"
        return self._wire.put(
            path, wire.fyke.secrets.WorkerSecret, wire.fyke.secrets.SecretValue(value)
        )

    def delete_secret(self, worker: str, name: str) -> None:
        self._wire.delete(f"{_secrets_path(worker)}/{segment(name)}", type(None))


def _secrets_path(worker: str) -> str:
    return f"/api/fyke/workers/{segment(worker.replace('/', '~'))}/secrets"
