"""Secrets of accounts: sealed, and listed without values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A value of one account for one worker. ``sealed`` is the output of ``Sealer`` in base64,
    ``key_id`` names its key. Times are ms; ``used_at`` is 0 until a run has received it.
    """

    account_id: str
    worker_id: str
    name: str
    key_id: str
    sealed: str = field(repr=False)
    set_by: str
    set_at: int
    used_at: int = 0


@dataclass(frozen=True, slots=True)
class SecretView:
    """A secret without its value, for lists. ``readable`` is False when it was sealed
    with a key that this installation does not have; ``used_at`` is to the minute.
    """

    name: str
    set_by: str
    set_at: int
    used_at: int
    readable: bool


@dataclass(frozen=True, slots=True)
class WorkerSecretsView:
    """The secrets of an account for a worker, by name, and the names that a version declares."""

    secrets: tuple[SecretView, ...]
    declared: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Declared names without a readable secret."""
        readable = {secret.name for secret in self.secrets if secret.readable}
        return tuple(name for name in self.declared if name not in readable)


@dataclass(frozen=True, slots=True)
class InjectedSecrets:
    """The secrets of one attempt. ``unreadable`` are the names of secrets that could not be
    decrypted.
    """

    environment: dict[str, str] = field(default_factory=dict, repr=False)
    unreadable: tuple[str, ...] = ()
