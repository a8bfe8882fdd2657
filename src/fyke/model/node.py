"""The records that a runner and its installation exchange.

A runner may be on another machine, which knows nothing but what is in these records: no schema, no
callback URL, and no secrets but those of attempts that it has leased.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from fyke.model.browser import BrowserBlock, BrowserChoice
from fyke.model.run import AttemptKey, RunLimits
from fyke.model.worker import (
    BrowserNeed,
    EnvironmentArchive,
    InstallFailure,
    Language,
    VersionEnvironment,
)
from fyke.reasons import Reason

if TYPE_CHECKING:
    from fyke.model.worker import Version, Worker


ENVIRONMENT_NAME_LENGTH = 32  # of the name of an environment
GATEWAY_HOST = "gateway.fyke.internal"  # in the certificate of every gateway, at any address


@dataclass(frozen=True, slots=True)
class OrderedWorker:
    """What a runner knows of a Worker. ``account_id`` is its owner, ``is_operators`` whether that
    is the operator.
    """

    id: str
    path: str
    account_id: str
    builds_allowed: bool
    is_operators: bool

    @classmethod
    def of(cls, worker: Worker, *, is_operators: bool) -> OrderedWorker:
        return cls(worker.id, worker.path, worker.account_id, worker.builds_allowed, is_operators)


@dataclass(frozen=True, slots=True)
class RunnableVersion:
    """What a runner knows of a version; the fields are as in ``Version``."""

    id: str
    worker_id: str
    number: str
    digest: str
    language: Language
    requirements: str
    builds: bool
    egress: tuple[str, ...] | None
    secrets: tuple[str, ...]
    browser: BrowserNeed

    @classmethod
    def of(cls, version: Version) -> RunnableVersion:
        return cls(
            version.id,
            version.worker_id,
            version.number,
            version.digest,
            version.language,
            version.requirements,
            version.builds,
            version.egress,
            version.secrets,
            version.browser,
        )


def environment_name(account_id: str, version: RunnableVersion) -> str:
    """The name of what a version needs installed, 32 hexadecimal digits, the same on all machines.
    Versions have one name in common if they belong to Workers of one account and their dependencies
    are the same; where those are in the bundle, if the bundle is.

    It only helps to choose a machine. What a machine uses is decided by a key of its own, which
    also contains its interpreter and its platform.
    """
    content = version.requirements if version.language is Language.PYTHON else version.digest
    inputs = [account_id, version.language.value, version.builds, content]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:ENVIRONMENT_NAME_LENGTH]


@dataclass(frozen=True, slots=True)
class AttemptOrder:
    """A leased attempt with all that is needed to run it, apart from the secrets.

    ``run_subtasks`` is how many subtasks its run has. ``is_empty``: its run has no rows yet.
    ``environment`` is the stored record about the environment of the version, if any. ``is_last``:
    nothing else fits that waited then, so the runner need not ask again before it has more room or
    is notified. ``traceparent`` is what the Worker gets to know of its trace, "" for none.
    """

    key: AttemptKey
    input_json: str
    limits: RunLimits
    region: str
    egress_allow: tuple[str, ...]
    browser_choice: BrowserChoice
    browser_block: tuple[BrowserBlock, ...]
    run_subtasks: int
    is_empty: bool
    worker: OrderedWorker
    version: RunnableVersion
    environment: VersionEnvironment | None
    is_last: bool = False
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class PreparationOrder:
    """A version whose dependencies a runner is to install. ``refusal``: why this runner must not
    install them, else None.
    """

    worker: OrderedWorker
    version: RunnableVersion
    environment: VersionEnvironment
    refusal: Reason | None


@dataclass(frozen=True, slots=True)
class EnvironmentPlace:
    """The packed environment that an installation has for a version, if any. ``pending``: a runner
    makes it now. ``failure``: why the installation has none, and cannot have one.
    """

    archive: EnvironmentArchive | None = None
    pending: bool = False
    failure: InstallFailure | None = None


class NodeState(StrEnum):
    """Whether a node takes attempts, as the operator or its engine wants it."""

    READY = "ready"
    CORDONED = "cordoned"  # takes no attempts, and continues those that it has
    DRAINING = "draining"  # the same for some time, then they are stopped


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """The settings of the egress, which are those of the installation on every machine. The fields
    are as in ``EgressSettings``; ``upstreams`` may contain passwords.
    """

    allow: tuple[str, ...] = ()
    upstreams: Mapping[str, str] = field(default_factory=dict, repr=False)
    default_region: str = ""
    site_guard: bool = True
    site_rate: float = 50.0
    site_connections: int = 200
    site_pause_seconds: float = 30.0

    def has_upstream(self, region: str) -> bool:
        """Whether connections of this region go through a proxy."""
        regions = {name.upper() for name in self.upstreams}
        return "*" in regions or region.upper() in regions


@dataclass(frozen=True, slots=True)
class Registered:
    """What the installation answers: the state of the node, and how long a lease is valid without
    renewal. ``drain_ms``: the time until the attempts of a draining node are stopped.
    ``settings_version`` is the number of the newest one, 0 without any. ``egress`` is what it says,
    and ``gateways`` are all addresses of gateways in it, as they are written; both are None if the
    runner has that version already. ``machines`` is the number of those with active
    runners, this one included.
    """

    state: NodeState
    lease_seconds: float
    drain_ms: int | None = None
    settings_version: int = 0
    egress: EgressPolicy | None = None
    machines: int = 1
    gateways: tuple[str, ...] | None = None


class ContactState(StrEnum):
    """Why the leases of a runner are not renewed."""

    ANSWERED = "answered"  # the last call was answered
    DOWN_FOR_ALL = "down_for_all"  # no process can write the state, so none ends an attempt
    CUT_OFF = "cut_off"  # others may reach the state; if in doubt
