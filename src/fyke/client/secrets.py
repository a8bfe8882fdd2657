"""Methods of the client for the secrets of workers."""

from __future__ import annotations

from fyke.client.connection import Connection, segment
from fyke.wire.fyke.secrets import SecretValue, WorkerSecret, WorkerSecretList


class SecretCalls:
    """The secrets that the caller's account stores for a worker."""

    _wire: Connection

    def secrets(self, worker: str) -> WorkerSecretList:
        return self._wire.get(_secrets_path(worker), WorkerSecretList)

    def set_secret(self, worker: str, name: str, value: str) -> WorkerSecret:
        """Set a secret, or replace its value."""
        path = f"{_secrets_path(worker)}/{segment(name)}"
        return self._wire.put(path, WorkerSecret, SecretValue(value))

    def delete_secret(self, worker: str, name: str) -> None:
        self._wire.delete(f"{_secrets_path(worker)}/{segment(name)}", type(None))


def _secrets_path(worker: str) -> str:
    return f"/api/fyke/workers/{segment(worker.replace('/', '~'))}/secrets"
